package memory

import (
	"errors"
	"fmt"
	"time"
)

// OptionFunc sets one option of a [Broker]. It checks its value; [New] joins what the options say.
type OptionFunc func(*config) error

type config struct {
	capacity     int
	deadCapacity int
	perKey       int
	visibility   time.Duration
	stopWait     time.Duration
	claims       bool
	keep         bool // a stop leaves what is queued
}

func defaultConfig() config {
	return config{capacity: 1_000_000, deadCapacity: 100_000, perKey: 16, stopWait: 50 * time.Millisecond}
}

// WithCapacity sets how many messages a queue holds, those in flight included. A Send beyond it blocks until there is room. The default is 1 000 000.
func WithCapacity(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("capacity %d: want at least 1", n)
		}
		c.capacity = n
		return nil
	}
}

// WithDeadCapacity sets how many dead letters a queue keeps. Beyond it a rejection fails, so the message stays in the queue. The default is 100 000.
func WithDeadCapacity(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("dead capacity %d: want at least 1", n)
		}
		c.deadCapacity = n
		return nil
	}
}

// WithPerKey sets how many messages of one key are in flight at most, so that a key that is stuck does not fill its consumer: it should be well below what
// that holds. They are given as one run, by one Receive, and the next run when all of it is settled. The default is 16.
func WithPerKey(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("per key %d: want at least 1", n)
		}
		c.perKey = n
		return nil
	}
}

// WithVisibility makes a message come back when it is neither settled nor extended within d: each delivery has a claim of its own, which is lost then. A
// message that comes back takes its followers in flight with it, so that the order of its key holds. Without it a message stays with its consumer until
// that is closed.
func WithVisibility(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("visibility %v: want above 0", d)
		}
		c.visibility = d
		return nil
	}
}

// WithClaims gives each consumer one claim for all that it receives, like a partition or a channel of other brokers: see [Broker.Revoke] and [Broker.Lose].
// With [WithVisibility] each delivery has a claim of its own anyway. Without either, messages have none and cannot be lost while the broker is up.
func WithClaims() OptionFunc {
	return func(c *config) error {
		c.claims = true
		return nil
	}
}

// WithStopWait sets how long Receive waits for a change when its context has ended and messages are still in flight. The default is 50 ms.
func WithStopWait(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("stop wait %v: want above 0", d)
		}
		c.stopWait = d
		return nil
	}
}

// WithoutDrain says that the broker outlives the services that consume from it: a consumer that stops leaves what is queued where it is, and the queue
// stays open. Without it the last consumer of a queue empties and closes it.
func WithoutDrain() OptionFunc {
	return func(c *config) error {
		c.keep = true
		return nil
	}
}

// configure applies oo, and returns everything that is wrong with them.
func configure(oo []OptionFunc) (config, error) {
	c := defaultConfig()
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	return c, errors.Join(errs...)
}
