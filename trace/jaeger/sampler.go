package jaeger

import (
	"fmt"
	"math"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Types of samplers, as the Jaeger clients call them: the first argument of [NewSampler].
const (
	// SamplerConst decides all alike: 1 starts every trace, 0 none.
	SamplerConst = "const"
	// SamplerProbabilistic starts the given share of traces, 0 to 1.
	SamplerProbabilistic = "probabilistic"
	// SamplerRateLimiting starts at most so many traces a second, 0 or more.
	SamplerRateLimiting = "ratelimiting"
	// SamplerRemote asks a Jaeger back end for its strategy. It is not available yet.
	SamplerRemote = "remote"
)

// NewSampler returns the sampler that Jaeger clients call typ, in upper or lower case, with its parameter:
//
//   - "const": 0 starts no trace, 1 starts every one; nothing else is allowed.
//   - "probabilistic": the share of traces that are started, 0 to 1. The trace ID decides, so that services with equal parameters agree.
//   - "ratelimiting": how many traces are started a second, 0 or more, with a burst of one second (of one trace below 1).
//   - "remote": an error, because it is not available yet.
//
// All of them only decide where a trace starts. A span with a parent follows the parent's decision: at 0, too, traces that others have started and sampled
// are continued, and a parent that is not sampled is respected at 1, too.
func NewSampler(typ string, param float64) (sdktrace.Sampler, error) {
	var root sdktrace.Sampler
	switch strings.ToLower(typ) {
	case SamplerConst:
		switch param {
		case 0:
			root = sdktrace.NeverSample()
		case 1:
			root = sdktrace.AlwaysSample()
		default:
			return nil, fmt.Errorf("jaeger: sampler const: parameter %v: want 0 or 1", param)
		}
	case SamplerProbabilistic:
		if !(param >= 0 && param <= 1) { // written so that NaN is refused
			return nil, fmt.Errorf("jaeger: sampler probabilistic: parameter %v: want 0 to 1", param)
		}
		root = sdktrace.TraceIDRatioBased(param)
	case SamplerRateLimiting:
		if !(param >= 0) || math.IsInf(param, 1) {
			return nil, fmt.Errorf("jaeger: sampler ratelimiting: parameter %v: want traces per second, 0 or more", param)
		}
		root = sdktrace.NeverSample()
		if param > 0 {
			root = newRateLimiter(param)
		}
	case SamplerRemote:
		return nil, fmt.Errorf("jaeger: sampler %q is not available yet: want const, probabilistic or ratelimiting", typ)
	default:
		return nil, fmt.Errorf("jaeger: unknown sampler %q: want const, probabilistic or ratelimiting", typ)
	}
	return sdktrace.ParentBased(root), nil
}
