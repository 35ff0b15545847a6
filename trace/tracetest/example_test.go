package tracetest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
)

func Example() {
	rec := tracetest.New()
	ctx := rec.Context(context.Background())

	op := trace.NewOp(trace.Producer, "send orders", trace.MessagingSystem("memory"), trace.MessagingDestination("orders"))
	ctx, span := trace.Begin(ctx, trace.Unit{Op: op})
	_, step := trace.Start(ctx, "encode")
	step.End(nil)
	span.End(errors.New("queue full"))

	for _, s := range rec.Spans() {
		fmt.Println(s.Kind, s.Name, s.Status, s.Attributes["messaging.destination.name"])
	}
	fmt.Println("failed:", rec.Metric("messaging_client_operation_duration_seconds", "error_type", "transient"))
	fmt.Println("open:", len(rec.Open()))
	// Output:
	// internal encode unset <nil>
	// producer send orders error orders
	// failed: 1
	// open: 0
}

func ExampleRecorder_Await() {
	rec := tracetest.New()
	ctx := rec.Context(context.Background())

	go func() {
		_, span := trace.Start(ctx, "later")
		span.End(nil)
	}()

	spans, err := rec.Await(ctx, 1)
	fmt.Println(spans[0].Name, err)
	// Output: later <nil>
}

func ExampleRecorder_Metric() {
	rec := tracetest.New()
	op := trace.NewOp(trace.HTTPClient, "GET", trace.HTTPMethod("GET"), trace.ServerAddress("stock"))
	for _, status := range []int{200, 200, 503} {
		_, span := trace.Begin(rec.Context(context.Background()), trace.Unit{Op: op})
		span.SetStatus(status)
		span.End(nil)
	}

	const requests = "http_client_request_duration_seconds"
	fmt.Println(rec.Metric(requests), rec.Metric(requests, "http_response_status_code", "503"), rec.Metric(requests, "server_address", "elsewhere"))
	// Output: 3 1 0
}
