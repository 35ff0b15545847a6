package bench_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/provider"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// What is measured is a message from its receipt to its settlement. Messages are laid ready in chunks while the clock stands, the same for each side. The loop
// is what somebody would write by hand: it has OpenTelemetry's SDK. The engine has what a service has: the tracer provider of trace/provider. It also looks for
// a trace that came in, keeps lanes, counts what it received, holds and has done, bounds what is held, and settles.

// chunk is how many messages are laid ready at a time. More would measure the caches of the processor and the garbage collector.
const chunk = 1024

// perBatch is the size of a batch; a chunk is a multiple of it for the loop, and nearly for the engine.
const perBatch = 128

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

// side is one way to process messages.
type side struct {
	lay  func(n int) // makes n messages ready
	work func(n int) // processes them
}

type sideCase struct {
	name string
	side func(tb testing.TB) side
}

// BenchmarkEngine is one message: taken, observed, given to a handler, settled.
func BenchmarkEngine(b *testing.B) {
	for _, group := range []struct {
		name  string
		cases []sideCase
	}{
		{"concurrency-1", []sideCase{{"loop", loop(1, nothing)}, {"patron", engine(nothing)}}},
		{"concurrency-4", []sideCase{{"loop", loop(4, nothing)}, {"patron", engine(nothing, async.WithConcurrency(4))}}},
		{"handler-20µs", []sideCase{
			{"patron-1", engine(work)},
			{"patron-4", engine(work, async.WithConcurrency(4))},
			{"loop-1", loop(1, work)},
			{"loop-4", loop(4, work)},
		}},
		{"batch-128", []sideCase{{"loop", batchLoop}, {"patron", batchEngine}}},
	} {
		b.Run(group.name, func(b *testing.B) {
			for _, c := range group.cases {
				b.Run(c.name, func(b *testing.B) { benchSide(b, c.side(b)) })
			}
		})
	}
}

func benchSide(b *testing.B, s side) {
	b.Helper()
	b.ReportAllocs()
	s.lay(chunk)
	s.work(chunk) // what is made for the first message only is not of each
	b.ResetTimer()
	b.StopTimer()
	spent := 0.0
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what laying allocates, more on one side than on the other, is not collected on the clock
	for i, left := 0, b.N; left > 0; i, left = i+1, left-chunk {
		if i%64 == 0 {
			runtime.GC()
		}
		n := min(left, chunk)
		s.lay(n)
		began := cpuTime()
		b.StartTimer()
		s.work(n)
		b.StopTimer()
		spent += cpuTime() - began
	}
	reportCPU(b, spent)
}

// observer is what the loop observes with: an unsampled span, a bound histogram and a bound gauge.
type observer struct {
	tracer    oteltrace.Tracer
	durations *metric.Histogram
	flying    *metric.Gauge
}

func newObserver() observer {
	registry := metric.NewRegistry()
	return observer{
		tracer:    sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())).Tracer("bench"),
		durations: registry.Histogram(metric.Opts{Name: "loop_seconds", Help: "Durations."}).With(),
		flying:    registry.Gauge(metric.Opts{Name: "loop_flying", Help: "In flight."}).With(),
	}
}

func (o observer) begin(ctx context.Context) (context.Context, oteltrace.Span, time.Time) {
	began := time.Now()
	ctx, span := o.tracer.Start(ctx, "process", oteltrace.WithSpanKind(oteltrace.SpanKindConsumer)) //nolint:spancheck // ended by end
	o.flying.Inc()
	return ctx, span, began //nolint:spancheck // as above
}

func (o observer) end(span oteltrace.Span, began time.Time) {
	o.flying.Dec()
	o.durations.Observe(time.Since(began).Seconds())
	span.End()
}

// loop is the measure for the engine: workers that receive from a Go channel.
func loop(workers int, handle async.ProcessorFunc) func(testing.TB) side {
	return func(tb testing.TB) side {
		tb.Helper()
		o := newObserver()
		queue := make(chan *async.Message, chunk)
		recovered := func(ctx context.Context, m *async.Message) (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = reliability.Recovered(r)
				}
			}()
			return handle(ctx, m)
		}
		worker := func(n int) {
			for range n {
				m := <-queue
				ctx := context.WithValue(tb.Context(), idKey{}, m.Headers.Get(correlation.HeaderID))
				ctx, span, began := o.begin(ctx)
				if err := recovered(ctx, m); err != nil {
					tb.Error(err)
				}
				o.end(span, began)
			}
		}
		return side{lay: fill(queue), work: func(n int) {
			var wg sync.WaitGroup
			for i := 1; i < workers; i++ {
				wg.Go(func() { worker(n / workers) })
			}
			worker(n - (workers-1)*(n/workers))
			wg.Wait()
		}}
	}
}

