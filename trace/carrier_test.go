package trace_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/trace"
	"github.com/google/go-cmp/cmp"
)

var headerNames = []string{
	"traceparent", "tracestate", "baggage", correlation.HeaderID, "uber-trace-id", "b3",
	"x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags",
}

func TestHeaderNamesAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	for _, key := range append([]string{"", "x-amzn-trace-id", "Accept", "aCCEPT", "not a token", "TRACEPARENT", "é"}, headerNames...) {
		if got, want := trace.HeaderName(key), http.CanonicalHeaderKey(key); got != want {
			t.Errorf("HeaderName(%q): got %q, want %q", key, got, want)
		}
	}
}

func TestTheHeadersOfPropagatorsAreReadWithoutAllocations(t *testing.T) {
	h := trace.HeaderCarrier{"Traceparent": {traceParent}}
	for _, key := range headerNames {
		if got := testing.AllocsPerRun(100, func() { h.Get(key); h.Values(key) }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", key, got)
		}
	}
}

func TestAHeaderCarrierIsTheHeader(t *testing.T) {
	t.Parallel()
	header := http.Header{"Accept": {"a", "b"}, "Tracestate": {"x=1", "y=2"}, "Traceparent": {"one", "two"}, "Baggage": {"a=1", "b=2"}}
	h := trace.HeaderCarrier(header)

	for key, want := range map[string]string{"accept": "a", "tracestate": "x=1,y=2", "traceparent": "", "baggage": "a=1", "absent": ""} {
		if got := h.Get(key); got != want {
			t.Errorf("Get(%q): got %q, want %q", key, got, want)
		}
	}
	if diff := cmp.Diff([]string{"a=1", "b=2"}, h.Values("baggage")); diff != "" {
		t.Errorf("Values (-want +got):\n%s", diff)
	}
	h.Set("traceparent", "three")
	if got := header.Values("Traceparent"); !slices.Equal(got, []string{"three"}) {
		t.Errorf("Set: got %q", got)
	}
	keys := h.Keys()
	slices.Sort(keys)
	if diff := cmp.Diff([]string{"Accept", "Baggage", "Traceparent", "Tracestate"}, keys); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
	if got := trace.HeaderCarrier(nil).Get("accept"); got != "" {
		t.Errorf("nil: got %q", got)
	}
}

func FuzzHeaderName(f *testing.F) {
	for _, key := range headerNames {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if got, want := trace.HeaderName(key), http.CanonicalHeaderKey(key); got != want {
			t.Errorf("HeaderName(%q): got %q, want %q", key, got, want)
		}
	})
}
