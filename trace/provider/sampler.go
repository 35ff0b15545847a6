package provider

import (
	"fmt"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// ParseSampler returns the sampler that the OpenTelemetry specification calls name in OTEL_TRACES_SAMPLER, in upper or lower case, with the argument of
// OTEL_TRACES_SAMPLER_ARG:
//
//   - "always_on", "always_off": all or no spans, whatever their parent says;
//   - "traceidratio": the share of traces that arg gives, 0 to 1 (empty: 1), whatever their parent says;
//   - "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio": the same where a trace starts; spans with a parent follow it.
//
// An empty name means "parentbased_always_on", the default of the specification. The arg of samplers that take none is ignored. The specification's
// jaeger_remote, parentbased_jaeger_remote and xray are not supported.
func ParseSampler(name, arg string) (sdktrace.Sampler, error) {
	root, parentBased := strings.CutPrefix(strings.ToLower(strings.TrimSpace(name)), "parentbased_")
	var s sdktrace.Sampler
	switch root {
	case "always_on":
		s = sdktrace.AlwaysSample()
	case "always_off":
		s = sdktrace.NeverSample()
	case "traceidratio":
		ratio, err := parseRatio(arg)
		if err != nil {
			return nil, fmt.Errorf("sampler %q: %w", name, err)
		}
		s = sdktrace.TraceIDRatioBased(ratio)
	case "":
		if parentBased {
			return nil, unknownSampler(name)
		}
		s, parentBased = sdktrace.AlwaysSample(), true
	default:
		return nil, unknownSampler(name)
	}
	if parentBased {
		s = sdktrace.ParentBased(s)
	}
	return s, nil
}

func unknownSampler(name string) error {
	return fmt.Errorf("unknown sampler %q: want always_on, always_off, traceidratio, "+
		"parentbased_always_on, parentbased_always_off or parentbased_traceidratio", name)
}

func parseRatio(arg string) (float64, error) {
	arg = strings.TrimSpace(arg)
	if arg == "" {
		return 1, nil
	}
	ratio, err := strconv.ParseFloat(arg, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) { // written so that NaN is refused
		return 0, fmt.Errorf("argument %q: want a number from 0 to 1", arg)
	}
	return ratio, nil
}
