package broker

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startReal starts a broker for a test. One that cannot be installed on this machine fails the test: who has none says so with -short.
func startReal(t *testing.T, spec Spec) *Broker {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped by -short: it starts a broker")
	}
	began := time.Now()
	b, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(b.Dir()); spec.Dir == "" && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", b.Dir(), err)
		}
		for address := range strings.SplitSeq(b.Address(), ",") {
			if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
				_ = conn.Close()
				t.Errorf("%s still answers", address)
			}
		}
	})
	t.Logf("%s %s at %s after %v", b.Kind(), b.Version(), b.Address(), time.Since(began).Round(time.Millisecond))
	return b
}

func TestRealBrokersKeepWhatTheyConfirmed(t *testing.T) {
	t.Parallel()
	for kind, d := range deposits(t) {
		if kind == Fauxqs {
			continue // keeps nothing
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			b := startReal(t, Spec{Kind: kind, Durable: kind == ElasticMQ})
			if err := d.leave(ctx, b.Address()); err != nil {
				t.Fatal(err)
			}
			address, before := b.Address(), b.Nodes()[0].child.PID

			if err := b.Kill(ctx); err != nil {
				t.Fatal(err)
			}
			if b.Nodes()[0].Alive() {
				t.Error("it is alive after Kill")
			}
			if _, err := kind.Probe(ctx, address); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("the dead broker: got %v, want %v", err, syscall.ECONNREFUSED)
			}
			began := time.Now()
			if err := b.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s restarted in %v", kind, time.Since(began).Round(time.Millisecond))

			if err := d.look(ctx, address); err != nil {
				t.Errorf("after SIGKILL: %v", err)
			}
			if now := b.Nodes()[0].child.PID; now == before || b.Address() != address {
				t.Errorf("got process %d at %s, want another than %d at %s", now, b.Address(), before, address)
			}

			if err := errors.Join(b.Stop(ctx), b.Restart(ctx), d.look(ctx, address)); err != nil {
				t.Errorf("after a stop: %v", err)
			}
		})
	}
}

func TestRealKafkaServesWithoutOneOfThree(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := startReal(t, Spec{Kind: Kafka, Nodes: 3})
	if got := len(strings.Split(b.Env()[Kafka.Variable()], ",")); got != 3 {
		t.Fatalf("got %d addresses in %v, want 3", got, b.Env())
	}
	if err := leaveKafka(ctx, b.Address()); err != nil {
		t.Fatal(err)
	}

	nodes := b.Nodes()
	if err := nodes[2].Kill(ctx); err != nil {
		t.Fatal(err)
	}

	if !nodes[0].Alive() || !nodes[1].Alive() || nodes[2].Alive() {
		t.Errorf("alive: got %t %t %t, want only the third dead", nodes[0].Alive(), nodes[1].Alive(), nodes[2].Alive())
	}
	if err := lookKafka(ctx, b.Address()); err != nil {
		t.Errorf("with two of three: %v", err)
	}
	if err := nodes[2].Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := lookKafka(ctx, nodes[2].Address()); err != nil {
		t.Errorf("asked at the one that came back: %v", err)
	}
}

func TestARealFauxqsBeginsAnewAfterItsKill(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := startReal(t, Spec{Kind: Fauxqs})
	if err := errors.Join(leaveSQS(ctx, b.Address()), lookSQS(ctx, b.Address())); err != nil {
		t.Fatal(err)
	}

	if err := errors.Join(b.Kill(ctx), b.Restart(ctx)); err != nil {
		t.Fatal(err)
	}

	if err := lookSQS(ctx, b.Address()); err == nil {
		t.Error("the queue is still there: say so in doc.go, and let Durable have it")
	}
	if err := leaveSQS(ctx, b.Address()); err != nil {
		t.Error(err)
	}
}

func TestARealBrokerOfADirectoryKeepsItsData(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	first := startReal(t, Spec{Kind: Redis, Dir: dir})
	if err := errors.Join(redisSays("SET kept it", "+OK")(ctx, first.Address()), first.Remove(ctx)); err != nil {
		t.Fatal(err)
	}

	second := startReal(t, Spec{Kind: Redis, Dir: dir})

	if err := redisSays("GET kept", "$2")(ctx, second.Address()); err != nil {
		t.Error(err)
	}
}

func TestARealBrokerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped by -short: it starts a broker")
	}
	dir := t.TempDir()
	// A log that is no log: the server refuses it.
	if err := errors.Join(
		os.MkdirAll(dir+"/data/appendonlydir", 0o755), os.WriteFile(dir+"/data/appendonlydir/appendonly.aof.manifest", []byte("nonsense\n"), 0o644),
	); err != nil {
		t.Fatal(err)
	}

	_, err := Start(t.Context(), Spec{Kind: Redis, Dir: dir})

	if err == nil || !strings.Contains(err.Error(), "redis: it ended (exit status 1); its log says:") || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v, want that it ended and what its log says", err)
	}
}

func TestARealBrokerIsGoneWhenItsStartIsInterrupted(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped by -short: it starts a broker")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	dir := t.TempDir()
	enough := errors.New("enough")
	go func() {
		// As soon as it runs.
		_ = until(ctx, time.Millisecond, func() (bool, error) {
			_, err := os.Stat(dir + "/elasticmq.log")
			return err == nil, nil
		})
		cancel(enough)
	}()

	_, err := Start(ctx, Spec{Kind: ElasticMQ, Dir: dir})

	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	for _, p := range descendants(os.Getpid()) {
		if text, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/cmdline"); err == nil && strings.Contains(string(text), dir) {
			t.Errorf("%d still runs: %s", p.PID, text)
		}
	}
}
