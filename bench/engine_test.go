package bench_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// chunk is how many messages wait when a measurement begins. More would measure the garbage collector.
const chunk = 20_000

// perBatch is the size of a batch.
const perBatch = 100

// messages returns n messages of 200 bytes with a correlation ID and 16 keys.
func messages(n int) []*async.Message {
	mm := make([]*async.Message, n)
	for i := range mm {
		mm[i] = &async.Message{
			ID: "id", Key: []byte{'k', byte('a' + i%16)}, Headers: async.Headers{{Key: correlation.HeaderID, Value: "abc"}}, Data: make([]byte, 200),
		}
	}
	return mm
}

// nothing is the handler of who wants to see the engine alone.
func nothing(context.Context, *async.Message) error { return nil }

// work is a handler that takes 20 µs of a processor.
func work(context.Context, *async.Message) error {
	for began := time.Now(); time.Since(began) < 20*time.Microsecond; { //nolint:revive // busy on purpose
	}
	return nil
}

// source is what is consumed in a benchmark: it is filled with n messages outside the timer, and what it returns consumes all of them.
type source func(tb testing.TB, n int) (consume func())

// BenchmarkEngine is one message: taken, observed, given to a handler, settled. The loop is what somebody would write by hand for one process.
func BenchmarkEngine(b *testing.B) {
	for _, group := range []struct {
		name  string
		cases []sourceCase
	}{
		{"concurrency-1", []sourceCase{{"loop", loop(1, nothing)}, {"patron", engine(nothing)}}},
		{"concurrency-4", []sourceCase{{"loop", loop(4, nothing)}, {"patron", engine(nothing, async.WithConcurrency(4))}}},
		{"handler-20µs", []sourceCase{
			{"patron-1", engine(work)},
			{"patron-4", engine(work, async.WithConcurrency(4))},
			{"loop-1", loop(1, work)},
			{"loop-4", loop(4, work)},
		}},
		{"batch-100", []sourceCase{{"loop", batchLoop()}, {"patron", batchEngine()}}},
	} {
		b.Run(group.name, func(b *testing.B) {
			for _, c := range group.cases {
				b.Run(c.name, func(b *testing.B) { benchSource(b, c.source) })
			}
		})
	}
}

type sourceCase struct {
	name   string
	source source
}

func benchSource(b *testing.B, s source) {
	b.Helper()
	b.ReportAllocs()
	b.StopTimer()
	spent := 0.0
	for left := b.N; left > 0; {
		n := min(left, chunk)
		left -= n
		consume := s(b, n)
		began := cpuTime()
		b.StartTimer()
		consume()
		b.StopTimer()
		spent += cpuTime() - began
	}
	reportCPU(b, spent)
}

// observation is what the loop observes with: an unsampled span, a bound histogram and a bound gauge.
func observation() (context.Context, func(context.Context, func(context.Context) error) error) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	registry := metric.NewRegistry()
	tracer := provider.Tracer("bench")
	durations := registry.Histogram(metric.Opts{Name: "loop_seconds", Help: "Durations."}).With()
	flying := registry.Gauge(metric.Opts{Name: "loop_flying", Help: "In flight."}).With()
	ctx := trace.WithTelemetry(context.Background(), trace.NewTelemetry(provider, nil, registry))
	return ctx, func(ctx context.Context, do func(context.Context) error) error {
		began := time.Now()
		ctx, span := tracer.Start(ctx, "process")
		flying.Inc()
		err := do(ctx)
		flying.Dec()
		durations.Observe(time.Since(began).Seconds())
		span.End()
		return err
	}
}

