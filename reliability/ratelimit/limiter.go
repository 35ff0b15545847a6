package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Limiter bounds how often something happens. Make it with [New]; its methods may be called concurrently.
type Limiter struct {
	bucket *rate.Limiter
	n      int
	per    time.Duration
}

// OptionFunc sets one option of a limiter. It checks its value; [New] joins what it says.
type OptionFunc func(*config) error

type config struct{ burst int }

// slack is how late a timer may be without costing anything at the default burst: what it misses is caught up with.
const slack = 10 * time.Millisecond

// WithBurst sets how many events may follow at once when there were none for a while; want at least 1. The default is what the limit allows in 10 ms, and at
// least 1: events are spaced evenly, and a late timer makes none of them fall out. With a burst of n, all events of a period may come together.
func WithBurst(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("burst %d: want at least 1", n)
		}
		c.burst = n
		return nil
	}
}

// New returns a limiter of n events per period. It begins with a full burst. It returns everything that is wrong with its arguments, joined.
func New(n int, per time.Duration, oo ...OptionFunc) (*Limiter, error) {
	var errs []error
	if n < 1 {
		errs = append(errs, fmt.Errorf("limit %d: want at least 1", n))
	}
	if per <= 0 {
		errs = append(errs, fmt.Errorf("period %v: want above 0", per))
	}
	var c config
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("ratelimit: %w", err)
	}
	limit := rate.Limit(float64(n) / per.Seconds())
	if c.burst == 0 {
		c.burst = max(1, int(min(math.MaxInt32, float64(limit)*slack.Seconds())))
	}
	return &Limiter{bucket: rate.NewLimiter(limit, c.burst), n: n, per: per}, nil
}

// String returns the limit, as in "100 per 1s".
func (l *Limiter) String() string { return fmt.Sprintf("%d per %v", l.n, l.per) }

// Burst returns how many events may follow at once.
func (l *Limiter) Burst() int { return l.bucket.Burst() }

// Allow reports whether an event may happen now, and counts it if so. It does not block.
func (l *Limiter) Allow() bool { return l.bucket.Allow() }

// Delay returns how long it takes until [Limiter.Allow] would allow an event if nobody else asks meanwhile; 0: now. It takes nothing and does not block. It
// is what a refused caller is told to wait.
func (l *Limiter) Delay() time.Duration {
	missing := 1 - l.bucket.Tokens()
	if missing <= 0 {
		return 0
	}
	// Rounded up, so that whoever comes back after it does not come a nanosecond early for the rest of time.
	wait := time.Duration(math.Ceil(missing / float64(l.bucket.Limit()) * float64(time.Second)))
	return max(time.Microsecond, wait)
}

// Wait blocks until an event may happen, and counts it. Those who wait go in the order in which they came. It returns the cause of ctx when ctx ends first, and
// at once an error that wraps context.DeadlineExceeded when the deadline of ctx would come first; nothing is counted then.
func (l *Limiter) Wait(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ratelimit: %w", context.Cause(ctx))
	}
	r := l.Reserve()
	wait := r.Delay()
	if wait == 0 {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		r.Cancel()
		return fmt.Errorf("ratelimit: the wait of %v at %v ends after the deadline: %w", wait, l, context.DeadlineExceeded)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		r.Cancel()
		return fmt.Errorf("ratelimit: %w", context.Cause(ctx))
	}
}

// Reserve counts an event that happens later: after [Reservation.Delay]. It does not block. Who does not use it gives it back with [Reservation.Cancel].
func (l *Limiter) Reserve() *Reservation { return &Reservation{taken: l.bucket.Reserve()} }

// Reservation is a place in the line of a [Limiter]. Its methods may be called concurrently.
type Reservation struct{ taken *rate.Reservation }

// Delay returns how long to wait from now until the event may happen; 0: it may happen now.
func (r *Reservation) Delay() time.Duration { return r.taken.Delay() }

// Cancel gives the place back, as far as nobody has lined up behind it, so that others may have it. Once its time has come it does nothing.
func (r *Reservation) Cancel() { r.taken.Cancel() }
