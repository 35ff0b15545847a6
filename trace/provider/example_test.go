package provider_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/beatlabs/patron/trace/provider"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
)

func Example() {
	finished := tracetest.NewInMemoryExporter()
	p, err := provider.New("orders", "1.2.3", provider.WithExporter(keep{finished}))
	if err != nil {
		fmt.Println(err)
		return
	}
	tracer := p.TracerProvider().Tracer("example") // may be made before Start

	ctx := context.Background()
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	_, span := tracer.Start(ctx, "place order")
	span.End()
	if err := p.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}

	fmt.Println(finished.GetSpans()[0].Name)
	for _, d := range p.Drops() {
		fmt.Println(d.Exporter, d.Reason, d.Read())
	}
	// Output:
	// place order
	// memory export_failed 0
	// memory queue_full 0
	// memory shutdown 0
}

// keep is an exporter with a name, whose spans outlive its shutdown.
type keep struct{ *tracetest.InMemoryExporter }

func (keep) Shutdown(context.Context) error { return nil }
func (keep) String() string                 { return "memory" }

func ExampleNewJSONExporter() {
	var file bytes.Buffer // an *os.File elsewhere
	exporter, err := provider.NewJSONExporter(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	span := tracetest.SpanStub{
		Name:        "GET /orders/{invoice}",
		SpanContext: oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2}}),
		SpanKind:    oteltrace.SpanKindServer,
		StartTime:   at,
		EndTime:     at.Add(1500 * time.Microsecond),
	}
	if err := exporter.ExportSpans(context.Background(), []sdktrace.ReadOnlySpan{span.Snapshot()}); err != nil {
		fmt.Println(err)
	}

	fmt.Print(strings.ReplaceAll(file.String(), ",", ",\n ")) // it is one line in the file
	// Output:
	// {"trace_id":"01000000000000000000000000000000",
	//  "span_id":"0200000000000000",
	//  "name":"GET /orders/{invoice}",
	//  "kind":"server",
	//  "start":"2026-11-21T12:00:00Z",
	//  "end":"2026-11-21T12:00:00.0015Z",
	//  "duration_ns":1500000,
	//  "status":{"code":"unset"},
	//  "scope":{"name":""},
	//  "resource":{}}
}

func ExampleParsePropagators() {
	p, err := provider.ParsePropagators([]string{"jaeger", "tracecontext"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := p.Extract(context.Background(), propagation.MapCarrier{"uber-trace-id": "abc:def:0:1"})
	out := propagation.MapCarrier{}
	p.Inject(ctx, out)
	fmt.Println(out["traceparent"])

	_, err = provider.ParsePropagators([]string{"xray"})
	fmt.Println(err)
	// Output:
	// 00-00000000000000000000000000000abc-0000000000000def-01
	// unknown propagator "xray": want tracecontext, baggage, b3, b3multi, jaeger or none
}

func ExampleParseSampler() {
	s, err := provider.ParseSampler("traceidratio", "0.25")
	fmt.Println(s.Description(), err)

	_, err = provider.ParseSampler("traceidratio", "25%")
	fmt.Println(err)
	// Output:
	// TraceIDRatioBased{0.25} <nil>
	// sampler "traceidratio": argument "25%": want a number from 0 to 1
}

func ExampleParseResourceAttributes() {
	attrs, err := provider.ParseResourceAttributes("deployment.environment.name=prod,team=a%2Cb")
	for _, a := range attrs {
		fmt.Println(a.Key, a.Value.AsString())
	}
	fmt.Println(err)
	// Output:
	// deployment.environment.name prod
	// team a,b
	// <nil>
}
