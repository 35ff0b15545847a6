package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// pages is a writer that keeps each Write apart, and fails when it is told to.
type pages struct {
	mu    sync.Mutex
	all   []string
	short int   // how many bytes the next Write takes before it fails, if err is set
	err   error // of the next Write
}

func (p *pages) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		err := p.err
		p.err = nil
		p.all = append(p.all, string(b[:p.short]))
		return p.short, err
	}
	p.all = append(p.all, string(b))
	return len(b), nil
}

func (p *pages) text() string { return strings.Join(p.all, "") }

func mustJSON(tb testing.TB, w io.Writer) *JSONExporter {
	tb.Helper()
	e, err := NewJSONExporter(w)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// objects decodes the lines of text.
func objects(tb testing.TB, text string) []map[string]any {
	tb.Helper()
	var out []map[string]any
	for line := range strings.Lines(text) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil || !strings.HasSuffix(line, "}\n") {
			tb.Fatalf("line %q: %v", line, err)
		}
		out = append(out, o)
	}
	return out
}

// full is a span with something in every field.
func full(tb testing.TB) tracetest.SpanStub {
	tb.Helper()
	state, err := oteltrace.ParseTraceState("vendor=1")
	if err != nil {
		tb.Fatal(err)
	}
	at := time.Date(2026, 11, 21, 12, 0, 0, 120_000_000, time.FixedZone("CET", 3600))
	sc := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{0x0a, 15: 0xff}, SpanID: oteltrace.SpanID{0x01, 7: 0x02}, TraceFlags: 1, TraceState: state,
	})
	return tracetest.SpanStub{
		Name: "GET \"/\"\n", SpanContext: sc, Parent: sc.WithSpanID(oteltrace.SpanID{9}), SpanKind: oteltrace.SpanKindServer,
		StartTime: at, EndTime: at.Add(1_500_001),
		Attributes: []attribute.KeyValue{
			attribute.String("s", "tab\t"), attribute.Int64("i", math.MinInt64), attribute.Bool("b", true), attribute.Float64("f", 1e21),
			attribute.Float64("nan", math.NaN()), attribute.Float64("inf", math.Inf(1)), attribute.Float64("-inf", math.Inf(-1)),
			attribute.StringSlice("ss", []string{"a", "b\""}), attribute.IntSlice("ii", []int{1}), attribute.BoolSlice("bb", []bool{false}),
			attribute.Float64Slice("ff", []float64{0.5, math.NaN()}), attribute.ByteSlice("raw", []byte{0, 255}),
			{Key: "null"},
			{Key: "map", Value: attribute.MapValue(attribute.Int("x", 1), attribute.String("y", "z"))},
			{Key: "mixed", Value: attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("2"))},
		},
		Events: []sdktrace.Event{
			{Name: "retry", Time: at.Add(1), Attributes: []attribute.KeyValue{attribute.Int("attempt", 2)}, DroppedAttributeCount: 1},
			{Name: "done", Time: at.Add(time.Second)},
		},
		Links: []sdktrace.Link{
			{SpanContext: sc, Attributes: []attribute.KeyValue{attribute.String("why", "batch")}, DroppedAttributeCount: 2},
			{SpanContext: sc},
		},
		Status:            sdktrace.Status{Code: codes.Error, Description: "no stock"},
		DroppedAttributes: 3, DroppedEvents: 4, DroppedLinks: 5,
		Resource:             resource.NewSchemaless(attribute.String("service.name", "orders"), attribute.Int("pid", 7)),
		InstrumentationScope: instrumentation.Scope{Name: "patron", Version: "v1"},
	}
}