// batchLoop is the same for batches: one observation for each, and one handler call.
func batchLoop(tb testing.TB) side {
	tb.Helper()
	o := newObserver()
	queue := make(chan *async.Message, chunk)
	seen := 0
	handle := func(_ context.Context, mm []*async.Message) error {
		seen += len(mm)
		return nil
	}
	batch := make([]*async.Message, 0, perBatch)
	return side{lay: fill(queue), work: func(n int) {
		for i := range n {
			if batch = append(batch, <-queue); len(batch) < perBatch && i < n-1 {
				continue
			}
			ctx, span, began := o.begin(tb.Context())
			if err := handle(ctx, batch); err != nil {
				tb.Error(err)
			}
			o.end(span, began)
			batch = batch[:0]
		}
	}}
}

func fill(queue chan<- *async.Message) func(n int) {
	return func(n int) {
		for _, m := range messages(n) {
			queue <- m
		}
	}
}

// engine is a component that consumes from the memory broker.
func engine(handle async.ProcessorFunc, oo ...async.OptionFunc) func(testing.TB) side {
	return func(tb testing.TB) side {
		tb.Helper()
		return consuming(tb, func(cf async.ConsumerFactory) (*async.Component, error) { return async.New("bench", cf, handle, oo...) })
	}
}

// batchEngine is a component that takes batches.
func batchEngine(tb testing.TB) side {
	tb.Helper()
	return consuming(tb, func(cf async.ConsumerFactory) (*async.Component, error) {
		return async.NewBatch("bench", cf, func(context.Context, []*async.Message) error { return nil }, async.WithBatchSize(perBatch))
	})
}

// consuming runs a component, in a service whose traces are not sampled, until the end of the benchmark.
func consuming(tb testing.TB, create func(async.ConsumerFactory) (*async.Component, error)) side {
	tb.Helper()
	broker, err := memory.New()
	if err != nil {
		tb.Fatal(err)
	}
	g := &gate{ConsumerFactory: broker.Consumer("q"), laid: make(chan int), done: make(chan struct{})}
	c, err := create(g)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(component.WithGrace(context.Background(), time.Hour, nil))
	ended := make(chan error, 1)
	spans := unsampled(tb)
	go func() { ended <- c.Run(trace.WithTelemetry(ctx, trace.NewTelemetry(spans, nil, metric.NewRegistry()))) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	producer := broker.Producer("q")
	untraced := trace.WithTelemetry(ctx, trace.NewTelemetry(noop.NewTracerProvider(), propagation.NewCompositeTextMapPropagator(), metric.NewRegistry()))
	return side{
		lay: func(n int) {
			if err := producer.Send(correlation.ContextWithID(untraced, "abc"), messages(n)...); err != nil {
				tb.Fatal(err)
			}
		},
		work: func(n int) {
			g.laid <- n
			<-g.done
		},
	}
}

// unsampled is the tracer provider of a service that samples nothing.
func unsampled(tb testing.TB) oteltrace.TracerProvider {
	tb.Helper()
	p, err := provider.New("bench", "", provider.WithSampler(sdktrace.NeverSample()))
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return p.TracerProvider()
}

// gate is a consumer, and the factory of it, that receives when messages are laid, and tells when all are settled. It costs a call and a comparison for each
// call of the driver.
type gate struct {
	async.ConsumerFactory
	async.Consumer

	laid      chan int
	done      chan struct{}
	left      int // laid and not received; used by Receive alone
	unsettled int // set before the first of them is received, then used by Settle alone
}

func (g *gate) Create(ctx context.Context) (async.Consumer, error) {
	c, err := g.ConsumerFactory.Create(ctx)
	g.Consumer = c
	return g, err
}

func (g *gate) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if g.left == 0 {
		select {
		case g.left = <-g.laid:
			g.unsettled = g.left
		case <-ctx.Done(): // the broker answers that it is empty
		}
	}
	mm, err := g.Consumer.Receive(ctx, limit)
	g.left -= len(mm)
	return mm, err
}

func (g *gate) Settle(ctx context.Context, ss []async.Settlement) error {
	err := g.Consumer.Settle(ctx, ss)
	if g.unsettled -= len(ss); g.unsettled == 0 {
		g.done <- struct{}{}
	}
	return err
}
