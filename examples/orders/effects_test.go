package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/async"
)

// openEffects opens a file of effects for this test.
func openEffects(tb testing.TB, path string) *Effects {
	tb.Helper()
	e, err := OpenEffects(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Close() })
	return e
}

func TestEffectIsOneLineWithTheFieldsOfTheContract(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects")
	e := openEffects(t, path)
	at := time.Date(2026, 1, 2, 5, 4, 5, 678901234, time.FixedZone("", 7200))

	if err := e.Write(goodOrder(), Outcome{Status: Processed, Attempts: 2, At: at}); err != nil {
		t.Fatal(err)
	}
	o := goodOrder()
	o.Customer = "two\nlines \"quoted\""
	if err := e.Write(o, Outcome{Status: Dead, Attempts: 1, At: at}); err != nil {
		t.Fatal(err)
	}

	want := `{"invoice":"536365","customer":"17850","outcome":"processed","attempts":2,"time":"2026-01-02T03:04:05.678901234Z"}` + "\n" +
		`{"invoice":"536365","customer":"two\nlines \"quoted\"","outcome":"dead","attempts":1,"time":"2026-01-02T03:04:05.678901234Z"}` + "\n"
	if got := string(readFile(t, path)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestEffectsAreAppended(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects")
	for range 2 {
		e := openEffects(t, path)
		if err := e.Write(goodOrder(), Outcome{Status: Processed, Attempts: 1, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}

	if got := strings.Count(string(readFile(t, path)), "\n"); got != 2 {
		t.Errorf("got %d lines, want 2", got)
	}
}

func TestEffectsWithoutAFileGoNowhere(t *testing.T) {
	t.Parallel()
	e := openEffects(t, "")

	if err := errors.Join(e.Write(goodOrder(), Outcome{Status: Processed, Attempts: 1, At: time.Now()}), e.Check(t.Context()), e.Close()); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

func TestEffectsThatCannotBeOpenedAreAnError(t *testing.T) {
	t.Parallel()

	_, err := OpenEffects(filepath.Join(t.TempDir(), "missing", "effects"))

	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "effects: ") {
		t.Errorf("got %v, want effects: … no such file", err)
	}
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects")
	e := openEffects(t, path)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 20 {
				if err := e.Write(goodOrder(), Outcome{Status: Processed, Attempts: 1, At: time.Now()}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()

	line := regexp.MustCompile(`^\{"invoice":"536365".*\}\n$`)
	n := 0
	for l := range strings.Lines(string(readFile(t, path))) {
		n++
		if !line.MatchString(l) {
			t.Errorf("line %d: %q", n, l)
		}
	}
	if n != 320 {
		t.Errorf("got %d lines, want 320", n)
	}
}

func TestEffectThatCannotBeWrittenIsToldByTheCheckUntilOneCan(t *testing.T) {
	t.Parallel()
	e := openEffects(t, "/dev/full")

	err := e.Write(goodOrder(), Outcome{Status: Processed, Attempts: 1, At: time.Now()})

	if !errors.Is(err, syscall.ENOSPC) || !errors.Is(e.Check(t.Context()), syscall.ENOSPC) {
		t.Errorf("got %v and %v, want no space", err, e.Check(t.Context()))
	}
}

func TestAnEffectIsTriedUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &processor{book: NewBook(nil), journal: &volatileJournal{effects: openEffects(t, "/dev/full")}}
		stopping := errors.New("stopping")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, stopping)
		defer cancel()
		began := time.Now()

		err := p.finish(ctx, &async.Message{Attempt: 1}, goodOrder())

		if !errors.Is(err, stopping) || !errors.Is(err, syscall.ENOSPC) || time.Since(began) != time.Minute {
			t.Errorf("got %v after %v, want both causes after a minute", err, time.Since(began))
		}
	})
}

// limitFiles bounds the size of files of this process. Whoever calls it is not parallel.
func limitFiles(tb testing.TB, size uint64) (lift func()) {
	tb.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	tb.Cleanup(func() { signal.Reset(syscall.SIGXFSZ) })
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}); err != nil {
		tb.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			tb.Error(err)
		}
	}
	tb.Cleanup(lift)
	return lift
}

func TestNothingStaysOfALineThatWasCutShort(t *testing.T) { //nolint:paralleltest // see below
	// not parallel: it bounds the files of the whole process
	path := filepath.Join(t.TempDir(), "effects")
	e := openEffects(t, path)
	if err := e.Write(goodOrder(), Outcome{Status: Processed, Attempts: 1, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, path)
	lift := limitFiles(t, uint64(len(whole)+20))

	err := e.Write(goodOrder(), Outcome{Status: Dead, Attempts: 1, At: time.Now()})

	if !errors.Is(err, syscall.EFBIG) || e.Check(t.Context()) == nil {
		t.Errorf("got %v, check %v, want file too large", err, e.Check(t.Context()))
	}
	if got := readFile(t, path); string(got) != string(whole) {
		t.Errorf("got\n%swant\n%s", got, whole)
	}
	lift()
	if err := errors.Join(e.Write(goodOrder(), Outcome{Status: Dead, Attempts: 1, At: time.Now()}), e.Check(t.Context())); err != nil {
		t.Errorf("with space again: got %v, want none", err)
	}
	if got := readFile(t, path); bytes.Count(got, []byte("\n")) != 2 || !bytes.HasPrefix(got, whole) {
		t.Errorf("got\n%swant one line more than\n%s", got, whole)
	}
}

func TestOrdersWaitForSpaceAndLoseNothing(t *testing.T) { //nolint:paralleltest // see below
	// not parallel: it bounds the files of the whole process
	path := filepath.Join(t.TempDir(), "effects")
	s := openShop(t, settings{effects: path})
	lift := limitFiles(t, 0)
	s.accept(sound, "ann")
	s.accept("F1", "ann", manual)
	s.accept("F2", "bob", manual)
	s.accept("F3", "bob")
	s.awaitReady("degraded")
	if got := s.summary(); got.Accepted != 4 || got.Processed+got.Dead != 0 {
		t.Errorf("got %+v without space, want nothing finished", got)
	}

	lift()
	s.finished(4)

	if got := s.summary(); got.Processed != 2 || got.Dead != 2 {
		t.Errorf("got %+v, want 2 processed and 2 dead", got)
	}
	s.awaitReady("ready")
	content := string(readFile(t, path))
	if n := strings.Count(content, "\n"); n != 4 || strings.Index(content, `"F0"`) > strings.Index(content, `"F1"`) ||
		strings.Index(content, `"F2"`) > strings.Index(content, `"F3"`) {
		t.Errorf("got\n%swant each order once, in order", content)
	}
}

func TestEffectsThatCannotBeWrittenLeaveTheOrdersUnsettled(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{effects: "/dev/full"}, patron.WithGracePeriod(100*time.Millisecond))
	s.accept(sound, "ann")
	s.accept("F1", "bob", manual)

	s.awaitReady("degraded")

	if got := s.summary(); got.Accepted != 2 || got.Processed+got.Dead != 0 {
		t.Errorf("got %+v, want nothing finished", got)
	}
	if v := s.view(sound); v.Status == Processed {
		t.Errorf("got %+v, want it not to be processed", v)
	}
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "2 messages left") {
		t.Errorf("stop: got %v, want the 2 orders that are left counted", err)
	}
}
