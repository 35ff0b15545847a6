package trace_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

func correlationID(ctx context.Context) string { return correlation.IDFromContext(ctx) }

const (
	remoteTrace = "0af7651916cd43dd8448eb211c80319c"
	remoteSpan  = "b7ad6b7169203331"
)

var (
	serverOp = trace.NewOp(trace.HTTPServer, "GET /x", trace.HTTPMethod("GET"), trace.HTTPRoute("/x"))
	clientOp = trace.NewOp(trace.HTTPClient, "GET", trace.HTTPMethod("GET"), trace.ServerAddress("stock"))
)

func TestWhatComesInIsJoined(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	in := trace.HeaderCarrier{
		"Traceparent": {"00-" + remoteTrace + "-" + remoteSpan + "-01"}, "Tracestate": {"vendor=1"},
		"Baggage": {"tenant=shop"}, correlation.HeaderID: {"order-1"},
	}

	ctx, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: serverOp, In: in})
	span.End(nil)

	got := rec.Spans()[0]
	if got.TraceID != remoteTrace || got.ParentID != remoteSpan || !got.ParentRemote {
		t.Errorf("span: got trace %s, parent %s (remote %t)", got.TraceID, got.ParentID, got.ParentRemote)
	}
	if got.Attributes["patron.correlation_id"] != "order-1" || correlationID(ctx) != "order-1" {
		t.Errorf("correlation ID: got %v in the span, %q in the context", got.Attributes["patron.correlation_id"], correlationID(ctx))
	}
	if got := baggage.FromContext(ctx).Member("tenant").Value(); got != "shop" {
		t.Errorf("baggage: got %q, want shop", got)
	}
	if got := oteltrace.SpanContextFromContext(ctx); !got.Equal(span.SpanContext()) || got.TraceState().Get("vendor") != "1" {
		t.Errorf("context: got %v, want %v", got, span.SpanContext())
	}
}

func TestWhatGoesOutCarriesTheUnit(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	member, err := baggage.NewMember("tenant", "shop")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	ctx := baggage.ContextWithBaggage(correlation.ContextWithID(rec.Context(t.Context()), "order-1"), bag)
	out := trace.HeaderCarrier{"Accept": {"*/*"}, "Traceparent": {"an old one"}}

	_, span := trace.Begin(ctx, trace.Unit{Op: clientOp, Out: out})
	defer span.End(nil)

	sc := span.SpanContext()
	want := trace.HeaderCarrier{
		"Accept": {"*/*"}, "Baggage": {"tenant=shop"}, correlation.HeaderID: {"order-1"},
		"Traceparent": {"00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestAUnitThatPassesThroughKeepsTraceAndCorrelation(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	in, out := trace.HeaderCarrier{correlation.HeaderID: {"order-1"}}, trace.HeaderCarrier{}

	ctx, server := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: serverOp, In: in})
	ctx, step := trace.Start(ctx, "price", attribute.Int("lines", 3))
	_, client := trace.Begin(ctx, trace.Unit{Op: clientOp, Out: out})
	client.End(nil)
	step.End(nil)
	server.End(nil)

	spans := rec.Spans()
	if !spans[0].ChildOf(spans[1]) || !spans[1].ChildOf(spans[2]) || spans[2].ParentID != "" {
		t.Errorf("family: got %+v", spans)
	}
	if got := out.Get(correlation.HeaderID); got != "order-1" {
		t.Errorf("correlation ID that goes out: got %q, want order-1", got)
	}
	if got := spans[1].Attributes["lines"]; got != int64(3) {
		t.Errorf("attribute of the step: got %v, want 3", got)
	}
}

func TestACorrelationIDIsMadeOnce(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]trace.Carrier{"server": trace.HeaderCarrier{}, "client": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, outer := trace.Begin(tracetest.New().Context(t.Context()), trace.Unit{Op: serverOp, In: in})
			defer outer.End(nil)
			out := trace.HeaderCarrier{}
			inner, span := trace.Begin(ctx, trace.Unit{Op: clientOp, Out: out})
			defer span.End(nil)

			id := correlationID(ctx)
			if !correlation.Valid(id) || correlationID(inner) != id || out.Get(correlation.HeaderID) != id {
				t.Errorf("got %q, then %q, out %q", id, correlationID(inner), out.Get(correlation.HeaderID))
			}
		})
	}
}

