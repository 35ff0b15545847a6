package provider

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

func TestParseResourceAttributes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in   string
		want [][2]string
	}{
		"nothing":              {"", nil},
		"only commas":          {" , ,", nil},
		"one":                  {"a=1", [][2]string{{"a", "1"}}},
		"several":              {"deployment.environment.name=prod, host.name = a1 ,", [][2]string{{"deployment.environment.name", "prod"}, {"host.name", "a1"}}},
		"percent-encoded":      {"k%2C=a%2Cb%3Dc%25,s=%20x+y%20", [][2]string{{"k,", "a,b=c%"}, {"s", " x+y "}}},
		"equals sign in value": {"a=b=c", [][2]string{{"a", "b=c"}}},
		"empty value":          {"a=", [][2]string{{"a", ""}}},
		"key twice":            {"a=1,a=2", [][2]string{{"a", "1"}, {"a", "2"}}},
		"not ASCII":            {"stadt=Köln", [][2]string{{"stadt", "Köln"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attrs, err := ParseResourceAttributes(tc.in)
			if err != nil {
				t.Fatalf("ParseResourceAttributes(%q): %v", tc.in, err)
			}
			var got [][2]string
			for _, a := range attrs {
				got = append(got, [2]string{string(a.Key), a.Value.AsString()})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("ParseResourceAttributes(%q) (-want +got):\n%s", tc.in, diff)
			}
		})
	}
}

func TestParseResourceAttributesSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()

	attrs, err := ParseResourceAttributes("good=1,novalue,=x,bad=%zz,%zz=1")

	if attrs != nil || err == nil {
		t.Fatalf("got %v, %v, want only an error", attrs, err)
	}
	want := strings.Join([]string{
		`resource attribute "novalue": want key=value`,
		`resource attribute "=x": key is empty`,
		`resource attribute "bad=%zz": value: invalid URL escape "%zz"`,
		`resource attribute "%zz=1": key: invalid URL escape "%zz"`,
	}, "\n")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// FuzzParseResourceAttributes writes down what it read, with every byte encoded, and reads that again.
func FuzzParseResourceAttributes(f *testing.F) {
	for _, s := range []string{"", "a=1,b=2", "a=%2C", "=", "%", "a=%zz,b", " a = b ", "a=b=c", "a=1,a=2,,", "%2c=%3D", "é=%C3%A9", "a=%ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		attrs, err := ParseResourceAttributes(s)
		if err != nil {
			if attrs != nil || len(err.Error()) > 12*len(s)+100*(1+strings.Count(s, ",")) {
				t.Errorf("ParseResourceAttributes(%q): got %v beside an error of %d bytes", s, attrs, len(err.Error()))
			}
			return
		}
		var pairs []string
		for _, a := range attrs {
			if !a.Valid() || a.Value.Type() != attribute.STRING {
				t.Errorf("ParseResourceAttributes(%q): got %v, want a key and a string", s, a)
			}
			pairs = append(pairs, encodeAll(string(a.Key))+"="+encodeAll(a.Value.AsString()))
		}
		again, err := ParseResourceAttributes(strings.Join(pairs, ","))
		if err != nil || !slices.Equal(again, attrs) {
			t.Errorf("ParseResourceAttributes(%q): got %v, written and read again %v, %v", s, attrs, again, err)
		}
	})
}

// encodeAll percent-encodes every byte.
func encodeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func TestParseSampler(t *testing.T) {
	t.Parallel()
	const parentBased = ",remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler," +
		"localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"
	for name, tc := range map[string]struct{ name, arg, want string }{
		"default":                  {"", "", "ParentBased{root:AlwaysOnSampler" + parentBased},
		"always_on":                {"always_on", "", "AlwaysOnSampler"},
		"always_off":               {" ALWAYS_OFF ", "ignored", "AlwaysOffSampler"},
		"traceidratio":             {"traceidratio", "0.25", "TraceIDRatioBased{0.25}"},
		"traceidratio, no arg":     {"traceidratio", "", "TraceIDRatioBased{1}"},
		"parentbased_always_on":    {"parentbased_always_on", "", "ParentBased{root:AlwaysOnSampler" + parentBased},
		"parentbased_always_off":   {"parentbased_always_off", "", "ParentBased{root:AlwaysOffSampler" + parentBased},
		"parentbased_traceidratio": {"ParentBased_TraceIDRatio", " 1e-3 ", "ParentBased{root:TraceIDRatioBased{0.001}" + parentBased},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSampler(tc.name, tc.arg)
			if err != nil || s.Description() != tc.want {
				t.Errorf("ParseSampler(%q, %q): got %v, %v, want %s", tc.name, tc.arg, s, err, tc.want)
			}
		})
	}
}

func TestParseSamplerRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ name, arg, want string }{
		"unknown":      {"sometimes", "", `unknown sampler "sometimes": want always_on, always_off, traceidratio, parentbased_always_on`},
		"only prefix":  {"parentbased_", "", `unknown sampler "parentbased_"`},
		"remote":       {"jaeger_remote", "", `unknown sampler "jaeger_remote"`},
		"not a number": {"traceidratio", "half", `sampler "traceidratio": argument "half": want a number from 0 to 1`},
		"above 1":      {"parentbased_traceidratio", "1.01", `argument "1.01": want a number from 0 to 1`},
		"below 0":      {"traceidratio", "-1", `argument "-1"`},
		"NaN":          {"traceidratio", "NaN", `argument "NaN"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSampler(tc.name, tc.arg)
			if s != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("ParseSampler(%q, %q): got %v, %v, want an error with %q", tc.name, tc.arg, s, err, tc.want)
			}
		})
	}
}

func TestParentBasedSamplersContinueTraces(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"parentbased_always_off", "parentbased_traceidratio"} {
		s, err := ParseSampler(name, "0")
		if err != nil {
			t.Fatal(err)
		}
		parent := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{1}, TraceFlags: 1, Remote: true})
		for want, ctx := range map[sdktrace.SamplingDecision]context.Context{
			sdktrace.Drop:            t.Context(),
			sdktrace.RecordAndSample: oteltrace.ContextWithSpanContext(t.Context(), parent),
		} {
			if got := s.ShouldSample(sdktrace.SamplingParameters{ParentContext: ctx, TraceID: oteltrace.TraceID{1}}).Decision; got != want {
				t.Errorf("%s: got %d, want %d", name, got, want)
			}
		}
	}
}

// FuzzParseSampler holds the names against a list of them, and the share of a ratio against the numbers that are one.
func FuzzParseSampler(f *testing.F) {
	f.Add("always_on", "")
	f.Add("AlwaysOn", "")
	f.Add("traceidratio", "0.5")
	f.Add("traceidratio", "NaN")
	f.Add(" TraceIDRatio\t", " 0x1p-2 ")
	f.Add("parentbased_traceidratio", "1e400")
	f.Add("parentbased_parentbased_always_on", "x")
	names := []string{
		"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}
	f.Fuzz(func(t *testing.T, name, arg string) {
		s, err := ParseSampler(name, arg)
		if (s == nil) == (err == nil) {
			t.Fatalf("ParseSampler(%q, %q): got %v and %v", name, arg, s, err)
		}
		clean := strings.ToLower(strings.TrimSpace(name))
		want := slices.Contains(names, clean)
		if strings.HasSuffix(clean, "traceidratio") && strings.TrimSpace(arg) != "" {
			ratio, parseErr := strconv.ParseFloat(strings.TrimSpace(arg), 64)
			want = want && parseErr == nil && 0 <= ratio && ratio <= 1
		}
		if (err == nil) != want {
			t.Fatalf("ParseSampler(%q, %q): got %v, want an error: %t", name, arg, err, !want)
		}
		if err != nil {
			return
		}
		// What is based on the parent follows it, whatever the root of it does.
		ctx := oteltrace.ContextWithRemoteSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
			TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{1}, TraceFlags: oteltrace.FlagsSampled, Remote: true,
		}))
		got := s.ShouldSample(sdktrace.SamplingParameters{ParentContext: ctx, TraceID: oteltrace.TraceID{1}}).Decision
		if follows := clean == "" || strings.HasPrefix(clean, "parentbased_"); follows && got != sdktrace.RecordAndSample {
			t.Errorf("ParseSampler(%q, %q): got %v below a sampled parent", name, arg, got)
		}
	})
}

func FuzzParsePropagators(f *testing.F) {
	for _, s := range []string{
		"", "tracecontext,baggage", "B3, jaeger", "none", "none,b3", "b3,b3", "b3multi,xray", ",", "tracecontext,baggage,b3,b3multi,jaeger",
	} {
		f.Add(s)
	}
	known := []string{"tracecontext", "baggage", "b3", "b3multi", "jaeger", "none"}
	f.Fuzz(func(t *testing.T, list string) {
		names := strings.Split(list, ",")
		p, err := ParsePropagators(names)
		if (p == nil) == (err == nil) {
			t.Fatalf("ParsePropagators(%q): got %v and %v", names, p, err)
		}
		seen := make(map[string]bool)
		want := true
		for _, name := range names {
			name = strings.ToLower(strings.TrimSpace(name))
			want = want && slices.Contains(known, name) && !seen[name] && (name != "none" || len(names) == 1)
			seen[name] = true
		}
		if (err == nil) != want {
			t.Fatalf("ParsePropagators(%q): got %v, want an error: %t", names, err, !want)
		}
		if err != nil {
			return
		}
		out := propagation.MapCarrier{}
		p.Inject(local(withBaggage(t.Context(), t, "k=v"), t), out)
		for key := range out {
			if !slices.Contains(p.Fields(), key) {
				t.Errorf("ParsePropagators(%q): it writes %s, which is not in Fields", names, key)
			}
		}
		if (len(out) == 0) != seen["none"] {
			t.Errorf("ParsePropagators(%q): got %v", names, out)
		}
	})
}
