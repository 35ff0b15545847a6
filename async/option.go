package async

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beatlabs/patron/reliability/ratelimit"
)

// OptionFunc sets one option of a component. It checks its value; [New] joins what it says.
type OptionFunc func(*config) error

type config struct {
	concurrency int
	maxHeld     int
	unordered   bool
	policy      policy
	timeout     time.Duration
	middlewares []MiddlewareFunc
	retries     int // consecutive connection failures that end Run; -1: never
	failFast    bool
	critical    bool
	stopLane    bool
	batchSize   int
	batchWait   time.Duration
	batch       bool // made by NewBatch
	limiter     *ratelimit.Limiter
	watchdog    time.Duration // 0: off
	dedup       Deduplicator  // nil: none
}

func defaultConfig() config {
	return config{
		concurrency: 1,
		maxHeld:     256,
		policy:      policy{tries: 3, min: 50 * time.Millisecond, max: 5 * time.Second},
		retries:     -1,
		batchSize:   100,
		watchdog:    time.Minute,
	}
}

// WithConcurrency sets how many handlers run at the same time. The default is 1. Messages of one lane are never processed at the same time.
func WithConcurrency(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("concurrency %d: want at least 1", n)
		}
		c.concurrency = n
		return nil
	}
}

// WithMaxHeld bounds how many messages are held at a time: received and not yet settled, those that wait for another try included. The default is 256.
// It should be well above the concurrency, since a lane that waits holds its messages.
func WithMaxHeld(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("max held %d: want at least 1", n)
		}
		c.maxHeld = n
		return nil
	}
}

// WithTries sets how often a message is tried in place, the first time included, before the policy goes on to [WithDelays] and the dead letter. The
// default is
// 3. Permanent errors (see reliability.Classify) are not tried again.
func WithTries(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("tries %d: want at least 1", n)
		}
		c.policy.tries = n
		return nil
	}
}

// WithBackoff sets the shortest and the longest pause between tries in place. A pause is random between the shortest and a cap that doubles with each
// try. The default is 50 ms to 5 s. Its lane waits during the pause, but no worker does.
func WithBackoff(shortest, longest time.Duration) OptionFunc {
	return func(c *config) error {
		if shortest <= 0 || longest < shortest {
			return fmt.Errorf("backoff %v to %v: want a shortest above 0 and a longest not below it", shortest, longest)
		}
		c.policy.min, c.policy.max = shortest, longest
		return nil
	}
}

// WithDelays adds further tries off the lane, one after each delay, when those in place failed. They need a broker that can delay; and because
// followers overtake a message that waits off its lane, an ordered source needs [Unordered] beside it.
func WithDelays(tiers ...time.Duration) OptionFunc {
	return func(c *config) error {
		var errs []error
		for _, d := range tiers {
			if d <= 0 {
				errs = append(errs, fmt.Errorf("delay %v: want above 0", d))
			}
		}
		c.policy.delays = slices.Clone(tiers)
		return errors.Join(errs...)
	}
}

// Unordered gives the order of messages up: each is a lane of its own.
func Unordered() OptionFunc {
	return func(c *config) error {
		c.unordered = true
		return nil
	}
}

// WithFailureStrategy sets what becomes of a message that failed for good when there is no dead letter. The default is [NackExitStrategy].
func WithFailureStrategy(s Strategy) OptionFunc {
	return func(c *config) error {
		if s > AckStrategy {
			return fmt.Errorf("failure strategy %d: want NackExitStrategy, NackStrategy or AckStrategy", s)
		}
		c.policy.strategy = s
		return nil
	}
}

// WithOnDead sets a function that is told of every dead letter, after it was written and before the message is taken off its source. If it returns an
// error the message is kept, and both are tried again, so the same message may be told more than once. It may block until ctx ends and runs beside the
// handlers.
func WithOnDead(fn func(ctx context.Context, msg *Message, cause error) error) OptionFunc {
	return func(c *config) error {
		if fn == nil {
			return errors.New("on dead: function is nil")
		}
		c.policy.onDead = fn
		return nil
	}
}

// StopLaneOnDead keeps the lane of a dead letter closed: its followers wait until the letter is gone, because it was replayed or removed ([DeadLetters]),
// for which the engine looks every five seconds; or until [Component.OpenLanes], or the end of the component. A replay comes behind the followers that
// wait, so who needs it before them repairs by hand. Without this option a dead letter frees its lane.
func StopLaneOnDead() OptionFunc {
	return func(c *config) error {
		c.stopLane = true
		return nil
	}
}

// Deduplicator keeps effects from happening twice; the package async/inbox has two.
type Deduplicator interface {
	// Deduplicate returns what is put around the handler of a component, outside all other middlewares, or why it cannot do what p asks for: it forgets a message
	// before that could come for the last time, for instance. [New] calls it, once for each component. It does not block.
	Deduplicate(p Plan) (MiddlewareFunc, error)
}

// WithDeduplication keeps effects from happening twice. What d puts around the handler stands outside the middlewares; [NewBatch] takes none, its handler
// calls an inbox by itself. Without it a message that comes again is processed again.
func WithDeduplication(d Deduplicator) OptionFunc {
	return func(c *config) error {
		switch {
		case d == nil:
			return errors.New("deduplication: deduplicator is nil")
		case c.dedup != nil:
			return errors.New("deduplication: given twice")
		case c.batch:
			return errors.New("deduplication: a batch handler takes none")
		}
		c.dedup = d
		return nil
	}
}

