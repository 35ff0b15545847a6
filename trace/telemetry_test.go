package trace_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	sdktracetest "go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
)

// Not parallel: it changes the default of the process.
func TestTheContextComesBeforeTheDefault(t *testing.T) {
	builtIn := trace.FromContext(t.Context())
	if builtIn == nil || builtIn != trace.FromContext(context.Background()) || builtIn.Metrics() != metric.Default() || builtIn.Propagator() == nil {
		t.Errorf("without a default of the process: got %+v, want the same one over OpenTelemetry's globals each time", builtIn)
	}
	ctx, span := trace.Begin(t.Context(), trace.Unit{Op: trace.NewOp(trace.Internal, "nowhere")})
	if span.IsRecording() || correlationID(ctx) == "" {
		t.Error("without a provider: want a unit that works and is not recorded")
	}
	span.End(nil)

	process, mine := tracetest.New(), tracetest.New()
	trace.SetDefault(process.Telemetry())
	defer trace.SetDefault(nil)

	if got := trace.FromContext(t.Context()); got != process.Telemetry() {
		t.Error("empty context: want the default of the process")
	}
	own := trace.WithTelemetry(t.Context(), mine.Telemetry())
	if trace.FromContext(own) != mine.Telemetry() || metric.FromContext(own) != mine.Telemetry().Metrics() {
		t.Error("own context: want its Telemetry and its registry")
	}
	if got := trace.FromContext(trace.WithTelemetry(own, nil)); got != mine.Telemetry() {
		t.Error("WithTelemetry(nil): want the context as it was")
	}
	trace.SetDefault(nil)
	if got := trace.FromContext(t.Context()); got != builtIn {
		t.Error("SetDefault(nil): want the one over OpenTelemetry's globals")
	}
}

func TestOneOpServesManyTelemetries(t *testing.T) {
	t.Parallel()
	op := trace.NewOp(trace.Consumer, "process", trace.MessagingSystem("memory"))
	recs := []*tracetest.Recorder{tracetest.New(), tracetest.New(), tracetest.New()}
	var wg sync.WaitGroup
	for i, rec := range recs {
		for range 4 {
			wg.Go(func() {
				for range 50 * (i + 1) {
					_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: op})
					span.End(nil)
				}
			})
		}
	}
	wg.Wait()
	for i, rec := range recs {
		want := 4 * 50 * (i + 1)
		if got, spans := rec.Metric("messaging_process_duration_seconds"), len(rec.Spans()); got != float64(want) || spans != want {
			t.Errorf("telemetry %d: got %v counted and %d spans, want %d", i, got, spans, want)
		}
		if got := rec.Metric("patron_consumer_in_flight"); got != 0 {
			t.Errorf("telemetry %d: got %v in flight, want 0", i, got)
		}
		rec.AssertNoneOpen(t)
	}
}

func TestAUnitEndsWhereItBegan(t *testing.T) {
	t.Parallel()
	op := trace.NewOp(trace.Consumer, "process", trace.MessagingSystem("memory"))
	a, b := tracetest.New(), tracetest.New()
	_, first := trace.Begin(a.Context(t.Context()), trace.Unit{Op: op})
	_, second := trace.Begin(b.Context(t.Context()), trace.Unit{Op: op})
	first.End(nil)
	second.End(nil)
	for name, rec := range map[string]*tracetest.Recorder{"first": a, "second": b} {
		if got := rec.Metric("patron_consumer_in_flight"); got != 0 {
			t.Errorf("%s: got %v in flight, want 0", name, got)
		}
	}
}

func TestSpansGoToTheProviderOfTheMoment(t *testing.T) {
	t.Parallel()
	telemetry := trace.NewTelemetry(noop.NewTracerProvider(), nil, metric.NewRegistry())
	ctx := trace.WithTelemetry(t.Context(), telemetry)
	_, before := trace.Start(ctx, "before")
	memory := sdktracetest.NewInMemoryExporter()

	telemetry.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory)))
	_, after := trace.Start(ctx, "after")
	before.End(nil)
	after.End(nil)

	if got := memory.GetSpans(); len(got) != 1 || got[0].Name != "after" {
		t.Errorf("spans: got %+v, want the one that began after", got)
	}
}

// The number of children of an Op is bounded, whatever a caller says about outcomes.
func TestOutcomesThatNeverRepeatDoNotGrowTheSeries(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	op := trace.NewOp(trace.HTTPClient, "GET", trace.HTTPMethod("GET"), trace.ServerAddress("stock")).WithoutSpan()
	for i := range metric.SeriesLimit + 500 {
		_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: op})
		span.SetErrorType("error " + strconv.Itoa(i))
		span.End(nil)
	}
	if got := rec.Metric("http_client_request_duration_seconds"); got != metric.SeriesLimit+500 {
		t.Errorf("counted: got %v, want all", got)
	}
	if got := rec.Metric("http_client_request_duration_seconds", "error_type", "_overflow"); got != 500 {
		t.Errorf("overflow: got %v, want 500", got)
	}
}

// Ops of one kind share the limit, so that as many targets as somebody thinks of do not multiply it.
func TestManyOpsDoNotGrowTheSeries(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	for i := range metric.SeriesLimit + 500 {
		op := trace.NewOp(trace.HTTPClient, "GET", trace.HTTPMethod("GET"), trace.ServerAddress("host-"+strconv.Itoa(i))).WithoutSpan()
		_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: op})
		span.End(nil)
	}
	if got := rec.Metric("http_client_request_duration_seconds", "server_address", "_overflow"); got != 500 {
		t.Errorf("overflow: got %v, want 500", got)
	}
}
