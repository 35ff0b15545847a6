package async

import (
	"math"
	"time"
)

// Plan is what a component means to do with the consumers of a factory, as its options say.
type Plan struct {
	Component   string          // its name
	MaxHeld     int             // most messages that are received and not settled at a time
	Concurrency int             // most handlers that run at a time
	Attempts    int             // most starts of the handler for one message before it is given up: tries in place and one for each delay
	Delays      []time.Duration // of Retry, one after another; none: a message is only tried in place
	Pauses      time.Duration   // the tries in place of a message can take so long beside the time of the handler: the sum of their longest pauses
	Timeout     time.Duration   // of the handler, see [WithHandlerTimeout]; 0: none
	Unordered   bool            // the order of messages is given up
}

// Planner is implemented by a [ConsumerFactory] whose broker has to be told beforehand how it will be used (a prefetch, the tiers of delays), or that can tell
// whether it may be used so: a lease that is too short, a delivery limit below the attempts.
type Planner interface {
	// Plan returns the factory that carries out p, which may be the same, or why it cannot. [New] calls it, once for each component, and uses what it returns
	// in place of the factory; a plan of its own replaces an earlier one, and the factory that was asked stays as it was. It does not block, and looks at
	// nothing outside the process: what only the broker can tell is said by Create.
	Plan(p Plan) (ConsumerFactory, error)
}

// planned returns the factory to use, with the plan of c if it wants one.
func (c *Component) planned() (ConsumerFactory, error) {
	planner, ok := c.factory.(Planner)
	if !ok {
		return c.factory, nil
	}
	return planner.Plan(c.config.plan(c.name))
}

func (c *config) plan(name string) Plan {
	p := &c.policy
	return Plan{
		Component: name, MaxHeld: c.maxHeld, Concurrency: c.concurrency, Attempts: c.attempts(), Delays: p.delays,
		Pauses: p.longest(), Timeout: c.timeout, Unordered: c.unordered,
	}
}

// attempts is the most starts of the handler for one message that fails each time.
func (c *config) attempts() int {
	if c.policy.tries >= math.MaxInt-len(c.policy.delays) {
		return math.MaxInt
	}
	return c.policy.tries + len(c.policy.delays)
}

// longest is the sum of the longest pauses between the tries in place.
func (p *policy) longest() time.Duration {
	var sum time.Duration
	for n := 1; n < p.tries; n++ {
		pause := p.cap(n)
		if pause < p.max {
			sum += pause
			continue
		}
		if rest := time.Duration(p.tries - n); rest <= (math.MaxInt64-sum)/pause { // from here on they are all the same
			return sum + rest*pause //nolint:durationcheck // rest is a number
		}
		return math.MaxInt64
	}
	return sum
}