func TestACorrelationIDThatIsNotValidIsReplaced(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"10 kB":       strings.Repeat("x", 10_000),
		"129":         strings.Repeat("x", 129),
		"line break":  "order\r\nSet-Cookie: a=b",
		"line feed":   "order\n",
		"escape":      "\x1b[31mred",
		"not UTF-8":   "\xff",
		"only spaces": "   ",
		"empty":       "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := tracetest.New()
			ctx, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: serverOp, In: trace.HeaderCarrier{correlation.HeaderID: {id}}})
			span.End(nil)

			got := correlationID(ctx)
			if !correlation.Valid(got) || got == id || rec.Spans()[0].Attributes["patron.correlation_id"] != got {
				t.Errorf("got %q in the context, %v in the span", got, rec.Spans()[0].Attributes["patron.correlation_id"])
			}
		})
	}
}

func TestAnIDOfTheContextComesBeforeANewOne(t *testing.T) {
	t.Parallel()
	ctx := correlation.ContextWithID(tracetest.New().Context(t.Context()), "batch-7")
	ctx, span := trace.Begin(ctx, trace.Unit{Op: serverOp, In: trace.HeaderCarrier{correlation.HeaderID: {"not valid"}}})
	defer span.End(nil)
	if got := correlationID(ctx); got != "batch-7" {
		t.Errorf("got %q, want batch-7", got)
	}
}

func TestTheParentDecidesWhetherASpanIsSampled(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]int{"00": 0, "01": 1} {
		rec := tracetest.New()
		in := trace.HeaderCarrier{"Traceparent": {"00-" + remoteTrace + "-" + remoteSpan + "-" + flags}}
		out := trace.HeaderCarrier{}

		ctx, server := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: serverOp, In: in})
		recording := server.IsRecording()
		_, client := trace.Begin(ctx, trace.Unit{Op: clientOp, Out: out})
		client.End(nil)
		server.End(nil)

		if got := len(rec.Named("GET /x")); got != want || recording != (want == 1) {
			t.Errorf("flags %s: got %d spans, recording %t", flags, got, recording)
		}
		if got := out.Get("traceparent"); !strings.HasPrefix(got, "00-"+remoteTrace) || !strings.HasSuffix(got, "-"+flags) {
			t.Errorf("flags %s: got %q out", flags, got)
		}
		if got := rec.Metric("http_server_request_duration_seconds"); got != 1 {
			t.Errorf("flags %s: got %v counted, want 1 whatever is sampled", flags, got)
		}
	}
}

func TestATraceThatIsNotValidIsNotJoined(t *testing.T) {
	t.Parallel()
	good := "00-" + remoteTrace + "-" + remoteSpan + "-01"
	for name, values := range map[string][]string{
		"empty":         {""},
		"words":         {"no trace at all"},
		"zero trace":    {"00-" + strings.Repeat("0", 32) + "-" + remoteSpan + "-01"},
		"zero span":     {"00-" + remoteTrace + "-" + strings.Repeat("0", 16) + "-01"},
		"version ff":    {"ff" + good[2:]},
		"upper case":    {strings.ToUpper(good)},
		"too long":      {good + "-00"},
		"10 kB":         {strings.Repeat(good, 200)},
		"two of them":   {good, "00-" + remoteTrace + "-00f067aa0ba902b7-01"},
		"twice the one": {good, good},
	} {
		rec := tracetest.New()
		_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: serverOp, In: trace.HeaderCarrier{"Traceparent": values}})
		span.End(nil)
		if got := rec.Spans()[0]; got.TraceID == remoteTrace || got.ParentID != "" {
			t.Errorf("%s: got trace %s, parent %s", name, got.TraceID, got.ParentID)
		}
	}
}

func TestABaggageThatIsTooLargeIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"one line":      {"a=" + strings.Repeat("x", 9000)},
		"several lines": {"a=" + strings.Repeat("x", 5000), "b=" + strings.Repeat("x", 5000)},
	} {
		ctx, span := trace.Begin(tracetest.New().Context(t.Context()), trace.Unit{Op: serverOp, In: trace.HeaderCarrier{"Baggage": values}})
		span.End(nil)
		if got := baggage.FromContext(ctx).Len(); got != 0 {
			t.Errorf("%s: got %d members, want none", name, got)
		}
	}
}