func TestLineOfASpan(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer

	if err := mustJSON(t, &out).ExportSpans(t.Context(), []sdktrace.ReadOnlySpan{full(t).Snapshot()}); err != nil {
		t.Fatal(err)
	}

	want := `{"trace_id":"0a0000000000000000000000000000ff","span_id":"0100000000000002","parent_span_id":"0900000000000000","trace_state":"vendor=1",` +
		`"name":"GET \"/\"\n","kind":"server","start":"2026-11-21T11:00:00.12Z","end":"2026-11-21T11:00:00.121500001Z","duration_ns":1500001,` +
		`"status":{"code":"error","description":"no stock"},` +
		`"attributes":{"s":"tab\t","i":-9223372036854775808,"b":true,"f":1e+21,"nan":"NaN","inf":"Infinity","-inf":"-Infinity",` +
		`"ss":["a","b\""],"ii":[1],"bb":[false],"ff":[0.5,"NaN"],"raw":"AP8=","null":null,"map":{"x":1,"y":"z"},"mixed":[1,"2"]},` +
		`"events":[{"time":"2026-11-21T11:00:00.120000001Z","name":"retry","attributes":{"attempt":2},"dropped_attributes":1},` +
		`{"time":"2026-11-21T11:00:01.12Z","name":"done"}],` +
		`"links":[{"trace_id":"0a0000000000000000000000000000ff","span_id":"0100000000000002","attributes":{"why":"batch"},"dropped_attributes":2},` +
		`{"trace_id":"0a0000000000000000000000000000ff","span_id":"0100000000000002"}],` +
		`"dropped":{"attributes":3,"events":4,"links":5},"scope":{"name":"patron","version":"v1"},"resource":{"pid":7,"service.name":"orders"}}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	objects(t, out.String())
}

func TestLineOfASpanWithNothingInIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer

	if err := mustJSON(t, &out).ExportSpans(t.Context(), tracetest.SpanStubs{{Status: sdktrace.Status{Code: codes.Ok}}, {}}.Snapshots()); err != nil {
		t.Fatal(err)
	}

	const line = `{"trace_id":"00000000000000000000000000000000","span_id":"0000000000000000","name":"","kind":"internal",` +
		`"start":"0001-01-01T00:00:00Z","end":"0001-01-01T00:00:00Z","duration_ns":0,"status":{"code":"%s"},"scope":{"name":""},"resource":{}}` + "\n"
	if diff := cmp.Diff(fmt.Sprintf(line+line, "ok", "unset"), out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestLinesCarryTheResourceOfTheirSpan(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	e := mustJSON(t, &out)
	a, b := stub("a"), stub("b")
	a.Resource = resource.NewSchemaless(attribute.String("service.name", "orders"))
	b.Resource = resource.NewSchemaless(attribute.String("service.name", "stock"))

	for range 2 {
		if err := e.ExportSpans(t.Context(), tracetest.SpanStubs{a, b, a}.Snapshots()); err != nil {
			t.Fatal(err)
		}
	}

	var got []any
	for _, o := range objects(t, out.String()) {
		got = append(got, o["resource"].(map[string]any)["service.name"])
	}
	if diff := cmp.Diff([]any{"orders", "stock", "orders", "orders", "stock", "orders"}, got); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}

func TestWritesHoldWholeLines(t *testing.T) {
	t.Parallel()
	w := &pages{}
	spans := make(tracetest.SpanStubs, 1000)
	for i := range spans {
		spans[i] = stub(strconv.Itoa(i))
		spans[i].Attributes = []attribute.KeyValue{attribute.String("k", strings.Repeat("x", 500))}
	}

	if err := mustJSON(t, w).ExportSpans(t.Context(), spans.Snapshots()); err != nil {
		t.Fatal(err)
	}

	if n := len(w.all); n < 8 || n > 16 {
		t.Errorf("got %d writes, want about 12 of 64 KiB", n)
	}
	for _, page := range w.all {
		if !strings.HasSuffix(page, "}\n") || len(page) > maxJSONWrite+1000 {
			t.Errorf("got a write of %d bytes that ends in %q, want whole lines of some 64 KiB", len(page), page[len(page)-3:])
		}
	}
	for i, o := range objects(t, w.text()) {
		if o["name"] != strconv.Itoa(i) {
			t.Fatalf("line %d: got %v", i, o["name"])
		}
	}
}

func TestWriteErrorIsReturnedAndCounted(t *testing.T) {
	t.Parallel()
	disk := errors.New("no space left")
	lines := tracetest.SpanStubs{stub("a"), stub("b"), stub("c")}.Snapshots()
	var one bytes.Buffer
	if err := mustJSON(t, &one).ExportSpans(t.Context(), lines[:1]); err != nil {
		t.Fatal(err)
	}
	length := one.Len()
	for name, tc := range map[string]struct {
		short int
		err   error
		lost  uint64
		after string // what the file holds once another span was written
	}{
		"nothing written":     {0, disk, 3, "d\n"},
		"one line":            {length, disk, 2, "a\nd\n"},
		"one line and a half": {length + 10, disk, 2, "a\n?\nd\n"},
		"half a line":         {length / 2, disk, 3, "?\nd\n"},
		"no reason given":     {0, io.ErrShortWrite, 3, "d\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &pages{short: tc.short, err: tc.err}
			e := mustJSON(t, w)

			err := e.ExportSpans(t.Context(), lines)
			again := e.ExportSpans(t.Context(), tracetest.SpanStubs{stub("d")}.Snapshots())

			if want := fmt.Sprintf("json exporter: %d spans lost: %v", tc.lost, tc.err); !errors.Is(err, tc.err) || err.Error() != want {
				t.Errorf("got %v, want %q", err, want)
			}
			if got := e.Drops()[DropWriteFailed](); got != tc.lost || again != nil {
				t.Errorf("got %d dropped and then %v, want %d and nil", got, again, tc.lost)
			}
			var got strings.Builder
			for line := range strings.Lines(w.text()) {
				var o struct{ Name string }
				if json.Unmarshal([]byte(line), &o) != nil {
					o.Name = "?"
				}
				got.WriteString(o.Name + "\n")
			}
			if got.String() != tc.after {
				t.Errorf("the file: got %q, want %q", got.String(), tc.after)
			}
		})
	}
}

func TestExportThatIsTooLateSaysSo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	e := mustJSON(t, &out)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errExport)

	if err := e.ExportSpans(ended, tracetest.SpanStubs{stub("a")}.Snapshots()); !errors.Is(err, errExport) {
		t.Errorf("context over: got %v, want its cause", err)
	}
	if first, second := e.Shutdown(t.Context()), e.Shutdown(t.Context()); first != nil || second != nil {
		t.Errorf("shutdown: got %v, %v, want nil twice", first, second)
	}
	if err := e.ExportSpans(t.Context(), tracetest.SpanStubs{stub("b"), stub("c")}.Snapshots()); !errors.Is(err, ErrExporterShutdown) {
		t.Errorf("after shutdown: got %v, want ErrExporterShutdown", err)
	}
	if got := e.Drops()[DropWriteFailed](); got != 3 || out.Len() != 0 {
		t.Errorf("got %d dropped and %d bytes, want 3 and none", got, out.Len())
	}
}

func TestNewJSONExporterNeedsAWriter(t *testing.T) {
	t.Parallel()
	if e, err := NewJSONExporter(nil); e != nil || err == nil || err.Error() != "json exporter: writer is nil" {
		t.Errorf("got %v, %v, want an error", e, err)
	}
}

func TestConcurrentExportsDoNotMix(t *testing.T) {
	t.Parallel()
	w := &pages{}
	p := started(t, WithSyncExporter(mustJSON(t, w)), WithExporter(mustJSON(t, w), WithBlocking(), WithQueueSize(10)))

	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { emit(p, numbers(100*i, 100*i+100)...) })
	}
	wg.Wait()
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	seen := map[any]int{}
	for _, o := range objects(t, w.text()) {
		seen[o["name"]]++
	}
	for _, n := range numbers(0, 800) {
		if seen[n] != 2 {
			t.Errorf("span %s: got %d lines, want 2", n, seen[n])
		}
	}
}

func FuzzLineIsJSON(f *testing.F) {
	f.Add("GET /", "key", "value", int64(1), 1.5, int64(1e18))
	f.Add("\x00\x1f\x7f\"\\/", "\u2028\u2029", "a\xffb\xe2\x80", int64(math.MinInt64), math.Inf(-1), int64(-1))
	f.Add("é€😀", "", strings.Repeat("\n", 100), int64(0), math.NaN(), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, name, key, text string, long int64, double float64, nanos int64) {
		s := stub(name)
		at := time.Unix(0, nanos)
		s.StartTime, s.EndTime = at, at.Add(time.Duration(long%1e9))
		s.Attributes = []attribute.KeyValue{
			attribute.String("s"+key, text), attribute.Int64("i"+key, long), attribute.Float64("f"+key, double),
			attribute.StringSlice("ss"+key, []string{text, key}), attribute.Float64Slice("ff"+key, []float64{double}),
		}
		s.Events = []sdktrace.Event{{Name: text, Time: at, Attributes: s.Attributes}}
		s.Status.Description = text
		s.Resource = resource.NewSchemaless(s.Attributes...)
		var out bytes.Buffer

		if err := mustJSON(t, &out).ExportSpans(t.Context(), []sdktrace.ReadOnlySpan{s.Snapshot()}); err != nil {
			t.Fatal(err)
		}

		if n := strings.Count(out.String(), "\n"); n != 1 || !json.Valid(out.Bytes()) {
			t.Fatalf("got %q, want one line of JSON", out.String())
		}
		var got struct {
			Name       string
			Start      time.Time
			Attributes map[string]json.RawMessage
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		// encoding/json makes the same of strings that are not UTF-8.
		if want := reread(t, name); got.Name != want || !got.Start.Equal(at) {
			t.Errorf("got %q at %v, want %q at %v", got.Name, got.Start, want, at)
		}
		if v := got.Attributes[reread(t, "i"+key)]; string(v) != strconv.FormatInt(long, 10) {
			t.Errorf("integer: got %s, want %d", v, long)
		}
		var back string
		if err := json.Unmarshal(got.Attributes[reread(t, "s"+key)], &back); err != nil || back != reread(t, text) {
			t.Errorf("string: got %q, want %q", back, reread(t, text))
		}
	})
}

// reread returns what encoding/json makes of s on the way out and in.
func reread(tb testing.TB, s string) string {
	tb.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		tb.Fatal(err)
	}
	var out string
	if err := json.Unmarshal(b, &out); err != nil {
		tb.Fatal(err)
	}
	return out
}
