package async_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
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
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// What is measured here is a message from its receipt to its settlement. Messages are laid ready in chunks while the clock stands, the same ones for each side:
// 200 bytes, one of 16 keys, an ID, and one header with the correlation ID; no trace came in with them.
//
// The engine has what a service has: the tracer provider of the package trace/provider. The loop has that of the SDK.
//
// In: receiving, observing (correlation ID into the context, span, duration, in flight), recovering, the handler, settling. The engine does more than the loop
// in that: it looks for a trace that came in, keeps lanes, counts what it received, holds and has done, bounds what is held, and settles.
// Out: making messages, publishing them, and the copy of each that the broker keeps (BenchmarkBroker in async/memory has those). Receiving and settling copy
// nothing, so every allocation that is shown is the engine's; BenchmarkReceiveAndSettle in async/memory shows the broker without an engine.

// chunk is how many messages are laid ready at a time: more would measure the caches of the processor and the garbage collector.
const chunk = 1024

// side is one way to process messages.
type side struct {
	lay  func(n int) // makes n messages ready
	work func(n int) // processes them
}

// BenchmarkMessage is the time and the allocations of one message, by hand and by the engine.
func BenchmarkMessage(b *testing.B) {
	nothing := func(context.Context, *async.Message) error { return nil }
	nothings := func(context.Context, []*async.Message) error { return nil }
	for _, sampled := range []bool{false, true} {
		b.Run(sampling(sampled), func(b *testing.B) {
			b.Run("loop", func(b *testing.B) { measure(b, newLoop(b, sampled, nothing)) })
			for _, concurrency := range []int{1, 4} {
				b.Run("engine, concurrency "+strconv.Itoa(concurrency), func(b *testing.B) {
					measure(b, newEngine(b, sampled, nothing, async.WithConcurrency(concurrency)))
				})
			}
			b.Run("engine, batches of 100", func(b *testing.B) { measure(b, newBatchEngine(b, sampled, nothings)) })
		})
	}
}

// BenchmarkWork is a message whose handler takes 20 µs of a processor: what concurrency is worth.
func BenchmarkWork(b *testing.B) {
	work := busy(20 * time.Microsecond)
	b.Run("loop", func(b *testing.B) { measure(b, newLoop(b, false, work)) })
	for _, concurrency := range []int{1, 4} {
		b.Run("engine, concurrency "+strconv.Itoa(concurrency), func(b *testing.B) {
			measure(b, newEngine(b, false, work, async.WithConcurrency(concurrency)))
		})
	}
}

// BenchmarkRatio divides what the engine takes by what the loop takes: chunks of both in turn, and of each the fastest tenth, since what else the machine does
// and the garbage collector only add. One iteration is a chunk of each.
func BenchmarkRatio(b *testing.B) {
	nothing := func(context.Context, *async.Message) error { return nil }
	for _, sampled := range []bool{false, true} {
		b.Run(sampling(sampled), func(b *testing.B) {
			loop, one := newLoop(b, sampled, nothing), newEngine(b, sampled, nothing)
			batch := newBatchEngine(b, sampled, func(context.Context, []*async.Message) error { return nil })
			tt := inTurn(b, loop, one, batch)
			b.ReportMetric(tt[0], "loop-ns/msg")
			b.ReportMetric(tt[1]/tt[0], "engine/loop")
			b.ReportMetric(tt[2]/tt[0], "batch/loop")
		})
	}
	b.Run("20 µs of work", func(b *testing.B) {
		work := busy(20 * time.Microsecond)
		tt := inTurn(b, newEngine(b, false, work), newEngine(b, false, work, async.WithConcurrency(4)))
		b.ReportMetric(tt[0], "one-ns/msg")
		b.ReportMetric(tt[0]/tt[1], "one/four")
	})
}

func sampling(sampled bool) string {
	if sampled {
		return "sampled"
	}
	return "unsampled"
}

// measure gives b.N messages to s.
func measure(b *testing.B, s side) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= chunk {
		n := min(left, chunk)
		b.StopTimer()
		s.lay(n)
		b.StartTimer()
		s.work(n)
	}
}

// inTurn gives each side a chunk, b.N times, and returns how many nanoseconds each takes for a message in the slowest of the fastest tenth of its chunks.
func inTurn(b *testing.B, sides ...side) []float64 {
	b.Helper()
	times := make([][]float64, len(sides))
	for range b.N {
		for i, s := range sides {
			s.lay(chunk)
			began := time.Now()
			s.work(chunk)
			times[i] = append(times[i], float64(time.Since(began))/chunk)
		}
	}
	fast := make([]float64, len(sides))
	for i, tt := range times {
		slices.Sort(tt)
		fast[i] = tt[len(tt)/10]
	}
	b.ReportMetric(0, "ns/op") // an iteration is not a message
	return fast
}

