package trace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
	psync "github.com/beatlabs/patron/sync"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
)

// lines is a logger at debug level that keeps its lines.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) context(ctx context.Context, level plog.Level) context.Context {
	return plog.WithContext(ctx, plog.New(plog.JSON(l, plog.NewLevelVar(level))))
}

func (l *lines) all(tb testing.TB) []map[string]any {
	tb.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for d := json.NewDecoder(&l.text); ; {
		var line map[string]any
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			tb.Fatalf("a line that is not JSON: %v", err)
		}
		found = append(found, line)
	}
}

func panicError(value any) (err error) {
	defer func() { err = reliability.Recovered(recover()) }()
	panic(value)
}

func TestTheOutcomeDecidesStatusLabelAndLine(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		kind      trace.Kind
		status    int
		err       error
		errorType string // of span and metric
		failed    bool   // the status of the span
		level     string // of the line; "" = none
	}{
		"server, 200":                 {kind: trace.HTTPServer, status: 200},
		"server, 302":                 {kind: trace.HTTPServer, status: 302},
		"server, 404 without error":   {kind: trace.HTTPServer, status: 404, level: "debug"},
		"server, 422":                 {kind: trace.HTTPServer, status: 422, err: psync.NewValidationError("no"), level: "debug"},
		"server, 500":                 {kind: trace.HTTPServer, status: 500, err: boom, errorType: "500", failed: true, level: "error"},
		"server, 503 without error":   {kind: trace.HTTPServer, status: 503, errorType: "503", failed: true, level: "error"},
		"server, panic":               {kind: trace.HTTPServer, status: 500, err: panicError("no"), errorType: "panic", failed: true, level: "error"},
		"server, panic after 200":     {kind: trace.HTTPServer, status: 200, err: panicError("no"), errorType: "panic", failed: true, level: "error"},
		"server, error, no status":    {kind: trace.HTTPServer, err: boom, errorType: "transient", failed: true, level: "error"},
		"server, gone, no status":     {kind: trace.HTTPServer, err: context.Canceled, errorType: "canceled", level: "debug"},
		"server, gone, 499":           {kind: trace.HTTPServer, status: 499, err: context.Canceled, level: "debug"},
		"client, 200":                 {kind: trace.HTTPClient, status: 200},
		"client, 404":                 {kind: trace.HTTPClient, status: 404, errorType: "404", failed: true},
		"client, 503":                 {kind: trace.HTTPClient, status: 503, errorType: "503", failed: true},
		"client, no answer":           {kind: trace.HTTPClient, err: boom, errorType: "transient", failed: true},
		"client, canceled":            {kind: trace.HTTPClient, err: context.Canceled, errorType: "canceled", failed: true},
		"consumer, done":              {kind: trace.Consumer},
		"consumer, dead":              {kind: trace.Consumer, err: reliability.Permanent(boom), errorType: "permanent", failed: true, level: "error"},
		"consumer, dead after tries":  {kind: trace.Consumer, err: boom, errorType: "transient", failed: true, level: "error"},
		"consumer, panic":             {kind: trace.Consumer, err: fmt.Errorf("wrapped: %w", panicError(boom)), errorType: "panic", failed: true, level: "error"},
		"producer, confirmed":         {kind: trace.Producer},
		"producer, refused":           {kind: trace.Producer, err: psync.NewError(psync.InvalidArgument, "too large"), errorType: "permanent", failed: true},
		"step, done":                  {kind: trace.Internal},
		"step, failed":                {kind: trace.Internal, err: boom, errorType: "transient", failed: true},
		"step, too slow":              {kind: trace.Internal, err: fmt.Errorf("stock: %w", context.DeadlineExceeded), errorType: "timeout", failed: true},
		"step, permanent but timeout": {kind: trace.Internal, err: reliability.Permanent(context.DeadlineExceeded), errorType: "timeout", failed: true},
		"step, deadline of a file":    {kind: trace.Internal, err: os.ErrDeadlineExceeded, errorType: "timeout", failed: true},
		"step, time-out of the net":   {kind: trace.Internal, err: &net.DNSError{IsTimeout: true}, errorType: "timeout", failed: true},
		"step, other DNS error":       {kind: trace.Internal, err: &net.DNSError{IsNotFound: true}, errorType: "transient", failed: true},
		"step, caller gave up":        {kind: trace.Internal, err: psync.NewError(psync.Canceled, ""), errorType: "canceled", failed: true},
		"step, unknown class":         {kind: trace.Internal, err: odd{}, errorType: "other", failed: true},
		"step, class of no error":     {kind: trace.Internal, err: none{}, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec, log := tracetest.New(), new(lines)
			ctx := log.context(rec.Context(t.Context()), plog.DebugLevel)

			_, span := trace.Begin(ctx, trace.Unit{Op: ops()[tc.kind]})
			if tc.status != 0 {
				span.SetStatus(tc.status)
			}
			span.End(tc.err)

			got := rec.Spans()[0]
			if failed := got.Status == "error"; failed != tc.failed {
				t.Errorf("status of the span: got %s, want failed %t", got.Status, tc.failed)
			}
			if errorType, _ := got.Attributes["error.type"].(string); errorType != tc.errorType {
				t.Errorf("error.type: got %q, want %q", errorType, tc.errorType)
			}
			if status, _ := got.Attributes["http.response.status_code"].(int64); status != int64(tc.status) {
				t.Errorf("http.response.status_code: got %d, want %d", status, tc.status)
			}
			if histogram, ok := durations[tc.kind]; ok {
				if n := rec.Metric(histogram, "error_type", tc.errorType); n != 1 {
					t.Errorf("%s with error_type %q: got %v, want 1", histogram, tc.errorType, n)
				}
			}
			level := ""
			if all := log.all(t); len(all) > 0 {
				level, _ = all[0]["lvl"].(string)
			}
			if level != tc.level {
				t.Errorf("line: got level %q, want %q", level, tc.level)
			}
		})
	}
}

