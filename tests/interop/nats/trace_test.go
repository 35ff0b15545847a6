package nats_test

import (
	"context"
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/trace/tracetest"
	natsgo "github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// A client that knows nothing of patron is instrumented with OpenTelemetry, as its documentation says: a span of its SDK, and its propagator over the headers.
func TestATraceThatAForeignClientBeganGoesOnInTheHandler(t *testing.T) {
	t.Parallel()
	h := newHarness(t).(*harness)
	defer h.Close()
	ctx, span := sdktrace.NewTracerProvider().Tracer("foreign").Start(t.Context(), "checkout")
	msg := &natsgo.Msg{Subject: h.stream, Data: []byte("data"), Header: natsgo.Header{}}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(msg.Header))
	if _, err := h.js.PublishMsg(ctx, msg); err != nil {
		t.Fatal(err)
	}
	span.End()

	handled := make(chan oteltrace.SpanContext, 1)
	spans := consumeOne(t, h, func(ctx context.Context, _ *async.Message) error {
		handled <- oteltrace.SpanContextFromContext(ctx)
		return nil
	})

	if got := <-handled; got.TraceID() != span.SpanContext().TraceID() {
		t.Errorf("the handler is in trace %s, want %s", got.TraceID(), span.SpanContext().TraceID())
	}
	if want := span.SpanContext().SpanID().String(); len(spans) != 1 || spans[0].ParentID != want || !spans[0].ParentRemote {
		t.Errorf("got the spans %+v, want one, a child of %s", spans, want)
	}
}

func TestATraceOfOursGoesOnInAForeignClient(t *testing.T) {
	t.Parallel()
	h := newHarness(t).(*harness)
	defer h.Close()
	recorder := tracetest.New()
	producer := h.Producer()
	if err := producer.Send(recorder.Context(t.Context()), &async.Message{Data: []byte("data")}); err != nil {
		t.Fatal(err)
	}

	stream := must(h.js.Stream(t.Context(), h.stream))
	msg := must(stream.GetMsg(t.Context(), 1))
	carrier := propagation.MapCarrier{"traceparent": msg.Header.Get("traceparent")}
	got := oteltrace.SpanContextFromContext(propagation.TraceContext{}.Extract(t.Context(), carrier))

	spans := recorder.Spans()
	if len(spans) != 1 || got.SpanID().String() != spans[0].SpanID || got.TraceID().String() != spans[0].TraceID {
		t.Errorf("the message is in span %s of trace %s, want that of the producer, %+v", got.SpanID(), got.TraceID(), spans)
	}
}

// consumeOne runs a component until it has handled one message, and returns its spans.
func consumeOne(t *testing.T, h *harness, handle async.ProcessorFunc) []tracetest.Span {
	t.Helper()
	recorder := tracetest.New()
	ctx, stop := context.WithCancel(recorder.Context(t.Context()))
	defer stop()
	c := must(async.New("orders", h.Factory(), func(ctx context.Context, m *async.Message) error {
		defer stop()
		return handle(ctx, m)
	}))
	if err := c.Run(component.WithGrace(ctx, component.SettleTime, nil)); err != nil {
		t.Fatal(err)
	}
	recorder.AssertNoneOpen(t)
	return recorder.Spans()
}
