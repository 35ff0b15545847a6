package tracetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

func TestSpansAreRecordedWhole(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	parentCtx, parent := trace.Start(rec.Context(t.Context()), "parent")

	_, child := trace.Start(parentCtx, "child", attribute.String("sku", "85123A"), attribute.Int("quantity", 6), attribute.Bool("gift", true))
	child.AddEvent("packed", attribute.Float64("kg", 0.5))
	child.End(errors.New("out of stock"))
	parent.End(nil)

	spans := rec.Spans()
	if len(spans) != 2 {
		t.Fatalf("Spans: got %d, want 2: %+v", len(spans), spans)
	}
	got, root := spans[0], spans[1]
	if !got.ChildOf(root) || root.ParentID != "" || got.ParentRemote {
		t.Errorf("family: got child %+v, parent %+v", got, root)
	}
	if got.TraceID != parent.SpanContext().TraceID().String() || len(got.SpanID) != 16 {
		t.Errorf("IDs: got %s %s", got.TraceID, got.SpanID)
	}
	want := map[string]any{"sku": "85123A", "quantity": int64(6), "gift": true, "error.type": "transient"}
	if diff := cmp.Diff(want, got.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if got.Name != "child" || got.Kind != "internal" || got.Status != "error" || got.Description != "out of stock" {
		t.Errorf("got %s %s %s %q", got.Name, got.Kind, got.Status, got.Description)
	}
	if len(got.Events) != 2 || got.Events[0].Name != "packed" || got.Events[0].Attributes["kg"] != 0.5 || got.Events[1].Name != "exception" {
		t.Errorf("events: got %+v", got.Events)
	}
	if got.Start.After(got.End) || got.Start.IsZero() {
		t.Errorf("times: got %v to %v", got.Start, got.End)
	}
}

func TestLinksAreRecorded(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	other := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: [16]byte{1}, SpanID: [8]byte{2}})

	_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{
		Op:    trace.NewOp(trace.Internal, "batch"),
		Links: []oteltrace.Link{{SpanContext: other, Attributes: []attribute.KeyValue{attribute.String("why", "batched")}}},
	})
	span.End(nil)

	want := []tracetest.Link{{TraceID: other.TraceID().String(), SpanID: other.SpanID().String(), Attributes: map[string]any{"why": "batched"}}}
	if diff := cmp.Diff(want, rec.Spans()[0].Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func TestAnOpenSpanIsNamed(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	_, first := trace.Start(rec.Context(t.Context()), "first")
	_, second := trace.Start(rec.Context(t.Context()), "second")

	var tb failures
	rec.AssertNoneOpen(&tb)
	if diff := cmp.Diff([]string{"first", "second"}, rec.Open()); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	if want := `spans that began and did not end: ["first" "second"]`; len(tb.texts) != 1 || tb.texts[0] != want {
		t.Errorf("failures: got %q, want %q", tb.texts, want)
	}

	first.End(nil)
	second.End(nil)
	rec.AssertNoneOpen(t)
}

// failures is a testing.TB that keeps what it is told.
type failures struct {
	testing.TB

	texts []string
}

func (f *failures) Helper() {}

func (f *failures) Errorf(format string, args ...any) {
	f.texts = append(f.texts, fmt.Sprintf(format, args...))
}

func TestAwaitWaitsForSpansThatEndElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := tracetest.New()
		for i := range 3 {
			_, span := trace.Start(rec.Context(t.Context()), "work")
			go func() {
				time.Sleep(time.Duration(i+1) * time.Minute)
				span.End(nil)
			}()
		}
		begun := time.Now()

		spans, err := rec.Await(t.Context(), 3)

		if err != nil || len(spans) != 3 || time.Since(begun) != 3*time.Minute {
			t.Errorf("Await: got %d spans, %v after %v, want 3 after 3m", len(spans), err, time.Since(begun))
		}
	})
}

func TestAwaitSaysWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := tracetest.New()
		_, span := trace.Start(rec.Context(t.Context()), "stuck")
		defer span.End(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		_, err := rec.Await(ctx, 1)

		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `0 of 1 spans ended, open: ["stuck"]`) {
			t.Errorf("Await: got %v", err)
		}
	})
}

