package trace_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

const traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

// price is a unit like those of servers, consumers and clients, which begins and ends in memory that exists already.
type price struct {
	ctx  context.Context
	unit trace.Unit
	err  error
	span *trace.Span
}

func (p *price) pay() {
	p.span.Begin(p.ctx, p.unit)
	p.span.SetStatus(200)
	p.span.End(p.err)
	*p.span = trace.Span{}
}

// prices are what a unit may allocate. What is left is the context of the span and the span itself (2 by the SDK, 1 by the noop provider), and two more by
// OpenTelemetry for a parent. The context of the correlation ID is part of the unit.
func prices() map[string]struct {
	provider oteltrace.TracerProvider
	in, out  trace.Carrier
	err      error
	want     float64
} {
	unsampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	sampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()))
	plain := http.Header{correlation.HeaderID: {"abc"}}
	parent := http.Header{correlation.HeaderID: {"abc"}, "Traceparent": {traceParent}}
	return map[string]struct {
		provider oteltrace.TracerProvider
		in, out  trace.Carrier
		err      error
		want     float64
	}{
		"noop":                     {provider: noop.NewTracerProvider(), in: trace.HeaderCarrier(plain), want: 1},
		"unsampled":                {provider: unsampled, in: trace.HeaderCarrier(plain), want: 2},
		"unsampled, new ID":        {provider: unsampled, in: trace.HeaderCarrier(nil), want: 3},
		"unsampled, parent":        {provider: unsampled, in: trace.HeaderCarrier(parent), want: 4},
		"unsampled, OTel carrier":  {provider: unsampled, in: propagation.HeaderCarrier(plain), want: 4},
		"unsampled, caller fault":  {provider: unsampled, in: trace.HeaderCarrier(plain), err: context.Canceled, want: 2},
		"unsampled, out, known ID": {provider: unsampled, out: trace.HeaderCarrier{}, want: 5},
		"sampled":                  {provider: sampled, in: trace.HeaderCarrier(plain), want: 7}, // 5 without the race detector
	}
}

func priceOf(tp oteltrace.TracerProvider, in, out trace.Carrier, err error) *price {
	op := trace.NewOp(trace.HTTPServer, "GET /orders/{invoice}", trace.HTTPMethod("GET"), trace.HTTPRoute("/orders/{invoice}"))
	ctx := trace.WithTelemetry(context.Background(), trace.NewTelemetry(tp, nil, metric.NewRegistry()))
	if out != nil {
		ctx = correlation.ContextWithID(ctx, "abc")
	}
	return &price{ctx: ctx, unit: trace.Unit{Op: op, In: in, Out: out}, err: err, span: new(trace.Span)}
}

func TestAUnitAllocatesNoMoreThanOpenTelemetryMakesIt(t *testing.T) {
	for name, tc := range prices() {
		p := priceOf(tc.provider, tc.in, tc.out, tc.err)
		p.pay() // binds
		if got := testing.AllocsPerRun(200, p.pay); got > tc.want {
			t.Errorf("%s: got %v allocations, want at most %v", name, got, tc.want)
		}
	}
}

func TestWhatIsNotRecordedCostsNothing(t *testing.T) {
	ctx := trace.WithTelemetry(context.Background(), trace.NewTelemetry(noop.NewTracerProvider(), nil, metric.NewRegistry()))
	_, span := trace.Start(ctx, "step")
	defer span.End(nil)
	carrier := trace.HeaderCarrier{"Traceparent": {traceParent}}

	for name, f := range map[string]func(){
		"IsRecording":     func() { span.IsRecording() },
		"SpanContext":     func() { span.SpanContext() },
		"AddLink":         func() { span.AddLink(ctx, carrier) },
		"FromContext":     func() { trace.FromContext(ctx) },
		"a second End":    func() { span.End(errClosed) },
		"Get of a header": func() { carrier.Get("traceparent") },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

var errClosed = errors.New("closed")

func BenchmarkUnit(b *testing.B) {
	for name, tc := range prices() {
		b.Run(name, func(b *testing.B) {
			p := priceOf(tc.provider, tc.in, tc.out, tc.err)
			b.ReportAllocs()
			for b.Loop() {
				p.pay()
			}
		})
	}
}