func TestAnOpWithoutSpanCountsAndPassesTheTraceOn(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	op := trace.NewOp(trace.HTTPServer, "GET /metrics", trace.HTTPMethod("GET"), trace.HTTPRoute("/metrics")).WithoutSpan()
	in := trace.HeaderCarrier{"Traceparent": {"00-" + remoteTrace + "-" + remoteSpan + "-01"}, correlation.HeaderID: {"scrape"}}

	ctx, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: op, In: in})
	recording, sc := span.IsRecording(), span.SpanContext()
	span.SetAttributes(attribute.Bool("seen", true))
	span.AddEvent("nothing")
	span.AddLink(ctx, in)
	_, inner := trace.Start(ctx, "inside")
	inner.End(nil)
	span.SetStatus(500)
	span.End(errClosed)

	spans := rec.Spans()
	if len(spans) != 1 || spans[0].ParentID != remoteSpan || recording {
		t.Errorf("spans: got %+v, want the inner one alone", spans)
	}
	if sc.SpanID().String() != remoteSpan || correlationID(ctx) != "scrape" {
		t.Errorf("got %s, %q", sc.SpanID(), correlationID(ctx))
	}
	if got := rec.Metric("http_server_request_duration_seconds", "http_route", "/metrics", "error_type", "500"); got != 1 {
		t.Errorf("counted: got %v, want 1", got)
	}
	if op.Name() != "GET /metrics" {
		t.Errorf("Name: got %q", op.Name())
	}
}

func TestLinksAndStartAreThoseOfTheUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := tracetest.New()
		start := time.Now()
		time.Sleep(3 * time.Second)
		link := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: [16]byte{1}, SpanID: [8]byte{2}})

		ctx, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: clientOp, Start: start, Links: []oteltrace.Link{{SpanContext: link}}})
		span.AddLink(ctx, trace.HeaderCarrier{"Traceparent": {traceParent}})
		span.AddLink(ctx, trace.HeaderCarrier{}) // no trace, no link
		span.End(nil)

		got := rec.Spans()[0]
		if !got.Start.Equal(start) || got.End.Sub(got.Start) != 3*time.Second {
			t.Errorf("times: got %v to %v, want from %v, 3s", got.Start, got.End, start)
		}
		if len(got.Links) != 2 || got.Links[0].TraceID != link.TraceID().String() || got.Links[1].SpanID != remoteSpan {
			t.Errorf("links: got %+v", got.Links)
		}
	})
}

func TestInjectFillsFurtherCarriers(t *testing.T) {
	t.Parallel()
	ctx, span := trace.Begin(tracetest.New().Context(t.Context()), trace.Unit{Op: clientOp, Out: trace.HeaderCarrier{}})
	defer span.End(nil)
	first, second := trace.HeaderCarrier{}, trace.HeaderCarrier{}
	span.Inject(ctx, first)
	span.Inject(ctx, second)
	if diff := cmp.Diff(first, second); diff != "" || first.Get("traceparent") == "" || first.Get(correlation.HeaderID) != correlationID(ctx) {
		t.Errorf("got %v and %v", first, second)
	}
}

// shipment is a Describer that counts how often it is asked.
type shipment struct{ asked int }

func (s *shipment) AppendAttributes(attrs []attribute.KeyValue) []attribute.KeyValue {
	s.asked++
	return append(attrs, attribute.String("carrier", "dhl"), attribute.Int("parcels", s.asked))
}

func TestADescriberIsAskedOnceAndOnlyForASpanThatIsRecorded(t *testing.T) {
	t.Parallel()
	for kind, op := range map[string]*trace.Op{
		"server":   trace.NewOp(trace.HTTPServer, "GET /x", trace.HTTPMethod("GET"), trace.HTTPRoute("/x")),
		"consumer": trace.NewOp(trace.Consumer, "process orders", trace.MessagingSystem("memory")),
		"bare":     trace.NewOp(trace.HTTPClient, "GET"),
	} {
		rec, described := tracetest.New(), new(shipment)
		_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: op, Describer: described})
		span.SetAttributes(attribute.String("carrier", "ups"))
		span.End(nil)

		attrs := rec.Spans()[0].Attributes
		if described.asked != 1 || attrs["carrier"] != "ups" || attrs["parcels"] != int64(1) || attrs["patron.correlation_id"] == nil {
			t.Errorf("%s: asked %d times, got %v, want carrier ups, parcels 1 and the correlation ID", kind, described.asked, attrs)
		}

		quiet := new(shipment)
		none := trace.NewTelemetry(noop.NewTracerProvider(), nil, metric.NewRegistry())
		_, span = trace.Begin(trace.WithTelemetry(t.Context(), none), trace.Unit{Op: op, Describer: quiet})
		span.End(nil)
		if quiet.asked != 0 {
			t.Errorf("%s, not recorded: asked %d times, want 0", kind, quiet.asked)
		}
	}
}