var durations = map[trace.Kind]string{
	trace.HTTPServer: "http_server_request_duration_seconds", trace.HTTPClient: "http_client_request_duration_seconds",
	trace.Consumer: "messaging_process_duration_seconds", trace.Producer: "messaging_client_operation_duration_seconds",
}

// odd and none say of themselves what no error should say.
type (
	odd  struct{}
	none struct{}
)

func (odd) Error() string             { return "odd" }
func (odd) Class() reliability.Class  { return 77 }
func (none) Error() string            { return "none" }
func (none) Class() reliability.Class { return reliability.ClassNone }

func TestTheLineOfAFailureSaysWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, log := tracetest.New(), new(lines)
		ctx := log.context(rec.Context(t.Context()), plog.InfoLevel)

		_, span := trace.Begin(ctx, trace.Unit{Op: serverOp, In: trace.HeaderCarrier{correlation.HeaderID: {"order-1"}}})
		time.Sleep(20 * time.Millisecond)
		span.SetStatus(503)
		span.End(errors.New("stock: no connection"))

		all := log.all(t)
		if len(all) != 1 {
			t.Fatalf("lines: got %v, want one", all)
		}
		delete(all[0], "time")
		delete(all[0], "src")
		want := map[string]any{
			"lvl": "error", "msg": "request failed", "op": "GET /x", "status": 503.0, "error": "stock: no connection", "duration": all[0]["duration"],
			"correlationID": "order-1", "trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(),
		}
		if diff := cmp.Diff(want, all[0]); diff != "" {
			t.Errorf("line (-want +got):\n%s", diff)
		}
		if got := fmt.Sprint(all[0]["duration"]); got != "20ms" && got != "2e+07" && got != "0.02" {
			t.Errorf("duration: got %s, want 20 ms", got)
		}
	})
}

func TestAPanicIsSeenWithItsStack(t *testing.T) {
	t.Parallel()
	rec, log := tracetest.New(), new(lines)
	_, span := trace.Begin(log.context(rec.Context(t.Context()), plog.InfoLevel), trace.Unit{Op: ops()[trace.Consumer]})
	span.End(panicError("nil map"))

	stack, _ := log.all(t)[0]["stack"].(string)
	event := rec.Spans()[0].Events[0]
	exception, _ := event.Attributes["exception.stacktrace"].(string)
	for _, got := range []string{stack, exception} {
		if !strings.Contains(got, "trace_test.panicError") {
			t.Errorf("stack: got %q", got)
		}
	}
	delete(event.Attributes, "exception.stacktrace")
	want := map[string]any{"exception.type": "panic", "exception.message": "panic: nil map"}
	if diff := cmp.Diff(want, event.Attributes); diff != "" || event.Name != "exception" {
		t.Errorf("event %s (-want +got):\n%s", event.Name, diff)
	}
}

func TestLogAtReplacesTheLevel(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind   trace.Kind
		status int
		err    error
		want   int
	}{
		"a refusal with Retry-After": {trace.HTTPServer, 503, errClosed, 1},
		"a success":                  {trace.HTTPServer, 200, nil, 1},
		"clients never log":          {trace.HTTPClient, 503, errClosed, 0},
	} {
		log := new(lines)
		_, span := trace.Begin(log.context(tracetest.New().Context(t.Context()), plog.DebugLevel), trace.Unit{Op: ops()[tc.kind]})
		span.SetStatus(tc.status)
		span.LogAt(slog.LevelWarn)
		span.End(tc.err)
		all := log.all(t)
		if len(all) != tc.want || tc.want == 1 && all[0]["lvl"] != "warn" {
			t.Errorf("%s: got %v, want %d at warn", name, all, tc.want)
		}
	}
}