// loop is the measure for the engine: workers that receive from a Go channel.
func loop(workers int, handle async.ProcessorFunc) source {
	return func(tb testing.TB, n int) func() {
		tb.Helper()
		base, observe := observation()
		queue := make(chan *async.Message, n)
		for _, m := range messages(n) {
			queue <- m
		}
		close(queue)
		recovered := func(ctx context.Context, m *async.Message) (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = reliability.Recovered(r)
				}
			}()
			return handle(ctx, m)
		}
		worker := func() {
			for m := range queue {
				ctx := correlation.ContextWithID(base, m.Headers.Get(correlation.HeaderID))
				if err := observe(ctx, func(ctx context.Context) error { return recovered(ctx, m) }); err != nil {
					tb.Error(err)
				}
			}
		}
		return func() {
			var wg sync.WaitGroup
			for range workers - 1 {
				wg.Go(worker)
			}
			worker()
			wg.Wait()
		}
	}
}

// batchLoop is the same for batches: one observation for each, and one handler call.
func batchLoop() source {
	return func(tb testing.TB, n int) func() {
		tb.Helper()
		base, observe := observation()
		queue := make(chan *async.Message, n)
		for _, m := range messages(n) {
			queue <- m
		}
		close(queue)
		seen := 0
		handle := func(_ context.Context, mm []*async.Message) error {
			seen += len(mm)
			return nil
		}
		return func() {
			batch := make([]*async.Message, 0, perBatch)
			for m := range queue {
				if batch = append(batch, m); len(batch) < perBatch {
					continue
				}
				if err := observe(base, func(ctx context.Context) error { return handle(ctx, batch) }); err != nil {
					tb.Error(err)
				}
				batch = batch[:0]
			}
		}
	}
}

// engine is a component that consumes from the memory broker.
func engine(handle async.ProcessorFunc, oo ...async.OptionFunc) source {
	return func(tb testing.TB, n int) func() {
		tb.Helper()
		var left atomic.Int64
		left.Store(int64(n))
		ctx, stop := engineContext(tb)
		c, err := async.New("bench", filled(tb, n), func(ctx context.Context, m *async.Message) error {
			err := handle(ctx, m)
			if left.Add(-1) == 0 {
				stop()
			}
			return err
		}, oo...)
		if err != nil {
			tb.Fatal(err)
		}
		return func() { runEngine(ctx, tb, c, &left) }
	}
}

// batchEngine is a component that takes batches.
func batchEngine() source {
	return func(tb testing.TB, n int) func() {
		tb.Helper()
		var left atomic.Int64
		left.Store(int64(n))
		ctx, stop := engineContext(tb)
		c, err := async.NewBatch("bench", filled(tb, n), func(_ context.Context, mm []*async.Message) error {
			if left.Add(-int64(len(mm))) == 0 {
				stop()
			}
			return nil
		}, async.WithBatchSize(perBatch))
		if err != nil {
			tb.Fatal(err)
		}
		return func() { runEngine(ctx, tb, c, &left) }
	}
}

// engineContext is that of a component in a service whose traces are not sampled.
func engineContext(tb testing.TB) (context.Context, context.CancelFunc) {
	tb.Helper()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	ctx := trace.WithTelemetry(tb.Context(), trace.NewTelemetry(provider, nil, metric.NewRegistry()))
	return context.WithCancel(component.WithGrace(ctx, time.Hour, nil))
}

// filled returns a queue in which n messages wait.
func filled(tb testing.TB, n int) async.ConsumerFactory {
	tb.Helper()
	broker, err := memory.New()
	if err != nil {
		tb.Fatal(err)
	}
	if err := broker.Producer("q").Send(tb.Context(), messages(n)...); err != nil {
		tb.Fatal(err)
	}
	return broker.Consumer("q")
}

// runEngine runs c until its handler has stopped it, which it does with the last message.
func runEngine(ctx context.Context, tb testing.TB, c *async.Component, left *atomic.Int64) {
	tb.Helper()
	if err := c.Run(ctx); err != nil {
		tb.Fatal(err)
	}
	if n := left.Load(); n != 0 {
		tb.Fatalf("%d messages were not handled, or more than once", n)
	}
}
