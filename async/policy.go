package async

import (
	"context"
	"math"
	"time"

	"github.com/beatlabs/patron/async/internal/jitter"
)

// Strategy decides what becomes of a message that failed for good when there is no dead letter to write it to. With a dead letter no strategy is asked.
type Strategy uint8

// The strategies.
const (
	// NackExitStrategy keeps the message and ends the service with an error that names it. After the next start it comes first again. This is the
	// default: nothing is lost and somebody looks.
	NackExitStrategy Strategy = iota
	// NackStrategy keeps the message and tries it again for ever, at the longest pause of the policy. On an ordered source its lane waits meanwhile.
	NackStrategy
	// AckStrategy takes the message off as if it had succeeded: it is lost, and an error is logged.
	AckStrategy
)

// String returns the name in lower case.
func (s Strategy) String() string {
	switch s {
	case NackExitStrategy:
		return "nack exit"
	case NackStrategy:
		return "nack"
	case AckStrategy:
		return "ack"
	default:
		return "unknown strategy"
	}
}

// endlessTries is the number of tries in place of a policy that never gives a message up for failures that may go away.
const endlessTries = math.MaxInt

// policy says what happens to a message that fails: tries in place, then the delays off its lane, then the dead letter, or without one the strategy.
type policy struct {
	tries    int             // attempts in place
	min, max time.Duration   // pause between them
	delays   []time.Duration // tiers of retries off the lane; each gives one more attempt
	strategy Strategy
	onDead   func(ctx context.Context, msg *Message, cause error) error
}

// pause returns how long to wait after failed attempt n at the message with id: a random time between min and a cap that doubles with each attempt up to
// max, so that what failed together does not come back together.
func (p *policy) pause(ctx context.Context, id string, n int) time.Duration {
	limit := p.cap(n)
	if limit <= p.min {
		return p.min
	}
	return p.min + jitter.Draw(ctx, id, limit-p.min+1)
}

// cap is the longest pause after failed attempt n.
func (p *policy) cap(n int) time.Duration {
	if shift := n - 1; shift < 32 && p.min<<shift > 0 {
		return min(p.max, max(p.min, p.min<<shift*2))
	}
	return p.max
}

// step is what follows a failed attempt.
type step uint8

const (
	again  step = iota // in place, after a pause
	later              // off the lane, after a delay
	settle             // dead letter or strategy
)

// after says what follows attempt n at the message with id that failed, and after how long.
func (p *policy) after(ctx context.Context, id string, n int, permanent bool) (step, time.Duration) {
	switch {
	case permanent:
		return settle, 0
	case n < p.tries:
		return again, p.pause(ctx, id, n)
	case n-p.tries < len(p.delays):
		return later, p.delays[n-p.tries]
	default:
		return settle, 0
	}
}
