package bench_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/beatlabs/patron/bench/contender"
	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// BenchmarkCost says what costs what: the parts of which a unit of work is made, each alone, and routes that differ in one setting.
func BenchmarkCost(b *testing.B) {
	b.Run("part", func(b *testing.B) { runParts(b) })
	b.Run("route", func(b *testing.B) { runRoutes(b) })
}

func runParts(b *testing.B) {
	b.Helper()
	ctx, _ := logger(b)
	registry := metric.NewRegistry()
	seconds := registry.Histogram(metric.Opts{Name: "cost_seconds", Help: "Durations."}).With()
	flying := registry.Gauge(metric.Opts{Name: "cost_flying", Help: "In flight."}).With()
	header := http.Header{correlation.HeaderID: {"order-536365"}}
	id := [16]byte{1}
	var kept keeper
	tracer := func(sampler sdktrace.Sampler) oteltrace.Tracer {
		p := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithBatcher(nowhere{}))
		b.Cleanup(func() { _ = p.Shutdown(context.WithoutCancel(ctx)) })
		return p.Tracer("bench")
	}
	unsampled, sampled := tracer(sdktrace.NeverSample()), tracer(sdktrace.AlwaysSample())
	attrs := oteltrace.WithAttributes(
		attribute.String("a", "1"), attribute.String("b", "2"), attribute.String("c", "3"), attribute.String("d", "4"),
		attribute.String("e", "5"), attribute.String("f", "6"), attribute.String("g", "7"), attribute.Int("h", 8),
	)
	for _, c := range []benchCase{
		{"correlation-ID-that-came-in", func() {
			if id := trace.HeaderCarrier(header).Get(correlation.HeaderID); correlation.Valid(id) {
				kept.keep(correlation.ContextWithID(ctx, id))
			}
		}},
		{"correlation-ID-that-is-new", func() { kept.keep(correlation.ContextWithID(ctx, correlation.New())) }},
		{"metrics", func() {
			began := time.Now()
			flying.Inc()
			seconds.Observe(time.Since(began).Seconds())
			flying.Dec()
		}},
		{"exemplar", func() { seconds.ObserveTraced(0.004, time.Now(), id) }},
		{"span-unsampled", func() {
			ctx, span := unsampled.Start(ctx, "work")
			kept.keep(ctx)
			span.End()
		}},
		{"span-sampled-8-attributes", func() {
			ctx, span := sampled.Start(ctx, "work", attrs)
			kept.keep(ctx)
			span.End()
		}},
		{"recovery", func() { _ = recovered() }},
		{"log-line-5-fields", func() {
			plog.Slog(ctx).InfoContext(ctx, said, "customer", "17850", "invoice", "536365", "lines", 7, "value", 139.12, "paid", true)
		}},
		{"log-line-disabled", func() { plog.Slog(ctx).DebugContext(ctx, said, "invoice", "536365") }},
	} {
		b.Run(c.name, func(b *testing.B) { measure(b, c.op) })
	}
}

// recovered is what a handler runs in.
//
//go:noinline
func recovered() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = reliability.Recovered(r)
		}
	}()
	return nil
}

// nowhere is an exporter that forgets spans.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }

// runRoutes serves the same bytes by routes that differ in one setting. They run without telemetry of their own, so spans are those that nobody records.
func runRoutes(b *testing.B) {
	b.Helper()
	answer := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, contender.UserJSON)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	ctx := trace.WithTelemetry(context.Background(), trace.NewTelemetry(provider, nil, metric.NewRegistry()))
	raw := http.NewServeMux()
	raw.HandleFunc("POST /orders", answer)
	for _, c := range []struct {
		name   string
		set    func(*phttp.RouteBuilder) *phttp.RouteBuilder // nil: net/http alone
		header string                                        // a correlation ID to come with
	}{
		{name: "net-http"},
		{name: "patron", set: func(rb *phttp.RouteBuilder) *phttp.RouteBuilder { return rb }},
		{name: "patron-ID-comes-in", set: func(rb *phttp.RouteBuilder) *phttp.RouteBuilder { return rb }, header: "order-536365"},
		{name: "patron-no-span", set: func(rb *phttp.RouteBuilder) *phttp.RouteBuilder { return rb.WithTrace(false) }},
		{name: "patron-body-limit", set: func(rb *phttp.RouteBuilder) *phttp.RouteBuilder { return rb.WithBodyLimit(1 << 20) }},
		{name: "patron-timeout", set: func(rb *phttp.RouteBuilder) *phttp.RouteBuilder { return rb.WithTimeout(time.Minute) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var h http.Handler = raw
			if c.set != nil {
				h = routeHandler(b, c.set(phttp.NewRawRouteBuilder("/orders", answer).MethodPost()))
			}
			x, err := contender.NewExchange(ctx, h, contender.Request{Method: contender.POST, Path: "/orders", Body: contender.OrderJSON})
			if err != nil {
				b.Fatal(err)
			}
			if c.header != "" {
				x.SetHeader(correlation.HeaderID, c.header)
			}
			measure(b, x.Do)
			if x.Status != http.StatusOK {
				b.Fatalf("got status %d", x.Status)
			}
		})
	}
}

func routeHandler(tb testing.TB, rb *phttp.RouteBuilder) http.Handler {
	tb.Helper()
	route, err := rb.Build()
	if err != nil {
		tb.Fatal(err)
	}
	c, err := phttp.New(phttp.WithRoutes(route))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
