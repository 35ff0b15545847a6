package async_test

import (
	"context"
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

// benchTelemetry records nothing, as most services do for most messages.
func benchTelemetry(ctx context.Context) context.Context {
	tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	return trace.WithTelemetry(ctx, trace.NewTelemetry(tp, nil, metric.NewRegistry()))
}

// BenchmarkLoop is what somebody would write by hand: the measure for BenchmarkEngine.
func BenchmarkLoop(b *testing.B) {
	ctx := benchTelemetry(b.Context())
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())).Tracer("bench")
	registry := metric.FromContext(ctx)
	durations := registry.Histogram(metric.Opts{Name: "loop_seconds", Help: "Durations."}).With()
	flying := registry.Gauge(metric.Opts{Name: "loop_flying", Help: "In flight."}).With()
	handle := func(ctx context.Context, m *async.Message) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = reliability.Recovered(r)
			}
		}()
		_, _ = ctx, m
		return nil
	}
	queue := make(chan *async.Message, 1024)
	go func() {
		for range b.N {
			queue <- &async.Message{ID: "id", Headers: async.Headers{{Key: correlation.HeaderID, Value: "abc"}}, Data: make([]byte, 200)}
		}
		close(queue)
	}()
	b.ReportAllocs()
	b.ResetTimer()
	for m := range queue {
		began := time.Now()
		ctx := correlation.ContextWithID(ctx, m.Headers.Get(correlation.HeaderID))
		ctx, span := tracer.Start(ctx, "process")
		flying.Inc()
		if err := handle(ctx, m); err != nil {
			b.Fatal(err)
		}
		flying.Dec()
		durations.Observe(time.Since(began).Seconds())
		span.End()
	}
}

// BenchmarkEngine is the engine on the memory broker. Its allocations are those of the messages, their publication and their processing.
func BenchmarkEngine(b *testing.B) {
	for name, oo := range map[string][]async.OptionFunc{
		"concurrency 1": nil,
		"concurrency 4": {async.WithConcurrency(4)},
	} {
		b.Run(name, func(b *testing.B) { benchEngine(b, func(context.Context, *async.Message) error { return nil }, oo...) })
	}
}

// BenchmarkEngineWorks is the engine with a handler that takes 20 µs of a processor.
func BenchmarkEngineWorks(b *testing.B) {
	work := func(context.Context, *async.Message) error {
		for began := time.Now(); time.Since(began) < 20*time.Microsecond; { //nolint:revive // busy on purpose
		}
		return nil
	}
	for name, oo := range map[string][]async.OptionFunc{
		"concurrency 1": nil,
		"concurrency 4": {async.WithConcurrency(4)},
	} {
		b.Run(name, func(b *testing.B) { benchEngine(b, work, oo...) })
	}
}

// benchEngine feeds the queue while it is consumed, as the loop is fed: a million messages that wait would measure the garbage collector.
func benchEngine(b *testing.B, handle async.ProcessorFunc, oo ...async.OptionFunc) {
	b.Helper()
	const each = 128
	broker, err := memory.New(memory.WithCapacity(8 * each))
	if err != nil {
		b.Fatal(err)
	}
	c, err := async.New("bench", broker.Consumer("q"), handle, oo...)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(component.WithGrace(benchTelemetry(b.Context()), time.Hour, nil))
	ended := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	go func() { ended <- c.Run(ctx) }()
	producer := broker.Producer("q")
	mm := make([]*async.Message, 0, each)
	for i := range b.N {
		mm = append(mm, &async.Message{
			ID: "id", Key: []byte{'k', byte('a' + i%16)}, Headers: async.Headers{{Key: correlation.HeaderID, Value: "abc"}}, Data: make([]byte, 200),
		})
		if len(mm) < each && i < b.N-1 {
			continue
		}
		if err := producer.Send(ctx, mm...); err != nil {
			b.Fatal(err)
		}
		mm = mm[:0]
	}
	stop() // a volatile source is drained to empty
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
