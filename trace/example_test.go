package trace_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace/noop"
)

func Example() {
	rec := tracetest.New() // a service does this with a real provider
	ctx := rec.Context(context.Background())

	op := trace.NewOp(trace.Consumer, "process orders", trace.MessagingSystem("memory"), trace.MessagingDestination("orders"))
	message := trace.HeaderCarrier{correlation.HeaderID: {"order-536365"}}

	ctx, span := trace.Begin(ctx, trace.Unit{Op: op, In: message})
	fmt.Println("works on", correlation.IDFromContext(ctx))
	span.End(nil)

	fmt.Println(rec.Spans()[0].Kind, rec.Spans()[0].Name)
	fmt.Println("processed:", rec.Metric("messaging_process_duration_seconds", "error_type", ""))
	// Output:
	// works on order-536365
	// consumer process orders
	// processed: 1
}

// The zero Span may stand in memory that exists already, so that a unit costs one allocation less.
func ExampleSpan_Begin() {
	op := trace.NewOp(trace.HTTPServer, "GET /orders/{invoice}", trace.HTTPMethod("GET"), trace.HTTPRoute("/orders/{invoice}"))
	rec := tracetest.New()

	var request struct {
		header http.Header
		span   trace.Span
	}
	ctx := request.span.Begin(rec.Context(context.Background()), trace.Unit{Op: op, In: trace.HeaderCarrier(request.header)})
	fmt.Println(correlation.Valid(correlation.IDFromContext(ctx)))
	request.span.SetStatus(http.StatusNotFound)
	request.span.End(nil)

	got := rec.Spans()[0]
	fmt.Println(got.Name, got.Attributes["http.response.status_code"], got.Status)
	// Output:
	// true
	// GET /orders/{invoice} 404 unset
}

func ExampleStart() {
	rec := tracetest.New()
	ctx := rec.Context(context.Background())

	_, span := trace.Start(ctx, "price order", attribute.Int("lines", 7))
	span.End(errors.New("no price for 85123A"))

	got := rec.Spans()[0]
	fmt.Println(got.Name, got.Attributes["lines"], got.Status, got.Description)
	// Output: price order 7 error no price for 85123A
}

func ExampleSpan_IsRecording() {
	ctx := trace.WithTelemetry(context.Background(), trace.NewTelemetry(noop.NewTracerProvider(), nil, metric.NewRegistry()))
	_, span := trace.Start(ctx, "step")
	defer span.End(nil)

	if span.IsRecording() {
		span.SetAttributes(attribute.String("costly", "to build"))
	}
	fmt.Println(span.IsRecording())
	// Output: false
}

func ExampleOp_WithoutSpan() {
	rec := tracetest.New()
	op := trace.NewOp(trace.HTTPServer, "GET /alive", trace.HTTPMethod("GET"), trace.HTTPRoute("/alive")).WithoutSpan()

	_, span := trace.Begin(rec.Context(context.Background()), trace.Unit{Op: op})
	span.SetStatus(http.StatusOK)
	span.End(nil)

	fmt.Println(len(rec.Spans()), rec.Metric("http_server_request_duration_seconds", "http_route", "/alive"))
	// Output: 0 1
}

func ExampleHeaderCarrier() {
	rec := tracetest.New()
	op := trace.NewOp(trace.HTTPClient, "GET", trace.HTTPMethod("GET"), trace.ServerAddress("stock"))
	ctx := correlation.ContextWithID(rec.Context(context.Background()), "order-536365")

	header := make(http.Header)
	_, span := trace.Begin(ctx, trace.Unit{Op: op, Out: trace.HeaderCarrier(header)})
	span.End(nil)

	fmt.Println(header.Get(correlation.HeaderID), len(header.Get("Traceparent")))
	// Output: order-536365 55
}