func TestResetForgetsWhatEnded(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	ctx := rec.Context(t.Context())
	_, open := trace.Start(ctx, "open")
	_, ended := trace.Start(ctx, "ended")
	ended.End(nil)

	rec.Reset()

	if got := rec.Spans(); len(got) != 0 {
		t.Errorf("Spans: got %+v, want none", got)
	}
	open.End(nil)
	if got := rec.Named("open"); len(got) != 1 {
		t.Errorf("the open one: got %+v, want one", got)
	}
}

func TestTwoRecordersDoNotMix(t *testing.T) {
	t.Parallel()
	op := trace.NewOp(trace.Consumer, "process", trace.MessagingSystem("memory"))
	a, b := tracetest.New(), tracetest.New()

	_, span := trace.Begin(a.Context(t.Context()), trace.Unit{Op: op})
	span.End(nil)

	if len(a.Spans()) != 1 || len(b.Spans()) != 0 {
		t.Errorf("spans: got %d and %d, want 1 and 0", len(a.Spans()), len(b.Spans()))
	}
	if got, other := a.Metric("messaging_process_duration_seconds"), b.Metric("messaging_process_duration_seconds"); got != 1 || other != 0 {
		t.Errorf("metrics: got %v and %v, want 1 and 0", got, other)
	}
}

func TestMetricReadsEveryKind(t *testing.T) {
	t.Parallel()
	reg := metric.NewRegistry()
	rec := tracetest.New(tracetest.WithRegistry(reg))
	counter := reg.Counter(metric.Opts{Name: "c_total", Help: "C.", Labels: []string{"a", "b"}})
	counter.With("1", "x").Add(2)
	counter.With("1", "y").Add(3)
	counter.With("2", "y").Add(5)
	reg.Gauge(metric.Opts{Name: "g", Help: "G."}).With().Set(-7)
	h := reg.Histogram(metric.Opts{Name: "h_seconds", Help: "H."}).With()
	h.Observe(1)
	h.Observe(100)

	for name, tc := range map[string]struct {
		metric string
		labels []string
		want   float64
	}{
		"all series":           {"c_total", nil, 10},
		"one label":            {"c_total", []string{"a", "1"}, 5},
		"two labels":           {"c_total", []string{"b", "y", "a", "1"}, 3},
		"no such value":        {"c_total", []string{"a", "3"}, 0},
		"no such label":        {"c_total", []string{"z", ""}, 0},
		"any value":            {"c_total", []string{"b", "y", "a"}, 8},
		"gauge":                {"g", nil, -7},
		"histogram":            {"h_seconds", nil, 2},
		"no such metric":       {"nothing", nil, 0},
		"no such metric, name": {"nothing", []string{"a"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := rec.Metric(tc.metric, tc.labels...); got != tc.want {
				t.Errorf("Metric(%q, %q): got %v, want %v", tc.metric, tc.labels, got, tc.want)
			}
		})
	}
}

func TestTheSamplerDecides(t *testing.T) {
	t.Parallel()
	rec := tracetest.New(tracetest.WithSampler(sdktrace.NeverSample()))

	_, span := trace.Start(rec.Context(t.Context()), "unseen")

	if got := rec.Open(); len(got) != 0 || span.IsRecording() {
		t.Errorf("open: got %q, want none", got)
	}
	span.End(nil)
	if got := rec.Spans(); len(got) != 0 {
		t.Errorf("spans: got %+v, want none", got)
	}
}

func TestWrongOptionsPanicAllAtOnce(t *testing.T) {
	t.Parallel()
	defer func() {
		err, _ := recover().(error)
		want := "tracetest: new: option 0 is nil\nsampler: nil\nregistry: nil"
		if err == nil || err.Error() != want {
			t.Errorf("panic: got %v, want %s", err, want)
		}
	}()
	tracetest.New(nil, tracetest.WithSampler(nil), tracetest.WithRegistry(nil))
}

func TestRecordingIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				_, span := trace.Start(rec.Context(t.Context()), "work")
				span.End(nil)
				rec.Spans()
				rec.Open()
			}
		})
	}
	spans, err := rec.Await(t.Context(), 800)
	wg.Wait()
	if err != nil || len(spans) != 800 {
		t.Errorf("Await: got %d spans, %v", len(spans), err)
	}
	rec.AssertNoneOpen(t)
}
