package broker

import (
	"context"
	"errors"
	"net"
	"os"
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

func TestWhatABrokerConfirmedSurvivesItsKill(t *testing.T) {
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
