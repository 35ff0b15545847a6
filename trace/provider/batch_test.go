package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/reliability"
	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"pgregory.net/rapid"
)

func numbers(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, strconv.Itoa(i))
	}
	return out
}

func TestBatchLeavesWhenItIsFullOrOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		p := started(t, WithExporter(r, WithBatchSize(10), WithDelay(time.Second)))

		emit(p, numbers(0, 25)...)
		synctest.Wait()
		full := r.sizes()
		time.Sleep(999 * time.Millisecond)
		waiting := r.sizes()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		old := r.sizes()

		if diff := cmp.Diff([][]int{{10, 10}, {10, 10}, {10, 10, 5}}, [][]int{full, waiting, old}); diff != "" {
			t.Errorf("batches at once, before and after the delay (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(numbers(0, 25), r.names()); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}

		time.Sleep(time.Hour)
		emit(p, "later")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.sizes(); !slices.Equal(got, []int{10, 10, 5, 1}) {
			t.Errorf("after an hour: got %v, want one more batch of 1", got)
		}
	})
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{gate: make(chan struct{})}
		p := started(t, WithExporter(r, WithQueueSize(5), WithBatchSize(2)))

		emit(p, "0", "1")
		synctest.Wait() // these are with the exporter
		emit(p, numbers(2, 10)...)
		close(r.gate)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(numbers(0, 7), r.names()); diff != "" {
			t.Errorf("exported (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]uint64{"provider.recorder/queue_full": 3}, drops(p)); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
	})
}

func TestBlockingLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{gate: make(chan struct{})}
		p := started(t, WithExporter(r, WithQueueSize(3), WithBatchSize(2), WithBlocking()))

		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() { emit(p, numbers(10*i, 10*i+10)...) })
		}
		synctest.Wait() // all wait for room
		if got := r.sizes(); len(got) != 0 {
			t.Fatalf("got batches %v while the exporter hangs", got)
		}
		close(r.gate)
		wg.Wait()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}

		got := r.names()
		slices.Sort(got)
		want := numbers(0, 100)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("exported (-want +got):\n%s", diff)
		}
		if len(drops(p)) != 0 {
			t.Errorf("got drops %v, want none", drops(p))
		}
	})
}

func TestShutdownWaitsForBlockedCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{gate: make(chan struct{})}
		p := started(t, WithExporter(r, WithQueueSize(1), WithBlocking()))
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() { emit(p, strconv.Itoa(i)) })
		}
		synctest.Wait()

		var err error
		wg.Go(func() { err = p.Shutdown(t.Context()) })
		synctest.Wait()
		close(r.gate)
		wg.Wait()

		if err != nil || len(r.names()) != 10 || len(drops(p)) != 0 {
			t.Errorf("got %v, %d spans, drops %v, want nil, 10, none", err, len(r.names()), drops(p))
		}
	})
}

func TestShutdownThatRunsOutOfTimeCountsWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{gate: make(chan struct{})}
		p := started(t, WithExporter(r, WithQueueSize(5), WithBatchSize(2), WithBlocking()), WithErrorHandler(func(error) {}))
		var wg sync.WaitGroup
		for i := range 10 { // 2 with the exporter, 5 queued, 3 blocked
			wg.Go(func() { emit(p, strconv.Itoa(i)) })
		}
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Shutdown(ctx)
		wg.Wait() // blocked callers are let go
		synctest.Wait()

		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "5 spans not exported") {
			t.Errorf("got %v, want deadline exceeded with 5 spans", err)
		}
		if diff := cmp.Diff(map[string]uint64{"provider.recorder/export_failed": 2, "provider.recorder/shutdown": 8}, drops(p)); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
		if r.shutdowns != 1 {
			t.Errorf("shutdowns of the exporter: got %d, want 1", r.shutdowns)
		}
	})
}

func TestSpanThatEndsLateIsCounted(t *testing.T) {
	t.Parallel()
	b := newBatcher(&recorder{}, batchConfig{queueSize: 1, batchSize: 1, delay: time.Second, timeout: time.Second})
	s := stub("late").Snapshot()

	b.OnEnd(s) // before start
	b.start()
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.OnEnd(s)

	if got := b.late.Load(); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
}

func TestFlushExportsWhatHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		p := started(t, WithExporter(r, WithBatchSize(10)))

		emit(p, numbers(0, 15)...)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.sizes(); !slices.Equal(got, []int{10, 5}) {
			t.Errorf("got batches %v, want [10 5]", got)
		}

		r.fail(errExport)
		emit(p, "lost")
		err := p.ForceFlush(t.Context())
		if want := "exporter provider.recorder: flush: back end away"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
		if diff := cmp.Diff(map[string]uint64{"provider.recorder/export_failed": 1}, drops(p)); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
	})
}

func TestFlushIsBoundedByItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{gate: make(chan struct{}, 3)}
		p := started(t, WithExporter(r, WithBatchSize(2), WithQueueSize(10), WithExportTimeout(time.Minute)), WithErrorHandler(func(error) {}))
		flush := func() (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			err := p.ForceFlush(ctx)
			return time.Since(start), err
		}

		emit(p, "0")
		first, err := flush() // hangs in the export that the flush itself asked for
		if !errors.Is(err, context.DeadlineExceeded) || first != time.Second {
			t.Errorf("got %v after %v, want deadline exceeded after 1s", err, first)
		}
		emit(p, "1", "2") // a batch, with which the exporter hangs for its timeout
		synctest.Wait()
		second, err := flush()
		if !errors.Is(err, context.DeadlineExceeded) || second != time.Second {
			t.Errorf("got %v after %v, want deadline exceeded after 1s", err, second)
		}
		time.Sleep(time.Minute)
		r.gate <- struct{}{}
		emit(p, "3")
		if _, err := flush(); err != nil {
			t.Errorf("once it works again: got %v", err)
		}
		if diff := cmp.Diff([]string{"3"}, r.names()); diff != "" {
			t.Errorf("exported (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]uint64{"provider.recorder/export_failed": 3}, drops(p)); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
	})
}

func TestFailuresAreReportedButNotEachOfThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []string
		r := &recorder{err: errExport}
		p := started(t, WithExporter(r, WithBatchSize(1)), WithErrorHandler(func(err error) { got = append(got, err.Error()) }))

		for range 12 {
			emit(p, "lost")
			time.Sleep(time.Second)
		}
		synctest.Wait()

		want := []string{"exporter provider.recorder: back end away", "exporter provider.recorder: back end away (and 9 failures before)"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]uint64{"provider.recorder/export_failed": 12}, drops(p)); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
	})
}

func TestExporterThatPanicsIsContained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got error
		p := started(t, WithExporter(panicking{}, WithBatchSize(1)), WithErrorHandler(func(err error) { got = err }))

		emit(p, "a")
		synctest.Wait()
		err := p.Shutdown(t.Context())

		if pe, ok := errors.AsType[*reliability.PanicError](got); !ok || pe.Value != "export" {
			t.Errorf("report: got %v, want the panic", got)
		}
		if pe, ok := errors.AsType[*reliability.PanicError](err); !ok || pe.Value != "shutdown" {
			t.Errorf("shutdown: got %v, want the panic", err)
		}
		if diff := cmp.Diff(map[string]uint64{"provider.panicking/export_failed": 1}, drops(p)); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
	})
}

type panicking struct{}

func (panicking) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { panic("export") }
func (panicking) Shutdown(context.Context) error                             { panic("shutdown") }

func TestExporterThatCountsIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counting{recorder: recorder{err: errExport}, lost: map[string]func() uint64{"send_failed": func() uint64 { return 1 }}}
		p := started(t, WithExporter(c), WithErrorHandler(func(error) {}))

		emit(p, "a", "b")
		if err := p.Shutdown(t.Context()); !errors.Is(err, errExport) {
			t.Errorf("got %v, want the exporter's error", err)
		}

		if diff := cmp.Diff(map[string]uint64{"counting/send_failed": 1}, drops(p)); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
	})
}

func TestExportHasATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at time.Duration
		start := time.Now()
		r := &recorder{gate: make(chan struct{})}
		p := started(t, WithExporter(r, WithBatchSize(1), WithExportTimeout(5*time.Second)), WithErrorHandler(func(error) { at = time.Since(start) }))

		emit(p, "a")
		time.Sleep(time.Minute)
		synctest.Wait()

		if at != 5*time.Second {
			t.Errorf("reported after %v, want 5s", at)
		}
	})
}

// TestNoSpanIsForgotten runs random loads through a slow exporter: what was ended was exported or counted, and nothing twice or out of order.
func TestNoSpanIsForgotten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		queue := rapid.IntRange(1, 20).Draw(rt, "queue")
		batch := rapid.IntRange(1, 20).Draw(rt, "batch")
		blocking := rapid.Bool().Draw(rt, "blocking")
		bursts := rapid.SliceOfN(rapid.IntRange(0, 30), 1, 8).Draw(rt, "bursts")
		slow := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 3 * time.Second}).Draw(rt, "slow")
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{}
			oo := []BatchOptionFunc{WithQueueSize(queue), WithBatchSize(batch), WithDelay(100 * time.Millisecond)}
			if blocking {
				oo = append(oo, WithBlocking())
			}
			p := started(t, WithExporter(slowly{r, slow}, oo...))

			var total int
			for _, n := range bursts {
				emit(p, numbers(total, total+n)...)
				total += n
				time.Sleep(50 * time.Millisecond)
			}
			if err := p.Shutdown(t.Context()); err != nil {
				rt.Fatal(err)
			}

			got := r.names()
			lost := int(drops(p)["provider.slowly/queue_full"])
			if len(got)+lost != total || (blocking && lost > 0) {
				rt.Fatalf("got %d exported and %d lost of %d", len(got), lost, total)
			}
			last := -1
			for _, name := range got {
				var n int
				if _, err := fmt.Sscan(name, &n); err != nil || n <= last {
					rt.Fatalf("got %s after %d", name, last)
				}
				last = n
			}
			if m := slices.Max(append(r.sizes(), 0)); m > batch {
				rt.Fatalf("got a batch of %d, want at most %d", m, batch)
			}
		})
	})
}

type slowly struct {
	*recorder
	takes time.Duration
}

func (s slowly) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	time.Sleep(s.takes)
	return s.recorder.ExportSpans(ctx, spans)
}

func TestRingIsAQueue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := newRing(rapid.IntRange(1, 9).Draw(rt, "size"))
		var model []string
		next := 0
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				if r.full() {
					rt.Skip()
				}
				name := strconv.Itoa(next)
				next++
				r.put(stub(name).Snapshot())
				model = append(model, name)
			},
			"take": func(rt *rapid.T) {
				n := min(rapid.IntRange(0, 12).Draw(rt, "n"), len(model))
				var got []string
				for _, s := range r.take(nil, n) {
					got = append(got, s.Name())
				}
				if !slices.Equal(got, model[:n]) {
					rt.Fatalf("got %v, want %v", got, model[:n])
				}
				model = model[n:]
			},
			"": func(rt *rapid.T) {
				var held int
				for _, s := range r.spans {
					if s != nil {
						held++
					}
				}
				if r.count != len(model) || held != len(model) {
					rt.Fatalf("got count %d and %d spans held, want %d", r.count, held, len(model))
				}
			},
		})
	})
}
