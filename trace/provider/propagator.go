package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/propagators/b3"
	jaegerheader "go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Names of propagators for [ParsePropagators], as OTEL_PROPAGATORS has them.
const (
	PropagatorTraceContext = "tracecontext" // W3C Trace Context: traceparent, tracestate
	PropagatorBaggage      = "baggage"      // W3C Baggage: baggage
	PropagatorB3           = "b3"           // B3 in one header: b3
	PropagatorB3Multi      = "b3multi"      // B3 in several headers: X-B3-TraceId, X-B3-SpanId, X-B3-Sampled, X-B3-Flags
	PropagatorJaeger       = "jaeger"       // the Jaeger clients': uber-trace-id
	PropagatorNone         = "none"         // nothing travels
)

const propagatorNames = "tracecontext, baggage, b3, b3multi, jaeger or none"

// ParsePropagators returns what carries traces and baggage, from names in upper or lower case: "tracecontext", "baggage", "b3", "b3multi", "jaeger"; or
// "none" alone, which carries nothing. Without names it is tracecontext and baggage. An unknown name, one given twice and "none" beside others are errors,
// all joined.
//
// Outgoing work carries every format that is named. For incoming work the first format, in the order of names, that finds a valid trace wins, so there are
// never two parents. The names "b3" and "b3multi" read both forms of B3.
//
// Baggage is limited to what the W3C specification demands to be supported: a header of more than 64 members or 8192 bytes, all its lines together, is
// ignored as a whole before it is parsed. So is a uber-trace-id of more than 70 bytes and a b3 of more than 68. What does not parse is ignored silently:
// whoever sends it must not be able to fill our log.
func ParsePropagators(names []string) (propagation.TextMapPropagator, error) {
	if len(names) == 0 {
		names = []string{PropagatorTraceContext, PropagatorBaggage}
	}
	var p propagator
	var errs []error
	var seen []string
	for _, given := range names {
		name := strings.ToLower(strings.TrimSpace(given))
		if slices.Contains(seen, name) {
			errs = append(errs, fmt.Errorf("propagator %q is named twice", given))
			continue
		}
		seen = append(seen, name)
		switch name {
		case PropagatorTraceContext:
			p.trace = append(p.trace, propagation.TraceContext{})
		case PropagatorB3:
			p.trace = append(p.trace, newB3(b3.B3SingleHeader))
		case PropagatorB3Multi:
			p.trace = append(p.trace, newB3(b3.B3MultipleHeader))
		case PropagatorJaeger:
			p.trace = append(p.trace, jaegerPropagator{})
		case PropagatorBaggage:
			p.baggage = true
		case PropagatorNone:
			if len(names) > 1 {
				errs = append(errs, errors.New(`propagator "none" excludes others`))
			}
		default:
			errs = append(errs, fmt.Errorf("unknown propagator %q: want %s", given, propagatorNames))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// propagator carries traces in all its formats, and baggage.
type propagator struct {
	trace   []propagation.TextMapPropagator
	baggage bool
}

var _ propagation.TextMapPropagator = propagator{}

// Inject writes all formats.
func (p propagator) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	if oteltrace.SpanContextFromContext(ctx).IsValid() {
		for _, t := range p.trace {
			t.Inject(ctx, carrier)
		}
	}
	if p.baggage {
		injectBaggage(ctx, carrier)
	}
}

// Extract reads the trace from the first format that has a valid one, and the baggage.
func (p propagator) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	ctx = p.extractTrace(ctx, carrier)
	if p.baggage {
		return extractBaggage(ctx, carrier)
	}
	return ctx
}

func (p propagator) extractTrace(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	for i, t := range p.trace {
		found := t.Extract(ctx, carrier)
		if i == len(p.trace)-1 || newParent(ctx, found) {
			return found
		}
	}
	return ctx
}

// newParent reports whether found carries a trace that ctx does not.
func newParent(ctx, found context.Context) bool {
	now, before := oteltrace.SpanContextFromContext(found), oteltrace.SpanContextFromContext(ctx)
	return now.IsValid() && (now.SpanID() != before.SpanID() || now.TraceID() != before.TraceID())
}

// Fields returns the names of all headers that Inject may write.
func (p propagator) Fields() []string {
	var fields []string
	for _, t := range p.trace {
		fields = append(fields, t.Fields()...)
	}
	if p.baggage {
		fields = append(fields, baggageHeader)
	}
	return fields
}

const b3Single = "b3" // the header that has all of B3

// Lengths of the longest valid headers.
const (
	maxB3     = 32 + 1 + 16 + 1 + 1 + 1 + 16
	maxJaeger = 32 + 1 + 16 + 1 + 16 + 1 + 3
)

// b3Propagator keeps from the contrib propagator what it is wasteful with, requests without B3 headers, and what it takes though it is no B3: any character for
// the hyphen behind the span.
type b3Propagator struct{ propagation.TextMapPropagator }

func newB3(encoding b3.Encoding) b3Propagator {
	return b3Propagator{b3.New(b3.WithInjectEncoding(encoding))}
}

// Extract returns ctx itself if there is no valid trace.
func (p b3Propagator) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	single := carrier.Get(b3Single)
	broken := !isB3(single)
	if broken && carrier.Get("x-b3-traceid") == "" {
		return ctx
	}
	if broken && single != "" {
		carrier = multiB3{carrier}
	}
	if found := p.TextMapPropagator.Extract(ctx, carrier); newParent(ctx, found) {
		return found
	}
	return ctx
}

// multiB3 is a carrier whose header b3 is not looked at.
type multiB3 struct{ propagation.TextMapCarrier }

func (c multiB3) Get(key string) string {
	if key == b3Single {
		return ""
	}
	return c.TextMapCarrier.Get(key)
}

// isB3 reports whether h is {trace-id}-{span-id}, with -{sampled} or -{sampled}-{parent-span-id} behind it, or not.
func isB3(h string) bool {
	if len(h) > maxB3 {
		return false
	}
	trace, h, _ := strings.Cut(h, "-")
	span, h, more := strings.Cut(h, "-")
	if len(trace) != 16 && len(trace) != 32 || len(span) != 16 || !isHex(trace) || !isHex(span) {
		return false
	}
	if !more {
		return true
	}
	sampled, parent, more := strings.Cut(h, "-")
	return (sampled == "0" || sampled == "1" || sampled == "d") && (!more || len(parent) == 16 && isHex(parent))
}

// jaegerPropagator is the contrib propagator behind the grammar of its header: that one alone takes -1 for flags, and none at all.
type jaegerPropagator struct{ jaegerheader.Jaeger }

// Extract returns ctx itself if there is no valid trace.
func (p jaegerPropagator) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	if !isJaeger(carrier.Get("uber-trace-id")) {
		return ctx
	}
	if found := p.Jaeger.Extract(ctx, carrier); newParent(ctx, found) {
		return found
	}
	return ctx
}

// isJaeger reports whether h is {trace-id}:{span-id}:{parent-span-id}:{flags}, in hexadecimal digits. Nobody reads the parent, so that may be empty.
func isJaeger(h string) bool {
	if len(h) > maxJaeger {
		return false
	}
	for i, most := range [...]int{32, 16, 16, 3} {
		part, rest, more := strings.Cut(h, ":")
		if more == (i == 3) || len(part) > most || part == "" && i != 2 || !isHex(part) {
			return false
		}
		h = rest
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}
