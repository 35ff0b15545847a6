package jaeger

import (
	"encoding/hex"
	"math"
	"strings"
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

var start = time.Date(2026, 11, 21, 12, 0, 0, 123_456_789, time.UTC)

func spanContext(trace, span byte, flags oteltrace.TraceFlags) oteltrace.SpanContext {
	var c oteltrace.SpanContextConfig
	for i := range c.TraceID {
		c.TraceID[i] = trace + byte(i)
	}
	for i := range c.SpanID {
		c.SpanID[i] = span + byte(i)
	}
	c.TraceFlags = flags
	return oteltrace.NewSpanContext(c)
}

// full is a span with something in every field.
func full(tb testing.TB) tracetest.SpanStub {
	tb.Helper()
	state, err := oteltrace.ParseTraceState("vendor=1,other=2")
	if err != nil {
		tb.Fatal(err)
	}
	return tracetest.SpanStub{
		Name:        "GET /orders/{invoice}",
		SpanContext: spanContext(0xf0, 0xa0, oteltrace.FlagsSampled|oteltrace.FlagsRandom).WithTraceState(state),
		Parent:      spanContext(0xf0, 0xb0, oteltrace.FlagsSampled).WithRemote(true),
		SpanKind:    oteltrace.SpanKindServer,
		StartTime:   start,
		EndTime:     start.Add(1500*time.Microsecond + 999),
		Attributes: []attribute.KeyValue{
			attribute.String("s", "text"),
			attribute.String("empty", ""),
			attribute.Bool("yes", true),
			attribute.Bool("no", false),
			attribute.Int64("min", math.MinInt64),
			attribute.Int64("max", math.MaxInt64),
			attribute.Int("zero", 0),
			attribute.Float64("pi", 3.25),
			attribute.Float64("inf", math.Inf(-1)),
			attribute.StringSlice("ss", []string{"a", `b"`}),
			attribute.IntSlice("ii", []int{1, -2}),
			attribute.BoolSlice("bb", []bool{true, false}),
			attribute.Float64Slice("ff", []float64{1.5, 2}),
			{Key: "bytes", Value: attribute.ByteSliceValue([]byte{0xff, 0x00})},
			{Key: "map", Value: attribute.MapValue(attribute.Int("a", 1))},
			{Key: "nothing"},
			attribute.String("bad", "a\xffb"),
		},
		Events: []sdktrace.Event{
			{Name: "retry", Time: start.Add(time.Millisecond), Attributes: []attribute.KeyValue{attribute.Int("attempt", 2)}, DroppedAttributeCount: 3},
			{Name: "hidden", Time: start.Add(2 * time.Millisecond), Attributes: []attribute.KeyValue{attribute.String("event", "own")}},
		},
		Links: []sdktrace.Link{
			{SpanContext: spanContext(0x10, 0x20, 0)},
			{SpanContext: spanContext(0x30, 0x40, 0), Attributes: []attribute.KeyValue{attribute.String("why", "batch")}},
		},
		Status:            sdktrace.Status{Code: codes.Error, Description: "no stock"},
		DroppedAttributes: 4,
		DroppedEvents:     5,
		DroppedLinks:      6,
		Resource: resource.NewSchemaless(
			attribute.String("service.name", "orders"), attribute.String("service.version", "1.2.3"), attribute.Int("pid", 7)),
		InstrumentationScope: instrumentation.Scope{Name: "patron", Version: "v1"},
	}
}

func TestEveryFieldOfASpanArrives(t *testing.T) {
	t.Parallel()
	a := listen(t, 0)
	e := newExporter(t, a.port())

	if err := e.ExportSpans(t.Context(), []sdktrace.ReadOnlySpan{full(t).Snapshot()}); err != nil {
		t.Fatal(err)
	}

	micros := start.UnixMicro()
	want := wireBatch{
		Service: "orders",
		Process: map[string]any{"service.version": "1.2.3", "pid": int64(7)},
		Spans: []wireSpan{{
			TraceHigh: 0xf0f1f2f3f4f5f6f7,
			TraceLow:  0xf8f9fafbfcfdfeff,
			ID:        0xa0a1a2a3a4a5a6a7,
			Parent:    0xb0b1b2b3b4b5b6b7,
			Name:      "GET /orders/{invoice}",
			Flags:     1,
			Start:     micros,
			Duration:  1500,
			Refs: []wireRef{
				{Type: 1, TraceHigh: 0x1011121314151617, TraceLow: 0x18191a1b1c1d1e1f, ID: 0x2021222324252627},
				{Type: 1, TraceHigh: 0x3031323334353637, TraceLow: 0x38393a3b3c3d3e3f, ID: 0x4041424344454647},
			},
			Tags: map[string]any{
				"s": "text", "empty": "", "yes": true, "no": false,
				"min": int64(math.MinInt64), "max": int64(math.MaxInt64), "zero": int64(0), "pi": 3.25, "inf": math.Inf(-1),
				"ss": `["a","b\""]`, "ii": `[1,-2]`, "bb": `[true,false]`, "ff": `[1.5,2]`,
				"bytes": []byte{0xff, 0x00}, "map": `{"a":1}`, "nothing": "", "bad": "a\uFFFDb",
				"span.kind": "server", "otel.scope.name": "patron", "otel.scope.version": "v1",
				"error": true, "otel.status_code": "ERROR", "otel.status_description": "no stock", "w3c.tracestate": "vendor=1,other=2",
				"otel.dropped_attributes_count": int64(4), "otel.dropped_events_count": int64(5), "otel.dropped_links_count": int64(6),
			},
			Logs: []wireLog{
				{Time: micros + 1000, Fields: map[string]any{"event": "retry", "attempt": int64(2), "otel.event.dropped_attributes_count": int64(3)}},
				{Time: micros + 2000, Fields: map[string]any{"event": "own"}},
				{Time: micros, Fields: map[string]any{
					"event": "link", "trace_id": "303132333435363738393a3b3c3d3e3f", "span_id": "4041424344454647", "why": "batch",
				}},
			},
		}},
	}
	if diff := cmp.Diff(want, a.next(t)); diff != "" {
		t.Errorf("the batch (-want +got):\n%s", diff)
	}
}

func TestSpanWithNothingInItArrives(t *testing.T) {
	t.Parallel()
	p := packet{limit: DefaultMaxPacketSize}
	p.begin(nil)
	p.add(tracetest.SpanStub{StartTime: start, EndTime: start.Add(-time.Hour)}.Snapshot())

	got := mustDecode(t, p.seal())

	want := wireBatch{Service: "unknown_service", Spans: []wireSpan{{Start: start.UnixMicro()}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the batch (-want +got):\n%s", diff)
	}
}

func TestTagsOfKindAndStatus(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind   oteltrace.SpanKind
		status sdktrace.Status
		want   map[string]any
	}{
		"unspecified":         {},
		"internal":            {kind: oteltrace.SpanKindInternal},
		"client":              {kind: oteltrace.SpanKindClient, want: map[string]any{"span.kind": "client"}},
		"producer":            {kind: oteltrace.SpanKindProducer, want: map[string]any{"span.kind": "producer"}},
		"consumer":            {kind: oteltrace.SpanKindConsumer, want: map[string]any{"span.kind": "consumer"}},
		"ok":                  {status: sdktrace.Status{Code: codes.Ok}, want: map[string]any{"otel.status_code": "OK"}},
		"error without words": {status: sdktrace.Status{Code: codes.Error}, want: map[string]any{"otel.status_code": "ERROR", "error": true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := packet{limit: DefaultMaxPacketSize}
			p.begin(nil)
			p.add(tracetest.SpanStub{SpanKind: tc.kind, Status: tc.status}.Snapshot())

			got := mustDecode(t, p.seal()).Spans[0].Tags

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBytesOnTheWire holds the encoding still. The bytes were read by the Thrift library of jaeger-client-go 2.30.
func TestBytesOnTheWire(t *testing.T) {
	t.Parallel()
	p := packet{limit: DefaultMaxPacketSize}
	p.begin(resource.NewSchemaless(attribute.String("service.name", "s"), attribute.Bool("b", true)))
	stub := tracetest.SpanStub{
		Name: "op", SpanContext: spanContext(0, 0, oteltrace.FlagsSampled), StartTime: time.UnixMicro(1), EndTime: time.UnixMicro(3),
		Attributes: []attribute.KeyValue{attribute.Float64("f", 1)},
	}
	for range 15 { // one more than the short form of a list can say
		p.add(stub.Snapshot())
	}

	got := hex.EncodeToString(p.seal())

	want := "828100" + "09656d69744261746368" + // oneway emitBatch, sequence 0
		"1c" + "1c" + // batch, process
		"180173" + "191c" + "180162" + "1504" + "31" + "00" + "00" + // serviceName s, tags [b = true]
		"19fc0f" + // 15 spans
		strings.Repeat("16"+zigzagHex(0x08090a0b0c0d0e0f)+"16"+zigzagHex(0x0001020304050607)+"16"+zigzagHex(0x0001020304050607)+"1600"+
			"18026f70"+"2502"+"1602"+"1604"+ // op, sampled, start 1, duration 2
			"191c"+"180166"+"1502"+"27000000000000f03f"+"00"+"00", 15) +
		"00" + "00"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// zigzagHex writes a positive integer as a zigzag varint, the slow way.
func zigzagHex(v uint64) string {
	v *= 2
	var out []byte
	for ; v >= 0x80; v /= 0x80 {
		out = append(out, byte(v%0x80)+0x80)
	}
	return hex.EncodeToString(append(out, byte(v)))
}

func FuzzSpanSurvivesTheWire(f *testing.F) {
	f.Add("GET /", "key", "value", int64(1), 1.5, true, []byte{1}, uint8(3), uint8(2), int64(1e15))
	f.Add("", "", "", int64(math.MinInt64), math.Inf(1), false, []byte(nil), uint8(0), uint8(0), int64(-1))
	f.Add("a\xff", "event", strings.Repeat("é", 200), int64(-1), 0.0, true, []byte("\x00\xff"), uint8(20), uint8(255), int64(0))
	f.Fuzz(func(t *testing.T, name, key, text string, long int64, double float64, yes bool, raw []byte, count, kind uint8, nanos int64) {
		if math.IsNaN(double) {
			double = 0
		}
		attrs := make([]attribute.KeyValue, 0, int(count)+5)
		want := map[string]any{}
		put := func(kv attribute.KeyValue, v any) {
			attrs = append(attrs, kv)
			want[strings.ToValidUTF8(string(kv.Key), "\uFFFD")] = v
		}
		for i := range int(count) {
			put(attribute.Int(itoa(i)+"#", i), int64(i))
		}
		put(attribute.String("s"+key, text), strings.ToValidUTF8(text, "\uFFFD"))
		put(attribute.Int64("l"+key, long), long)
		put(attribute.Float64("d"+key, double), double)
		put(attribute.Bool("b"+key, yes), yes)
		put(attribute.KeyValue{Key: attribute.Key("r" + key), Value: attribute.ByteSliceValue(raw)}, append([]byte{}, raw...))
		sc := spanContext(kind, count, oteltrace.TraceFlags(kind))
		at := time.Unix(0, nanos)
		stub := tracetest.SpanStub{
			Name: name, SpanContext: sc, StartTime: at, EndTime: at.Add(time.Duration(count) * time.Microsecond), Attributes: attrs,
			Events:   []sdktrace.Event{{Name: name, Time: at, Attributes: attrs}},
			Links:    []sdktrace.Link{{SpanContext: sc, Attributes: attrs}},
			Resource: resource.NewSchemaless(attrs...),
		}

		p := packet{limit: maxPacketSize}
		p.begin(stub.Resource)
		for range 2 {
			if !p.add(stub.Snapshot()) {
				t.Skip("larger than a packet")
			}
		}
		b := mustDecode(t, p.seal())

		if len(b.Spans) != 2 {
			t.Fatalf("got %d spans, want 2", len(b.Spans))
		}
		got := b.Spans[1]
		if diff := cmp.Diff(want, got.Tags); diff != "" {
			t.Errorf("tags (-want +got):\n%s", diff)
		}
		if w := strings.ToValidUTF8(name, "\uFFFD"); got.Name != w || got.Start != at.UnixMicro() || got.Duration != int64(count) || got.Flags != int32(kind&1) {
			t.Errorf("got %+v, want name %q, start %d, duration %d, flags %d", got, w, at.UnixMicro(), count, kind&1)
		}
		if len(got.Logs) != 2 || len(got.Refs) != 1 {
			t.Errorf("got %d logs and %d references, want 2 and 1", len(got.Logs), len(got.Refs))
		}
	})
}

func TestEncodingAllocatesNothing(t *testing.T) { // not parallel: it counts allocations
	stub := full(t)
	stub.Attributes = stub.Attributes[:9] // slices, maps and bytes become text
	stub.Links = stub.Links[:1]           // IDs of links with attributes become text
	stub.SpanContext = stub.SpanContext.WithTraceState(oteltrace.TraceState{})
	span := stub.Snapshot()
	p := packet{limit: DefaultMaxPacketSize}
	p.begin(stub.Resource)
	p.add(span)

	got := testing.AllocsPerRun(100, func() {
		p.reset()
		p.add(span)
		p.seal()
	})

	if got != 0 {
		t.Errorf("got %v allocations a span, want 0", got)
	}
}

func BenchmarkEncode(b *testing.B) {
	stub := full(b)
	span := stub.Snapshot()
	p := packet{limit: DefaultMaxPacketSize}
	p.begin(stub.Resource)
	b.ReportAllocs()
	for b.Loop() {
		if !p.add(span) {
			p.seal()
			p.reset()
		}
	}
}
