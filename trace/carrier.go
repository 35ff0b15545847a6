package trace

import (
	"net/http"
	"net/textproto"
	"strings"

	"github.com/beatlabs/patron/correlation"
)

// Carrier is the headers, metadata or attributes of a request or message. Its method set is that of OpenTelemetry's propagation.TextMapCarrier, so that
// a carrier needs no import of OpenTelemetry. [HeaderCarrier] is the one of HTTP. Keys are compared as the transport compares them.
type Carrier interface {
	Get(key string) string // "" if it is not there
	Set(key, value string) // replaces what is there
	Keys() []string        // in any order
}

// HeaderCarrier is an http.Header as a [Carrier]. It looks the headers of the propagators up without an allocation, where http.Header makes one for each name
// that it does not know, and follows W3C Trace Context where that says what several header lines mean: two traceparent are none, tracestate is one list. It is
// as little safe for concurrent use as http.Header. A nil HeaderCarrier can be read.
type HeaderCarrier http.Header

var _ Carrier = HeaderCarrier(nil)

const (
	headerTraceParent = "Traceparent"
	headerTraceState  = "Tracestate"
)

// Get returns the value of the header key, "" if there is none.
func (h HeaderCarrier) Get(key string) string {
	name := HeaderName(key)
	switch values := h[name]; {
	case len(values) == 0:
		return ""
	case len(values) == 1:
		return values[0]
	case name == headerTraceParent:
		return ""
	case name == headerTraceState:
		return strings.Join(values, ",")
	default:
		return values[0]
	}
}

// Values returns every value of the header key. The propagator of baggage asks for it.
func (h HeaderCarrier) Values(key string) []string { return h[HeaderName(key)] }

// Set replaces the header key.
func (h HeaderCarrier) Set(key, value string) { h[HeaderName(key)] = []string{value} }

// Keys returns the names of the headers, in no order.
func (h HeaderCarrier) Keys() []string {
	keys := make([]string, 0, len(h))
	for key := range h {
		keys = append(keys, key)
	}
	return keys
}

// HeaderName returns the canonical form of the HTTP header key, as http.CanonicalHeaderKey does, without an allocation for those that the propagators and the
// framework use.
func HeaderName(key string) string {
	switch key {
	case "traceparent":
		return headerTraceParent
	case "tracestate":
		return headerTraceState
	case "baggage":
		return "Baggage"
	case correlation.HeaderID:
		return correlation.HeaderID
	case "uber-trace-id":
		return "Uber-Trace-Id"
	case "b3":
		return "B3"
	case "x-b3-traceid":
		return "X-B3-Traceid"
	case "x-b3-spanid":
		return "X-B3-Spanid"
	case "x-b3-parentspanid":
		return "X-B3-Parentspanid"
	case "x-b3-sampled":
		return "X-B3-Sampled"
	case "x-b3-flags":
		return "X-B3-Flags"
	default:
		return textproto.CanonicalMIMEHeaderKey(key)
	}
}
