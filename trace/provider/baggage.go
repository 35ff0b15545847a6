package provider

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
)

// Limits of W3C Baggage: at least this much must be passed on.
const (
	baggageHeader     = "baggage"
	maxBaggageMembers = 64
	maxBaggageBytes   = 8192
)

// injectBaggage writes the baggage of ctx, unless there is none or it is over the limits, which receivers need not accept.
func injectBaggage(ctx context.Context, carrier propagation.TextMapCarrier) {
	b := baggage.FromContext(ctx)
	if n := b.Len(); n == 0 || n > maxBaggageMembers {
		return
	}
	if s := b.String(); s != "" && len(s) <= maxBaggageBytes {
		carrier.Set(baggageHeader, s)
	}
}

// extractBaggage reads the baggage of carrier. It looks at length and number of members before it parses.
func extractBaggage(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	header, ok := baggageOf(carrier)
	if !ok || strings.Count(header, ",") >= maxBaggageMembers {
		return ctx
	}
	b, _ := baggage.Parse(header) // members that do not parse are left out
	if b.Len() == 0 {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, b)
}

// baggageOf returns the header as one, and false if there is none or it is too long.
func baggageOf(carrier propagation.TextMapCarrier) (string, bool) {
	multi, ok := carrier.(propagation.ValuesGetter)
	if !ok {
		s := carrier.Get(baggageHeader)
		return s, s != "" && len(s) <= maxBaggageBytes
	}
	lines := multi.Values(baggageHeader)
	n := len(lines) - 1 // commas between them
	for _, l := range lines {
		if n += len(l); n > maxBaggageBytes {
			return "", false
		}
	}
	switch len(lines) {
	case 0:
		return "", false
	case 1:
		return lines[0], lines[0] != ""
	default:
		return strings.Join(lines, ","), true
	}
}