// WithHandlerTimeout ends the context of a handler after d. What it then returns counts as a transient failure. The default is no time-out.
func WithHandlerTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("handler timeout %v: want above 0", d)
		}
		c.timeout = d
		return nil
	}
}

// WithMiddlewares adds middlewares around the handler, the first one outermost. They run once for each attempt. [NewBatch] takes none.
func WithMiddlewares(mm ...MiddlewareFunc) OptionFunc {
	return func(c *config) error {
		for i, m := range mm {
			if m == nil {
				return fmt.Errorf("middleware %d is nil", i)
			}
		}
		c.middlewares = append(c.middlewares, mm...)
		return nil
	}
}

// WithRetries caps how often the connection is tried again in a row: then Run returns the error. A minute of health resets the count. Without it the
// connection is tried for ever. It does not count tries of messages: see [WithTries].
func WithRetries(n int) OptionFunc {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("retries %d: want at least 0", n)
		}
		c.retries = n
		return nil
	}
}

// WithFailFast makes Run return the error of a first connection that fails, and of any that fails with a permanent error (wrong credentials, missing topic).
// Without it these are retried like all others, and /ready says why.
func WithFailFast() OptionFunc {
	return func(c *config) error {
		c.failFast = true
		return nil
	}
}

// WithCriticalCheck makes a lost connection an outage of the service: /ready answers 503 while it lasts. Without it the service is degraded.
func WithCriticalCheck() OptionFunc {
	return func(c *config) error {
		c.critical = true
		return nil
	}
}

// WithBatchSize sets the most messages of one batch; only for [NewBatch]. The default is 100.
func WithBatchSize(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("batch size %d: want at least 1", n)
		}
		if !c.batch {
			return errors.New("batch size: only for NewBatch")
		}
		c.batchSize = n
		return nil
	}
}

// WithBatchWait sets how long a batch that is not full waits for more; only for [NewBatch]. The default is 0: a batch is what there is.
func WithBatchWait(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("batch wait %v: want at least 0", d)
		}
		if !c.batch {
			return errors.New("batch wait: only for NewBatch")
		}
		c.batchWait = d
		return nil
	}
}

// WithRateLimit bounds the starts of the handler to n per period, evenly spaced unless ratelimit.WithBurst says otherwise: first and further tries count alike,
// and of a batch handler the batches. A message that waits for it takes no worker. The limit is of this component: it outlives its connection, and several
// components or replicas have one each. While a Volatile source is drained at a stop the limit stays, because it is a promise to others: what cannot be done
// within the grace period is counted in the error of Run. Without it there is no limit.
func WithRateLimit(n int, per time.Duration, oo ...ratelimit.OptionFunc) OptionFunc {
	return func(c *config) error {
		l, err := ratelimit.New(n, per, oo...)
		if err != nil {
			return fmt.Errorf("rate limit: %w", err)
		}
		c.limiter = l
		return nil
	}
}

// WithWatchdog sets after how long without progress a component that has messages is stalled: none was started, and no verdict was taken by the broker.
// Check then returns an error that wraps [ErrStalled], names the message and is never critical, until things move again. It comes up to 5 s late, or up to
// a quarter of d if that is less. The default is a minute; it should be longer than the handler ever takes. Pauses, the rate limit and waiting for the next
// try are no stall; followers of a dead letter in a lane that [StopLaneOnDead] closed are, also while other lanes go on.
func WithWatchdog(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("watchdog %v: want above 0, or WithoutWatchdog", d)
		}
		c.watchdog = d
		return nil
	}
}

// WithoutWatchdog turns the watchdog off; see [WithWatchdog].
func WithoutWatchdog() OptionFunc {
	return func(c *config) error {
		c.watchdog = 0
		return nil
	}
}

// check says what does not fit together, and what the broker cannot do.
func (c *config) check(t Traits) error {
	var errs []error
	if c.batch && len(c.middlewares) > 0 {
		errs = append(errs, errors.New("middlewares: a batch handler takes none"))
	}
	if c.batch && c.batchSize > c.maxHeld {
		errs = append(errs, fmt.Errorf("batch size %d: want at most max held, %d", c.batchSize, c.maxHeld))
	}
	if c.concurrency > c.maxHeld {
		errs = append(errs, fmt.Errorf("concurrency %d: want at most max held, %d", c.concurrency, c.maxHeld))
	}
	if len(c.policy.delays) > 0 {
		if t.Ordered != OrderedNone && !c.unordered {
			errs = append(errs, fmt.Errorf("delays %v: they break the order of this source: add Unordered, or use tries in place", c.policy.delays))
		}
		if longest := slices.Max(c.policy.delays); longest > t.MaxDelay {
			errs = append(errs, fmt.Errorf("delay %v: want at most %v with this broker", longest, t.MaxDelay))
		}
	}
	if c.stopLane && (c.unordered || t.Ordered == OrderedNone) {
		errs = append(errs, errors.New("stop lane on dead: there are no lanes without order"))
	}
	if (c.stopLane || c.policy.onDead != nil) && !t.DeadLetters {
		errs = append(errs, errors.New("on dead, stop lane on dead: this source has no dead letter"))
	}
	return errors.Join(errs...)
}

// lanesOff reports whether messages have no order.
func (c *config) lanesOff(t Traits) bool { return c.unordered || t.Ordered == OrderedNone }
