package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/beatlabs/patron/tests/broker"
)

// emptySet is the directory of a set of which nothing runs, neither now nor after the test.
func emptySet(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	t.Cleanup(func() {
		s := &set{dir: dir, env: newWorld(nil).environment}
		if err := s.down(context.WithoutCancel(t.Context()), broker.Kinds()); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// redisOf is the entry of Redis in a set.
func redisOf(t *testing.T, dir string) entry {
	t.Helper()
	s := &set{dir: dir}
	if err := s.read(); err != nil {
		t.Fatal(err)
	}
	e, ok := s.find(broker.Redis)
	if !ok {
		t.Fatal("there is no Redis in the set")
	}
	return e
}

func needsProcesses(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped by -short: it starts a broker")
	}
}

func TestARealSetOfRedisIsStartedOnceAndStopped(t *testing.T) {
	t.Parallel()
	needsProcesses(t)
	dir, w := emptySet(t), newWorld(nil)
	started := filepath.Join(t.TempDir(), "started")

	first, err := w.do(t, "up", "-how", process, "-state", dir, "-started", started, "redis")
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.do(t, "up", "-how", process, "-state", dir, "-started", started, "redis")
	if err != nil {
		t.Fatal(err)
	}

	e := redisOf(t, dir)
	if want := "export PATRON_TEST_REDIS='" + e.Address + "'\n"; first != want || again != want {
		t.Errorf("got %q, then %q, want %q", first, again, want)
	}
	if names, err := os.ReadFile(started); err != nil || string(names) != "redis\n" {
		t.Errorf("-started: got %q, %v, want redis, once", names, err)
	}
	if got, err := w.do(t, "env", "-state", dir); err != nil || got != first {
		t.Errorf("env: got %q, %v, want %q", got, err, first)
	}
	got, err := w.do(t, "status", "-state", dir)
	if err != nil || !strings.Contains(got, e.Address) || strings.Count(got, "yes") != 1 || strings.Count(got, " no") != len(broker.Kinds())-1 {
		t.Errorf("status: got\n%s%v, want one that is up at %s", got, err, e.Address)
	}

	if _, err := w.do(t, "down", "-state", dir, "kafka"); err != nil || !redisOf(t, dir).runs(t.Context()) {
		t.Errorf("down of another stopped it, or %v", err)
	}
	if _, err := w.do(t, "down", "-state", dir); err != nil {
		t.Fatal(err)
	}

	if e.Alive() {
		t.Error("it is alive after down")
	}
	for _, path := range []string{e.Dir, filepath.Join(dir, "state.json")} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if got, err := w.do(t, "env", "-state", dir); err != nil || got != "" {
		t.Errorf("env after down: got %q, %v", got, err)
	}
}

func TestARealSetWhoseRedisDiedIsMended(t *testing.T) {
	t.Parallel()
	needsProcesses(t)
	for name, breaks := range map[string]func(t *testing.T, dir string, e entry){
		"killed": func(t *testing.T, _ string, e entry) {
			t.Helper()
			if err := syscall.Kill(e.Processes[0].PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		},
		"its number is somebody else's": func(t *testing.T, dir string, e entry) {
			t.Helper()
			// As after a restart of the machine: the number is that of another process, here of this test.
			if err := e.Processes[0].Kill(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := &set{dir: dir}
			e.Processes[0].PID = os.Getpid()
			if err := s.change(func([]entry) []entry { return []entry{e} }); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, w := emptySet(t), newWorld(nil)
			if _, err := w.do(t, "up", "-how", process, "-state", dir, "redis"); err != nil {
				t.Fatal(err)
			}
			dead := redisOf(t, dir)
			breaks(t, dir, dead)

			if got, err := w.do(t, "status", "-state", dir); err != nil || strings.Contains(got, "yes") {
				t.Errorf("status: got\n%s%v, want none up", got, err)
			}
			if got, err := w.do(t, "env", "-state", dir); err != nil || got != "" {
				t.Errorf("env: got %q, %v, want nothing", got, err)
			}
			if _, err := w.do(t, "up", "-how", process, "-state", dir, "redis"); err != nil {
				t.Fatal(err)
			}

			if e := redisOf(t, dir); !e.runs(t.Context()) || e.Address == dead.Address {
				t.Errorf("got %+v, want another that runs", e)
			}
			if _, err := os.Stat(dead.Dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", dead.Dir, err)
			}
		})
	}
}

func TestOfTwoThatStartARealSetOneWaits(t *testing.T) {
	t.Parallel()
	needsProcesses(t)
	dir := emptySet(t)
	said := make([]string, 4)
	var wg sync.WaitGroup
	for i := range said {
		wg.Go(func() {
			w := newWorld(nil)
			if err := run(t.Context(), []string{"up", "-how", process, "-state", dir, "redis"}, w.environment); err != nil {
				t.Error(err)
			}
			said[i] = w.stdout.String()
		})
	}
	wg.Wait()
	for _, s := range said {
		if s != said[0] || s == "" {
			t.Errorf("got %q, want %q for all", s, said[0])
		}
	}
}

func TestARealSetThatIsInterruptedLeavesNothing(t *testing.T) {
	t.Parallel()
	needsProcesses(t)
	dir, w := emptySet(t), newWorld(nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	// ElasticMQ takes seconds, Redis none: as soon as that one is there, it is enough.
	w.stderr = writer(func(line []byte) {
		if strings.Contains(string(line), "redis: 7") || strings.Contains(string(line), "redis: 6") || strings.Contains(string(line), "redis: 8") {
			cancel(enough)
		}
	})

	err := run(ctx, []string{"up", "-how", process, "-state", dir, "redis", "elasticmq"}, w.environment)

	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	if _, err := os.Stat(filepath.Join(dir, "state.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	if w.stdout.Len() > 0 {
		t.Errorf("it prints %s", w.stdout.String())
	}
}

// writer hears what is written.
type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func TestABrokerOfOthersIsLeftAlone(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := emptySet(t)
	w := newWorld(map[string]string{"PATRON_TEST_AMQP_URL": "amqps://me:secret@" + l.Addr().String() + "/"})

	got, err := w.do(t, "up", "-how", process, "-state", dir, "rabbitmq")

	if err != nil || got != "" || !strings.Contains(w.log.String(), "is not ours") {
		t.Errorf("got %q, %v, %q, want nothing to export", got, err, w.log.String())
	}
	if got, err := w.do(t, "status", "-state", dir); err != nil || !strings.Contains(got, "external") || strings.Contains(got, "secret") {
		t.Errorf("status: got\n%s%v, want an external one, without its password", got, err)
	}
	if _, err := w.do(t, "down", "-state", dir); err != nil {
		t.Error(err)
	}
}

func TestABrokerOfOthersMustAnswer(t *testing.T) {
	t.Parallel()
	ports, err := broker.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	value := broker.Redis.Value("127.0.0.1:" + strconv.Itoa(ports[0]))

	_, err = newWorld(map[string]string{"PATRON_TEST_REDIS": value}).do(t, "up", "-how", process, "-state", emptySet(t), "redis")

	if err == nil || !strings.Contains(err.Error(), "redis: PATRON_TEST_REDIS names "+value+", which does not answer") {
		t.Errorf("got %v, want the variable and the address", err)
	}
}

func TestWhatIsLeftOutIsUnset(t *testing.T) {
	t.Parallel()
	w := newWorld(map[string]string{withoutVariable: "kafka,rabbitmq elasticmq,fauxqs,redis,postgres,mariadb", "PATRON_TEST_KAFKA": "127.0.0.1:1"})
	dir := emptySet(t)

	got, err := w.do(t, "up", "-how", process, "-state", dir)

	if err != nil || strings.Count(got, "unset PATRON_TEST_") != len(broker.Kinds()) || strings.Contains(got, "export") {
		t.Errorf("got %q, %v, want all unset", got, err)
	}
	if got, err := w.do(t, "status", "-state", dir); err != nil || strings.Count(got, without) != len(broker.Kinds()) {
		t.Errorf("status: got\n%s%v, want all left out", got, err)
	}
	w.vars[withoutVariable] = "kafak"
	if _, err := w.do(t, "up", "-state", dir); err == nil || !strings.Contains(err.Error(), `PATRON_TEST_WITHOUT: broker "kafak"`) {
		t.Errorf("got %v, want the word that is none", err)
	}
}

func TestAStateThatCannotBeReadIsNotOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "state.json")
	if err := os.WriteFile(file, []byte("half a st"), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err := newWorld(nil).do(t, "up", "-how", process, "-state", dir, "redis")

	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want the file's name", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "half a st" {
		t.Errorf("got %q, %v", text, err)
	}
}
