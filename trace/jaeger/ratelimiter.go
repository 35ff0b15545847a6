package jaeger

import (
	"fmt"
	"math"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// rateLimiter is a sampler with a token bucket that time fills. The bucket holds time instead of tokens, because integers do not lose what fractions of
// tokens would: a trace costs price, and what has passed since the last look is paid in.
type rateLimiter struct {
	perSecond float64
	price     time.Duration // of a trace
	capacity  time.Duration

	mu     sync.Mutex // guards what follows
	credit time.Duration
	paid   time.Time // until when credit is paid in
}

var _ sdktrace.Sampler = (*rateLimiter)(nil)

// newRateLimiter returns a sampler that starts perSecond traces a second, more than 0, with a burst of one second, or of one trace if that is more. It
// starts with a full bucket.
func newRateLimiter(perSecond float64) *rateLimiter {
	price := time.Duration(math.MaxInt64)
	if nanos := float64(time.Second) / perSecond; nanos < math.MaxInt64 {
		price = time.Duration(nanos)
	}
	capacity := max(price, time.Second)
	return &rateLimiter{perSecond: perSecond, price: price, capacity: capacity, credit: capacity}
}

// ShouldSample starts the trace if it can be paid for.
func (r *rateLimiter) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := sdktrace.SamplingResult{
		Decision:   sdktrace.Drop,
		Tracestate: oteltrace.SpanContextFromContext(p.ParentContext).TraceState(),
	}
	if r.pay(time.Now()) {
		result.Decision = sdktrace.RecordAndSample
	}
	return result
}

func (r *rateLimiter) pay(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Callers race from time.Now to here: the bucket's time never goes back.
	if passed := now.Sub(r.paid); passed > 0 {
		r.credit += min(passed, r.capacity-r.credit)
		r.paid = now
	}
	if r.credit < r.price {
		return false
	}
	r.credit -= r.price
	return true
}

// Description names the sampler in the SDK's own output.
func (r *rateLimiter) Description() string { return fmt.Sprintf("RateLimiting{%g}", r.perSecond) }