func TestAnAttemptIsAnEventAndALine(t *testing.T) {
	t.Parallel()
	rec, log := tracetest.New(), new(lines)
	_, span := trace.Begin(log.context(rec.Context(t.Context()), plog.DebugLevel), trace.Unit{Op: ops()[trace.Consumer]})

	span.Attempt(1, errors.New("stock: busy"), 1500*time.Millisecond)
	span.Attempt(2, panicError("nil map"), 0)
	span.End(nil)

	got := rec.Spans()[0]
	if got.Status != "unset" || len(got.Events) != 2 {
		t.Fatalf("span: got %+v", got)
	}
	want := map[string]any{"patron.attempt": int64(1), "patron.attempt.wait": 1.5, "exception.type": "transient", "exception.message": "stock: busy"}
	if diff := cmp.Diff(want, got.Events[0].Attributes); diff != "" || got.Events[0].Name != "attempt failed" {
		t.Errorf("event %q (-want +got):\n%s", got.Events[0].Name, diff)
	}
	all := log.all(t)
	if len(all) != 2 {
		t.Fatalf("lines: got %v, want two", all)
	}
	if all[0]["lvl"] != "warn" || all[0]["msg"] != "attempt failed" || all[0]["attempt"] != 1.0 || all[0]["error"] != "stock: busy" || all[0]["stack"] != nil {
		t.Errorf("first line: got %v", all[0])
	}
	if stack, _ := all[1]["stack"].(string); all[1]["lvl"] != "error" || !strings.Contains(stack, "panicError") {
		t.Errorf("second line: got %v", all[1])
	}
}

func TestASecondEndDoesNothing(t *testing.T) {
	t.Parallel()
	rec, log := tracetest.New(), new(lines)
	ctx := log.context(rec.Context(t.Context()), plog.DebugLevel)

	_, span := trace.Begin(ctx, trace.Unit{Op: ops()[trace.Consumer]})
	span.End(nil)
	span.End(errClosed)

	if got := rec.Spans(); len(got) != 1 || got[0].Status != "unset" {
		t.Errorf("spans: got %+v", got)
	}
	if got, flying := rec.Metric("messaging_process_duration_seconds"), rec.Metric("patron_consumer_in_flight"); got != 1 || flying != 0 {
		t.Errorf("metrics: got %v counted, %v in flight", got, flying)
	}
	if got := log.all(t); len(got) != 0 {
		t.Errorf("lines: got %v, want none", got)
	}
}

func TestOfManyEndsOneCounts(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: ops()[trace.Consumer]})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { span.End(nil) })
	}
	wg.Wait()
	if got, flying := rec.Metric("messaging_process_duration_seconds"), rec.Metric("patron_consumer_in_flight"); got != 1 || flying != 0 {
		t.Errorf("metrics: got %v counted, %v in flight", got, flying)
	}
}

func TestWhatIsKnownIsOnTheSpan(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: ops()[trace.Internal]})
	span.SetAttributes(attribute.String("sku", "85123A"))
	span.AddEvent("packed", attribute.Int("boxes", 2))
	span.SetErrorType("out_of_stock")
	span.End(errors.New("nothing left"))

	got := rec.Spans()[0]
	if got.Attributes["sku"] != "85123A" || got.Attributes["error.type"] != "out_of_stock" || got.Description != "nothing left" {
		t.Errorf("span: got %+v", got)
	}
	if len(got.Events) != 2 || got.Events[0].Attributes["boxes"] != int64(2) {
		t.Errorf("events: got %+v", got.Events)
	}
}

func TestDurationsAreSecondsAndNeverNegative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			start func() time.Time
			want  float64
		}{
			"from now":      {func() time.Time { return time.Time{} }, 2},
			"from before":   {func() time.Time { return time.Now().Add(-3 * time.Second) }, 5},
			"in the future": {func() time.Time { return time.Now().Add(time.Hour) }, 0},
		} {
			rec := tracetest.New()
			_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: serverOp, Start: tc.start()})
			time.Sleep(2 * time.Second)
			span.End(nil)
			if got := sumOf(t, rec, "http_server_request_duration_seconds"); got != tc.want {
				t.Errorf("%s: got %v s, want %v", name, got, tc.want)
			}
		}
	})
}

func sumOf(tb testing.TB, rec *tracetest.Recorder, name string) float64 {
	tb.Helper()
	families, err := rec.Telemetry().Metrics().Gatherer().Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetHistogram().GetSampleSum()
		}
	}
	return -1
}

func TestASampledUnitIsAnExemplar(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]string{"00": "", "01": remoteTrace} {
		rec := tracetest.New()
		in := trace.HeaderCarrier{"Traceparent": {"00-" + remoteTrace + "-" + remoteSpan + "-" + flags}}
		_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: serverOp, In: in})
		span.End(nil)

		families, err := rec.Telemetry().Metrics().Gatherer().Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range families {
			for _, b := range f.GetMetric()[0].GetHistogram().GetBucket() {
				for _, l := range b.GetExemplar().GetLabel() {
					got = append(got, l.GetValue())
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("flags %s: got exemplar %q, want %q", flags, got, want)
		}
	}
}
