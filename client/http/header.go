package http

import (
	"net/http"
	"slices"

	"github.com/beatlabs/patron/trace"
)

// outgoing is the header of a request that goes out: a copy whose values are shared with the original, and memory for those that are added.
type outgoing struct {
	header http.Header
	values [propagated]string
	used   int
}

// propagated is how many headers a propagator sets, with the correlation ID: W3C has two or three and a Jaeger or B3 one beside it as many again.
const propagated = 4

var _ trace.Carrier = (*outgoing)(nil)

// copyOf makes o the copy of h. Nobody can append to a slice of values into the array of the original.
func (o *outgoing) copyOf(h http.Header) {
	o.header = make(http.Header, len(h)+propagated)
	for key, values := range h {
		o.header[key] = slices.Clip(values)
	}
}

// copyHarmless makes o the copy of what may go to another host.
func (o *outgoing) copyHarmless(h http.Header) {
	o.header = make(http.Header, len(h))
	for key, values := range h {
		if harmless(key) {
			o.header[key] = slices.Clip(values)
		}
	}
}

// Get is part of trace.Carrier.
func (o *outgoing) Get(key string) string { return trace.HeaderCarrier(o.header).Get(key) }

// Set is part of trace.Carrier.
func (o *outgoing) Set(key, value string) {
	if o.used == len(o.values) {
		trace.HeaderCarrier(o.header).Set(key, value)
		return
	}
	o.values[o.used] = value
	o.header[trace.HeaderName(key)] = o.values[o.used : o.used+1 : o.used+1]
	o.used++
}

// Keys is part of trace.Carrier.
func (o *outgoing) Keys() []string { return trace.HeaderCarrier(o.header).Keys() }

// harmless says whether a header of the caller's may follow a redirect to another host: only what describes content and preferences. A list of what is
// forbidden would never be complete. Cookie is in it because http.Client has removed those of the caller and added those of its Jar for the new host; a
// Client of this package removes it beforehand.
func harmless(key string) bool {
	switch key {
	case "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Cache-Control", "Pragma",
		"Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "Expect",
		"Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range",
		"Prefer", "User-Agent", "Cookie":
		return true
	default:
		return false
	}
}
