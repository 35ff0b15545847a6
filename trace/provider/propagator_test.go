package provider

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/contrib/propagators/b3"
	jaegerheader "go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

const (
	hexTrace = "0af7651916cd43dd8448eb211c80319c"
	hexSpan  = "b7ad6b7169203331"
)

func parsed(tb testing.TB, names ...string) propagation.TextMapPropagator {
	tb.Helper()
	p, err := ParsePropagators(names)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func local(ctx context.Context, tb testing.TB) context.Context {
	tb.Helper()
	traceID, err := oteltrace.TraceIDFromHex(hexTrace)
	if err != nil {
		tb.Fatal(err)
	}
	spanID, err := oteltrace.SpanIDFromHex(hexSpan)
	if err != nil {
		tb.Fatal(err)
	}
	return oteltrace.ContextWithSpanContext(ctx, oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: 1}))
}

func withBaggage(ctx context.Context, tb testing.TB, header string) context.Context {
	tb.Helper()
	b, err := baggage.Parse(header)
	if err != nil {
		tb.Fatal(err)
	}
	return baggage.ContextWithBaggage(ctx, b)
}

func TestParsePropagatorsRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		names []string
		want  []string
	}{
		"unknown":          {[]string{"xray"}, []string{`unknown propagator "xray": want tracecontext, baggage, b3, b3multi, jaeger or none`}},
		"empty":            {[]string{""}, []string{`unknown propagator ""`}},
		"twice":            {[]string{"b3", "B3"}, []string{`propagator "B3" is named twice`}},
		"none with others": {[]string{"none", "b3"}, []string{`propagator "none" excludes others`}},
		"all at once":      {[]string{"x", "b3", "b3", "y"}, []string{`"x"`, `"b3" is named twice`, `"y"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := ParsePropagators(tc.names)
			if p != nil || err == nil {
				t.Fatalf("ParsePropagators(%q): got %v, %v, want an error", tc.names, p, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestInjectWritesTheFormatsThatAreNamed(t *testing.T) {
	t.Parallel()
	const traceparent = "00-" + hexTrace + "-" + hexSpan + "-01"
	for name, tc := range map[string]struct {
		names []string
		want  propagation.MapCarrier
	}{
		"default":      {nil, propagation.MapCarrier{"traceparent": traceparent, "baggage": "k=v"}},
		"tracecontext": {[]string{"TraceContext"}, propagation.MapCarrier{"traceparent": traceparent}},
		"baggage":      {[]string{" baggage "}, propagation.MapCarrier{"baggage": "k=v"}},
		"b3":           {[]string{"b3"}, propagation.MapCarrier{"b3": hexTrace + "-" + hexSpan + "-1"}},
		"b3multi": {[]string{"b3multi"}, propagation.MapCarrier{
			"x-b3-traceid": hexTrace, "x-b3-spanid": hexSpan, "x-b3-sampled": "1",
		}},
		"jaeger": {[]string{"jaeger"}, propagation.MapCarrier{"uber-trace-id": hexTrace + ":" + hexSpan + ":0:1"}},
		"none":   {[]string{"none"}, propagation.MapCarrier{}},
		"two": {[]string{"jaeger", "tracecontext"}, propagation.MapCarrier{
			"uber-trace-id": hexTrace + ":" + hexSpan + ":0:1", "traceparent": traceparent,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parsed(t, tc.names...)
			carrier := propagation.MapCarrier{}

			p.Inject(local(withBaggage(t.Context(), t, "k=v"), t), carrier)

			if diff := cmp.Diff(tc.want, carrier); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			fields := p.Fields()
			for key := range carrier {
				if !slices.Contains(fields, key) {
					t.Errorf("Fields: got %v, want %q in it", fields, key)
				}
			}

			back := oteltrace.SpanContextFromContext(p.Extract(context.Background(), carrier))
			got := fmt.Sprintf("%s-%s sampled %t remote %t", back.TraceID(), back.SpanID(), back.IsSampled(), back.IsRemote())
			if len(carrier) > 0 && name != "baggage" && got != hexTrace+"-"+hexSpan+" sampled true remote true" {
				t.Errorf("Extract: got %s, want the same trace, sampled and remote", got)
			}
		})
	}
}

func TestInjectWithoutASpanSaysNothingAboutTraces(t *testing.T) {
	t.Parallel()
	carrier := propagation.MapCarrier{}

	parsed(t, "tracecontext", "baggage", "b3", "b3multi", "jaeger").Inject(t.Context(), carrier)

	if len(carrier) != 0 {
		t.Errorf("got %v, want nothing", carrier)
	}
}

func TestFirstFormatWithAValidTraceWins(t *testing.T) {
	t.Parallel()
	const (
		w3c    = "00-11111111111111111111111111111111-1111111111111111-01"
		single = "22222222222222222222222222222222-2222222222222222-0"
		uber   = "33333333333333333333333333333333:3333333333333333:0:1"
	)
	for name, tc := range map[string]struct {
		names   []string
		carrier propagation.MapCarrier
		want    string // the first digit of the trace
	}{
		"w3c first":           {[]string{"tracecontext", "b3", "jaeger"}, propagation.MapCarrier{"traceparent": w3c, "b3": single, "uber-trace-id": uber}, "1"},
		"b3 first":            {[]string{"b3", "tracecontext", "jaeger"}, propagation.MapCarrier{"traceparent": w3c, "b3": single, "uber-trace-id": uber}, "2"},
		"jaeger first":        {[]string{"jaeger", "b3", "tracecontext"}, propagation.MapCarrier{"traceparent": w3c, "b3": single, "uber-trace-id": uber}, "3"},
		"first is absent":     {[]string{"tracecontext", "b3"}, propagation.MapCarrier{"b3": single}, "2"},
		"first is invalid":    {[]string{"tracecontext", "jaeger"}, propagation.MapCarrier{"traceparent": "00-0-0-01", "uber-trace-id": uber}, "3"},
		"b3 is invalid":       {[]string{"b3", "jaeger"}, propagation.MapCarrier{"b3": "x", "uber-trace-id": uber}, "3"},
		"jaeger has no flags": {[]string{"jaeger", "b3"}, propagation.MapCarrier{"b3": single, "uber-trace-id": "1:1::"}, "2"},
		"jaeger has flags -1": {[]string{"jaeger", "b3"}, propagation.MapCarrier{"b3": single, "uber-trace-id": "1:1:0:-1"}, "2"},
		"jaeger is invalid":   {[]string{"jaeger", "b3"}, propagation.MapCarrier{"b3": single, "uber-trace-id": "1:2:3"}, "2"},
		"b3 is not named":     {[]string{"tracecontext"}, propagation.MapCarrier{"b3": single}, ""},
		"none":                {[]string{"none"}, propagation.MapCarrier{"traceparent": w3c, "b3": single, "uber-trace-id": uber}, ""},
		"b3 without a hyphen": {[]string{"b3", "jaeger"}, propagation.MapCarrier{
			"b3": "2222222222222222-2222222222222222x1", "uber-trace-id": uber,
		}, "3"},
		"b3multi beside a broken b3": {[]string{"b3"}, propagation.MapCarrier{
			"b3": "x", "x-b3-traceid": "22222222222222222222222222222222", "x-b3-spanid": "2222222222222222",
		}, "2"},
		"b3 reads b3multi": {[]string{"b3"}, propagation.MapCarrier{
			"x-b3-traceid": "22222222222222222222222222222222", "x-b3-spanid": "2222222222222222", "x-b3-sampled": "1",
		}, "2"},
		"b3multi reads b3": {[]string{"b3multi"}, propagation.MapCarrier{"b3": single}, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := oteltrace.SpanContextFromContext(parsed(t, tc.names...).Extract(t.Context(), tc.carrier))
			if tc.want == "" {
				if got.IsValid() {
					t.Errorf("got %v, want no trace", got)
				}
				return
			}
			if got.TraceID().String() != strings.Repeat(tc.want, 32) {
				t.Errorf("got trace %s, want that of %ss", got.TraceID(), tc.want)
			}
		})
	}
}

func members(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("k%d=v", i))
	}
	return strings.Join(out, ",")
}

func TestBaggageIsCapped(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lines []string
		want  int // members
	}{
		"none":                    {nil, 0},
		"empty":                   {[]string{""}, 0},
		"one":                     {[]string{"a=1"}, 1},
		"with properties":         {[]string{"a=1;p=2;q, b=%20"}, 2},
		"one of two is invalid":   {[]string{"a=1,=2"}, 1},
		"invalid":                 {[]string{";;;"}, 0},
		"64 members":              {[]string{members(64)}, 64},
		"65 members":              {[]string{members(65)}, 0},
		"65 members in two lines": {[]string{members(60), "a=1,b=1,c=1,d=1,e=1"}, 0},
		"two lines":               {[]string{"a=1", "b=2"}, 2},
		"8192 bytes":              {[]string{"a=" + strings.Repeat("x", 8190)}, 1},
		"8193 bytes":              {[]string{"a=" + strings.Repeat("x", 8191)}, 0},
		"8192 bytes in two lines": {[]string{"a=" + strings.Repeat("x", 4093), "b=" + strings.Repeat("x", 4094)}, 2},
		"8193 bytes in two lines": {[]string{"a=" + strings.Repeat("x", 4094), "b=" + strings.Repeat("x", 4094)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parsed(t)
			carriers := map[string]propagation.TextMapCarrier{"header": propagation.HeaderCarrier(http.Header{"Baggage": tc.lines})}
			if len(tc.lines) < 2 {
				carriers["map"] = propagation.MapCarrier{"baggage": strings.Join(tc.lines, "")}
			}
			for kind, carrier := range carriers {
				if got := baggage.FromContext(p.Extract(t.Context(), carrier)).Len(); got != tc.want {
					t.Errorf("%s: got %d members, want %d", kind, got, tc.want)
				}
			}
		})
	}
}

func TestBaggageOverTheLimitsDoesNotLeave(t *testing.T) {
	t.Parallel()
	b, err := baggage.Parse(members(64))
	if err != nil {
		t.Fatal(err)
	}
	m, err := baggage.NewMember("one-more", "v")
	if err != nil {
		t.Fatal(err)
	}
	over, err := b.SetMember(m)
	if err != nil {
		t.Fatalf("the API does not let us make what this test is about: %v", err)
	}
	carrier := propagation.MapCarrier{}

	parsed(t, "baggage").Inject(baggage.ContextWithBaggage(t.Context(), over), carrier)

	if len(carrier) != 0 && over.Len() > 64 {
		t.Errorf("got %d bytes of baggage with %d members, want none", len(carrier["baggage"]), over.Len())
	}
}

// oneHeader is a carrier that costs nothing itself.
type oneHeader struct{ key, value string }

func (c *oneHeader) Get(key string) string {
	if key == c.key {
		return c.value
	}
	return ""
}
func (c *oneHeader) Set(string, string) {}
func (c *oneHeader) Keys() []string     { return []string{c.key} }

func TestHostileAndAbsentHeadersCostNoMemory(t *testing.T) { // not parallel: it counts allocations
	all := parsed(t, "tracecontext", "b3", "jaeger", "baggage")
	huge := strings.Repeat("a=1,", 1<<18)
	for name, carrier := range map[string]*oneHeader{
		"absent":            {},
		"1 MB of baggage":   {"baggage", huge},
		"1 MB of jaeger":    {"uber-trace-id", strings.Repeat("1:", 1<<19)},
		"1 MB of b3":        {"b3", strings.Repeat("1-", 1<<19)},
		"1 MB of w3c":       {"traceparent", huge},
		"8 KB, 65 members":  {"baggage", members(65)},
		"8 KB, only commas": {"baggage", strings.Repeat(",", 8192)},
	} {
		ctx := context.Background()
		if got := testing.AllocsPerRun(100, func() { all.Extract(ctx, carrier) }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

// theirs are the propagators of OpenTelemetry, one a name, and the forms that their headers must have.
type theirs struct {
	propagator propagation.TextMapPropagator
	headers    []string
	limit      int // of the first header in bytes; 0: none
	grammar    *regexp.Regexp
	strict     bool // theirs takes what the grammar does not have
}

func references() map[string]theirs {
	return map[string]theirs{
		"tracecontext": {
			propagator: propagation.TraceContext{}, headers: []string{"traceparent", "tracestate"},
			grammar: regexp.MustCompile(`(?s)\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?\z`),
		},
		"b3": {
			propagator: b3.New(), headers: []string{"b3"}, limit: maxB3,
			grammar: regexp.MustCompile(`\A([0-9a-f]{16}|[0-9a-f]{32})-[0-9a-f]{16}(-[01d](-[0-9a-f]{16})?)?\z`), strict: true,
		},
		"b3multi": {
			propagator: b3.New(), headers: []string{"x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"},
			grammar: regexp.MustCompile(`\A([0-9a-f]{16}|[0-9a-f]{32})\z`),
		},
		"jaeger": {
			propagator: jaegerheader.Jaeger{}, headers: []string{"uber-trace-id"}, limit: maxJaeger,
			grammar: regexp.MustCompile(`\A[0-9a-fA-F]{1,32}:[0-9a-fA-F]{1,16}:[0-9a-fA-F]{0,16}:[0-9a-fA-F]{1,3}\z`), strict: true,
		},
	}
}

// FuzzExtract compares each format with the propagator of OpenTelemetry, and all of them together with their order.
func FuzzExtract(f *testing.F) {
	f.Add("00-"+hexTrace+"-"+hexSpan+"-01", "a=1", hexTrace+"-"+hexSpan+"-1", hexTrace+":"+hexSpan+":0:1")
	f.Add("00-"+hexTrace+"-"+hexSpan+"-01-x", "a=1,b=2,,", hexTrace+"-"+hexSpan+"-d-"+hexSpan, hexTrace[16:]+":"+hexSpan+":0:3")
	f.Add("01-"+hexTrace+"-"+hexSpan+"-ff-more", "t@v=1", hexTrace[16:]+"-"+hexSpan, "00000000000000000:1:0:1")
	f.Add("ff-", ",,,", "0", ":::")
	f.Add("00-"+strings.Repeat("0", 32)+"-"+hexSpan+"-01", "", strings.Repeat("0", 33), strings.Repeat(":", 70))
	f.Add("00-"+strings.ToUpper(hexTrace)+"-"+hexSpan+"-00", "\xff=\xff", hexTrace+"-"+hexSpan+"-", "1:1:1:1")
	f.Add(hexTrace, hexSpan, "1", "1")
	all := references()
	f.Fuzz(func(t *testing.T, first, second, third, fourth string) {
		values := []string{first, second, third, fourth}
		for name, ref := range all {
			for i := range values { // every value comes to every format
				in := propagation.MapCarrier{}
				for j, key := range ref.headers {
					in[key] = values[(i+j)%len(values)]
				}
				compare(t, name, ref, in)
			}
		}
		inOrder(t, propagation.MapCarrier{
			"traceparent": first, "tracestate": second, "b3": third, "uber-trace-id": fourth, "x-b3-traceid": first, "x-b3-spanid": second,
		})
	})
}

// compare checks that ours finds in a carrier what theirs finds, and writes what it reads again.
func compare(t *testing.T, name string, ref theirs, in propagation.MapCarrier) {
	t.Helper()
	p := parsed(t, name)
	first := in[ref.headers[0]]
	got := oteltrace.SpanContextFromContext(p.Extract(context.Background(), in))
	var want oteltrace.SpanContext
	if (ref.limit == 0 || len(first) <= ref.limit) && (!ref.strict || ref.grammar.MatchString(first)) {
		want = oteltrace.SpanContextFromContext(ref.propagator.Extract(context.Background(), in))
	}
	if want.IsValid() != got.IsValid() || want.IsValid() && !got.Equal(want) {
		t.Fatalf("%s: Extract of %q: got %v, want %v", name, in, got, want)
	}
	if !got.IsValid() {
		return
	}
	if !ref.grammar.MatchString(first) || !got.IsRemote() {
		t.Errorf("%s: Extract of %q: got %v, remote %t", name, in, got, got.IsRemote())
	}
	out := propagation.MapCarrier{}
	p.Inject(oteltrace.ContextWithRemoteSpanContext(context.Background(), got), out)
	again := oteltrace.SpanContextFromContext(p.Extract(context.Background(), out))
	if again.TraceID() != got.TraceID() || again.SpanID() != got.SpanID() || again.IsSampled() != got.IsSampled() ||
		name == "tracecontext" && again.TraceState().String() != got.TraceState().String() {
		t.Errorf("%s: got %v, after a round trip through %q %v", name, got, out, again)
	}
}

// inOrder checks that of several formats the first one that finds a trace alone is what all find together.
func inOrder(t *testing.T, in propagation.MapCarrier) {
	t.Helper()
	for _, names := range [][]string{{"b3", "jaeger", "tracecontext"}, {"tracecontext", "b3multi", "jaeger"}} {
		var want oteltrace.SpanContext
		for _, name := range names {
			if want = oteltrace.SpanContextFromContext(parsed(t, name).Extract(context.Background(), in)); want.IsValid() {
				break
			}
		}
		got := oteltrace.SpanContextFromContext(parsed(t, names...).Extract(context.Background(), in))
		if got.IsValid() != want.IsValid() || want.IsValid() && !got.Equal(want) {
			t.Errorf("%v: Extract of %q: got %v, want %v", names, in, got, want)
		}
	}
}

// FuzzBaggage compares with the propagator of OpenTelemetry, within the limits; a line feed stands between the lines of a header.
func FuzzBaggage(f *testing.F) {
	for _, s := range []string{
		"", "a=1", "k=v,w=%20;p", "a=1;p=2;q, b=%20\nc=3", "=", ",,,", "a=1,=2", "\xff=\xff", "a=%ff", "a=%zz", "a=\u00e9", "a=1,a=2", members(64), members(65),
		members(60) + "\na=1,b=1,c=1,d=1,e=1", "a=" + strings.Repeat("x", 8190), "a=" + strings.Repeat("x", 8191),
	} {
		f.Add(s)
	}
	p := parsed(f, "baggage")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		joined := strings.Join(lines, ",")
		var want baggage.Baggage
		if len(joined) <= maxBaggageBytes && strings.Count(joined, ",") < maxBaggageMembers {
			want, _ = baggage.Parse(joined)
		}
		carriers := []propagation.TextMapCarrier{propagation.HeaderCarrier{"Baggage": lines}, propagation.MapCarrier{"baggage": joined}}
		for _, carrier := range carriers {
			got := baggage.FromContext(p.Extract(context.Background(), carrier))
			if !reflect.DeepEqual(membersOf(got), membersOf(want)) {
				t.Fatalf("Extract of %q: got %v, want %v", lines, got, want)
			}
		}
		out := propagation.MapCarrier{}
		p.Inject(baggage.ContextWithBaggage(context.Background(), want), out)
		written, ok := out["baggage"]
		if len(written) > maxBaggageBytes || strings.ContainsAny(written, "\r\n\x00") {
			t.Fatalf("Inject of %q: got %q", text, written)
		}
		if ok {
			if got := baggage.FromContext(p.Extract(context.Background(), out)); !reflect.DeepEqual(membersOf(got), membersOf(want)) {
				t.Errorf("Inject of %q: got %q, which reads as %v, want %v", text, written, got, want)
			}
		}
	})
}

// membersOf are the members by their keys, as text.
func membersOf(b baggage.Baggage) map[string]string {
	all := make(map[string]string)
	for _, m := range b.Members() {
		all[m.Key()] = m.Value()
	}
	return all
}
