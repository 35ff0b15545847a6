package provider

import (
	"context"
	"io"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// served is a span as an HTTP server makes it.
func served(tb testing.TB) sdktrace.ReadOnlySpan {
	tb.Helper()
	s := full(tb)
	s.Name = "GET /orders/{invoice}"
	s.SpanContext = s.SpanContext.WithTraceState(oteltrace.TraceState{})
	s.Attributes = []attribute.KeyValue{
		attribute.String("http.request.method", "GET"), attribute.String("http.route", "/orders/{invoice}"), attribute.Int("http.response.status_code", 200),
		attribute.String("server.address", "127.0.0.1"), attribute.String("correlation.id", "0af7651916cd43dd8448eb211c80319c"),
	}
	s.Events, s.Links, s.Status = nil, nil, sdktrace.Status{}
	s.DroppedAttributes, s.DroppedEvents, s.DroppedLinks = 0, 0, 0
	return s.Snapshot()
}

func TestJSONExportAllocatesNothingForASpan(t *testing.T) { // not parallel: it counts allocations
	e := mustJSON(t, io.Discard)
	spans := make([]sdktrace.ReadOnlySpan, 512)
	for i := range spans {
		spans[i] = served(t)
	}
	got := testing.AllocsPerRun(20, func() { _ = e.ExportSpans(context.Background(), spans) })
	if got > 4 { // now and then the collector takes the buffer out of the pool
		t.Errorf("got %v allocations for 512 spans, want none", got)
	}
}

func BenchmarkJSONExport(b *testing.B) {
	e := mustJSON(b, io.Discard)
	spans := make([]sdktrace.ReadOnlySpan, 512)
	for i := range spans {
		spans[i] = served(b)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = e.ExportSpans(context.Background(), spans)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/span")
}

type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

// BenchmarkSpan compares a span through this package with one through the SDK alone.
func BenchmarkSpan(b *testing.B) {
	run := func(b *testing.B, tp oteltrace.TracerProvider) {
		b.Helper()
		tracer := tp.Tracer("bench")
		ctx := context.Background()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, s := tracer.Start(ctx, "name")
				s.End()
			}
		})
	}
	b.Run("sampled", func(b *testing.B) { run(b, started(b, WithExporter(discard{}, WithBlocking())).TracerProvider()) })
	b.Run("not sampled", func(b *testing.B) {
		run(b, started(b, WithExporter(discard{}), WithSampler(sdktrace.NeverSample())).TracerProvider())
	})
	b.Run("not started", func(b *testing.B) { run(b, mustNew(b).TracerProvider()) })
	b.Run("SDK sampled", func(b *testing.B) {
		tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discard{}, sdktrace.WithBlocking()))
		defer func() { _ = tp.Shutdown(context.Background()) }()
		run(b, tp)
	})
}

func BenchmarkPropagation(b *testing.B) {
	header := http.Header{"Traceparent": {"00-" + hexTrace + "-" + hexSpan + "-01"}}
	for name, carrier := range map[string]propagation.TextMapCarrier{
		"absent, http": propagation.HeaderCarrier(http.Header{}), "present, http": propagation.HeaderCarrier(header),
		"absent": &oneHeader{}, "present": &oneHeader{"traceparent", header.Get("Traceparent")},
	} {
		b.Run("extract "+name, func(b *testing.B) {
			p, ctx := parsed(b), context.Background()
			b.ReportAllocs()
			for b.Loop() {
				p.Extract(ctx, carrier)
			}
		})
	}
	b.Run("inject", func(b *testing.B) {
		p, ctx, carrier := parsed(b), local(context.Background(), b), &oneHeader{}
		b.ReportAllocs()
		for b.Loop() {
			p.Inject(ctx, carrier)
		}
	})
	b.Run("inject http", func(b *testing.B) {
		p, ctx, carrier := parsed(b), local(context.Background(), b), propagation.HeaderCarrier(http.Header{})
		b.ReportAllocs()
		for b.Loop() {
			p.Inject(ctx, carrier)
		}
	})
	b.Run("stock extract absent, http", func(b *testing.B) {
		p, ctx, carrier := propagation.TraceContext{}, context.Background(), propagation.HeaderCarrier(http.Header{})
		b.ReportAllocs()
		for b.Loop() {
			p.Extract(ctx, carrier)
		}
	})
}
