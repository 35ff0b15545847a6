package memory_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
)

// TestAMillionKeysCostNothing sends a million messages with as many keys through the engine, 10 000 of which it holds at a time, and looks at the heap
// meanwhile.
func TestAMillionKeysCostNothing(t *testing.T) {
	// not parallel: it measures the heap of the process
	if testing.Short() {
		t.Skip("skipped by -short: a million messages with a million keys")
	}
	const held, most = 10_000, 64 << 20
	n := 1_000_000
	if raceDetector {
		n /= 10
		t.Logf("REDUCED: with the race detector this runs %d messages instead of a million", n)
	}
	b := newBroker(t, memory.WithCapacity(2*held))
	var before, during uint64
	before = heap()

	var handled atomic.Int64
	full := make(chan struct{}) // closed when the engine holds as much as it may
	c, err := async.New("bar", b.Consumer(queue), func(ctx context.Context, _ *async.Message) error {
		handled.Add(1)
		select {
		case <-full:
		case <-ctx.Done():
		}
		return nil
	}, async.WithMaxHeld(held), async.WithConcurrency(2))
	if err != nil {
		t.Fatal(err)
	}
	telemetry := trace.WithTelemetry(t.Context(), trace.NewTelemetry(nil, nil, metric.NewRegistry()))
	ctx, stop := context.WithCancel(component.WithGrace(telemetry, time.Minute, nil))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()

	p := b.Producer(queue)
	body := make([]byte, 200)
	for i := range n {
		m := &async.Message{Key: binary.BigEndian.AppendUint64(nil, uint64(i)), Data: body}
		if err := p.Send(telemetry, m); err != nil {
			t.Fatal(err)
		}
		switch {
		case i == held+held/2: // the consumer may hold no more, and half as many are queued
			awaitHeld(t, b, held)
			during = max(during, heap())
			close(full)
		case i%(n/20) == 0:
			during = max(during, heap())
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	after := heap()
	t.Logf("heap: %d kB at the start, at most %d kB over it while messages were held, %d kB over it at the end",
		before>>10, over(during, before)>>10, over(after, before)>>10)
	want(t, "handled", handled.Load(), int64(n))
	if got := over(during, before); got > most {
		t.Errorf("heap while messages are held: %d MB over the start, want at most %d", got>>20, most>>20)
	}
	if got := over(after, before); got > most/16 {
		t.Errorf("heap at the end: %d kB over the start, want at most %d", got>>10, most/16>>10)
	}
	runtime.KeepAlive(b)
}

// heap returns the bytes that are in use on the heap, garbage excluded.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func over(now, before uint64) uint64 { return max(now, before) - before }

// awaitHeld waits until a consumer holds n messages.
func awaitHeld(t *testing.T, b *memory.Broker, n int) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute); b.Held(queue) < n; <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("held: %d messages after a minute, want %d", b.Held(queue), n)
		}
	}
}
