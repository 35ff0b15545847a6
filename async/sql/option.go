package sql

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// OptionFunc sets one option of a [Queue]. It checks its value; the constructor joins what the options say.
type OptionFunc func(*config) error

type config struct {
	prefix        string
	unordered     bool
	perKey        int
	retention     time.Duration
	heartbeat     time.Duration
	heartbeatOnly bool
	pollMin       time.Duration
	pollMax       time.Duration
	wake          func(context.Context) error
}

func defaultConfig() config {
	return config{prefix: "patron_", perKey: 32, heartbeat: time.Second, pollMin: 50 * time.Millisecond, pollMax: time.Second}
}

// prefixes are what names of tables may begin with. They stand in statements as they are, so nothing else is let in.
var prefixes = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31})?$`)

// WithPrefix sets what the names of the tables begin with: lower case letters, digits and underscores, 32 at most, after the name of a schema and a dot if you
// like (not with SQLite). All queues of a prefix share their tables. The default is "patron_".
func WithPrefix(prefix string) OptionFunc {
	return func(c *config) error {
		if !prefixes.MatchString(prefix) {
			return fmt.Errorf("prefix %q: want lower case letters, digits and underscores, beginning with a letter, 32 at most", prefix)
		}
		c.prefix = prefix
		return nil
	}
}

// Unordered gives up the order of keys: the key travels with its message and means nothing here. Then writers of a key do not wait for each other's commit, and
// consumers share its messages. Give it to the producers and the consumers of a queue alike: a producer without it makes keys that are consumed in order.
func Unordered() OptionFunc {
	return func(c *config) error {
		c.unordered = true
		return nil
	}
}

// WithPerKey sets how many messages of one key a consumer is given at a time, so that a key that is stuck does not fill it: it should be well below what that
// holds. They are given as one run, and the next run when all of it is settled. The default is 32.
func WithPerKey(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 || n > 10_000 {
			return fmt.Errorf("per key %d: want 1 to 10000", n)
		}
		c.perKey = n
		return nil
	}
}

// WithRetention keeps acknowledged messages in the table for d, to be looked at; consumers remove them afterwards, in small steps. It is the consumer's option.
// Without it they are deleted when they are acknowledged. Dead letters are kept until they are removed, in either case.
func WithRetention(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("retention %v: want above 0", d)
		}
		c.retention = d
		return nil
	}
}

// WithHeartbeat sets how often a consumer says that it is alive. Four times as long without a word, and what it holds goes to others. All consumers of a queue
// should have the same. The default is 1 s.
func WithHeartbeat(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < 20*time.Millisecond || d > time.Hour {
			return fmt.Errorf("heartbeat %v: want 20ms to 1h", d)
		}
		c.heartbeat = d
		return nil
	}
}

// WithHeartbeatOnly makes a consumer of PostgreSQL or MySQL do without the lock of a session by which others see at once that its process is gone. It is for a
// pooler between them that gives each transaction another session, such as PgBouncer with transaction pooling, and for Galera, which has no such locks. All
// consumers of a queue must have it, or none: who looks for a lock takes a consumer without one for gone.
func WithHeartbeatOnly() OptionFunc {
	return func(c *config) error {
		c.heartbeatOnly = true
		return nil
	}
}

// WithPoll sets how long a consumer that found nothing waits before it looks again: least at first, then longer and longer up to most, with jitter. A message
// that this very [Queue] published ends the wait, and so does [Queue.Wake]. The default is 50 ms to 1 s.
func WithPoll(least, most time.Duration) OptionFunc {
	return func(c *config) error {
		if least < time.Millisecond || most < least {
			return fmt.Errorf("poll %v to %v: want at least 1ms, and the second not below the first", least, most)
		}
		c.pollMin, c.pollMax = least, most
		return nil
	}
}

// WithWake lets something else than time end the wait of a consumer that found nothing, a LISTEN of PostgreSQL for instance, which database/sql has not: wake
// blocks until there may be a message, or until its context ends. A consumer calls it over and over, from one goroutine. An error is shown by the check of the
// component, and wake called again after a second. Polling goes on beside it, so a notification may get lost.
func WithWake(wake func(ctx context.Context) error) OptionFunc {
	return func(c *config) error {
		if wake == nil {
			return errors.New("wake is nil")
		}
		c.wake = wake
		return nil
	}
}

// configure applies oo, and returns everything that is wrong with them.
func configure(dialect Dialect, oo []OptionFunc) (config, error) {
	c := defaultConfig()
	errs := []error{dialect.check()}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	return c, errors.Join(errs...)
}