// busy returns a handler that computes for d. It counts and does not look at the clock: on a machine that is shared, time passes without work.
func busy(d time.Duration) async.ProcessorFunc {
	const steps = 1 << 16
	fastest := time.Hour
	for range 32 {
		began := time.Now()
		sink := compute(steps)
		fastest = min(fastest, time.Since(began)+time.Duration(sink&1))
	}
	n := int(steps * d / max(fastest, 1))
	return func(_ context.Context, m *async.Message) error {
		if compute(n) == 0 {
			return fmt.Errorf("message %q: xorshift came to 0", m.ID)
		}
		return nil
	}
}

func compute(steps int) uint64 {
	x := uint64(88172645463325252)
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// benchSampler is for spans that are recorded or not. None are exported.
func benchSampler(sampled bool) sdktrace.Sampler {
	if sampled {
		return sdktrace.AlwaysSample()
	}
	return sdktrace.NeverSample()
}

// serviceProvider is what a service has.
func serviceProvider(tb testing.TB, sampled bool) oteltrace.TracerProvider {
	tb.Helper()
	p, err := provider.New("bench", "", provider.WithSampler(benchSampler(sampled)))
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

// benchMessages makes n messages.
func benchMessages(n int) []*async.Message {
	mm := make([]*async.Message, n)
	for i := range mm {
		mm[i] = &async.Message{
			ID: "id", Key: []byte{'k', byte('a' + i%16)}, Headers: async.Headers{{Key: correlation.HeaderID, Value: "abc"}}, Data: make([]byte, 200),
		}
	}
	return mm
}

// idKey is for the hand-written loop, as the standard library would have it.
type idKey struct{}

// newLoop is what somebody would write by hand: it receives from a channel, recovers, and observes with OpenTelemetry's SDK and bound metrics. A span that is
// recorded has what the semantic conventions ask for; there is no exemplar of it.
func newLoop(tb testing.TB, sampled bool, handle async.ProcessorFunc) side {
	tb.Helper()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSampler(benchSampler(sampled))).Tracer("bench")
	registry := metric.NewRegistry()
	durations := registry.Histogram(metric.Opts{Name: "loop_seconds", Help: "Durations."}).With()
	flying := registry.Gauge(metric.Opts{Name: "loop_flying", Help: "In flight."}).With()
	recovering := func(ctx context.Context, m *async.Message) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = reliability.Recovered(r)
			}
		}()
		return handle(ctx, m)
	}
	queue := make(chan *async.Message, chunk)
	ctx := tb.Context()
	return side{
		lay: func(n int) {
			for _, m := range benchMessages(n) {
				queue <- m
			}
		},
		work: func(n int) {
			for range n {
				m := <-queue
				began := time.Now()
				ctx := context.WithValue(ctx, idKey{}, m.Headers.Get(correlation.HeaderID))
				ctx, span := tracer.Start(ctx, "process", oteltrace.WithSpanKind(oteltrace.SpanKindConsumer))
				if span.IsRecording() {
					span.SetAttributes(trace.MessagingSystem("channel"), trace.MessagingDestination("q"), trace.MessagingGroup(""),
						trace.MessagingOperation("process"), trace.MessageID(m.ID), attribute.Int("messaging.message.body.size", len(m.Data)))
				}
				flying.Inc()
				if err := recovering(ctx, m); err != nil {
					tb.Fatal(err)
				}
				flying.Dec()
				durations.Observe(time.Since(began).Seconds())
				span.End()
			}
		},
	}
}

// newEngine is a component on the memory broker.
func newEngine(tb testing.TB, sampled bool, handle async.ProcessorFunc, oo ...async.OptionFunc) side {
	tb.Helper()
	return newSide(tb, sampled, func(cf async.ConsumerFactory) (*async.Component, error) { return async.New("bench", cf, handle, oo...) })
}

// newBatchEngine is a component on the memory broker that takes batches, of 100 messages by default.
func newBatchEngine(tb testing.TB, sampled bool, handle async.BatchFunc, oo ...async.OptionFunc) side {
	tb.Helper()
	return newSide(tb, sampled, func(cf async.ConsumerFactory) (*async.Component, error) {
		return async.NewBatch("bench", cf, handle, oo...)
	})
}

func newSide(tb testing.TB, sampled bool, create func(async.ConsumerFactory) (*async.Component, error)) side {
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
	spans := serviceProvider(tb, sampled)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(trace.WithTelemetry(ctx, trace.NewTelemetry(spans, nil, metric.NewRegistry())))
	}()
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
			if err := producer.Send(correlation.ContextWithID(untraced, "abc"), benchMessages(n)...); err != nil {
				tb.Fatal(err)
			}
		},
		work: func(n int) {
			g.laid <- n
			<-g.done
		},
	}
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
