package inbox

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// The defaults.
const (
	DefaultTTL                 = 30 * 24 * time.Hour
	DefaultDeadLetterRetention = 14 * 24 * time.Hour
	DefaultTable               = "patron_inbox"
	DefaultCleanInterval       = 10 * time.Minute
	DefaultLease               = 30 * time.Second
	DefaultRecheck             = time.Second
)

// OptionFunc changes what [New] and [NewGuard] make. It checks its value; they join what the options say.
type OptionFunc func(*config) error

type config struct {
	consumer  string
	ttl       time.Duration
	retention time.Duration
	ofInbox   []string // options given that are about the table
	ofGuard   []string // options given that are about what is in flight

	table string
	every time.Duration

	lease, recheck time.Duration
}

// maxConsumer bounds the name of a consumer, which is part of a key of every database.
const maxConsumer = 200

func newConfig(consumer string, oo []OptionFunc) (*config, error) {
	c := &config{
		consumer: consumer, ttl: DefaultTTL, retention: DefaultDeadLetterRetention, table: DefaultTable, every: DefaultCleanInterval, lease: DefaultLease,
		recheck: DefaultRecheck,
	}
	var errs []error
	if consumer == "" || len(consumer) > maxConsumer || !utf8.ValidString(consumer) {
		errs = append(errs, fmt.Errorf("consumer %q: want a name of 1 to %d bytes of UTF-8", consumer, maxConsumer))
	}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, c.checkTTL(0)
}

// WithTTL sets for how long a message that is done is known. A copy that comes later is processed again. The default is [DefaultTTL].
func WithTTL(d time.Duration) OptionFunc {
	return func(c *config) error { return c.positive(&c.ttl, "TTL", d) }
}

// WithDeadLetterRetention says for how long dead letters are kept, so that they can be replayed: [WithTTL] must be longer. 0 says that nobody replays. The
// default is [DefaultDeadLetterRetention].
func WithDeadLetterRetention(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("dead letter retention %v: want at least 0", d)
		}
		c.retention = d
		return nil
	}
}

// WithTable sets the name of the table: letters, digits and underscores; on PostgreSQL and MySQL that of the schema may stand before it, with a dot. The
// default is [DefaultTable]. A [Guard] has none.
func WithTable(name string) OptionFunc {
	return func(c *config) error {
		c.ofInbox = append(c.ofInbox, "table")
		c.table = name
		return nil
	}
}

// WithCleanInterval sets how often [Inbox.Cleaner] looks for what is too old. The default is [DefaultCleanInterval]. A [Guard] has none.
func WithCleanInterval(d time.Duration) OptionFunc {
	return func(c *config) error {
		c.ofInbox = append(c.ofInbox, "clean interval")
		return c.positive(&c.every, "clean interval", d)
	}
}

// WithLease sets for how long a message counts as in flight when nothing more is heard of whoever began with it: a process that died holds it up for so long.
// It is extended while the handler runs. The default is [DefaultLease]. An [Inbox] has none.
func WithLease(d time.Duration) OptionFunc {
	return func(c *config) error {
		c.ofGuard = append(c.ofGuard, "lease")
		return c.positive(&c.lease, "lease", d)
	}
}

// WithRecheck sets after how long a message that is in flight elsewhere, or of which the store cannot tell, is looked at again. The default is
// [DefaultRecheck]. An [Inbox] has none.
func WithRecheck(d time.Duration) OptionFunc {
	return func(c *config) error {
		c.ofGuard = append(c.ofGuard, "recheck")
		return c.positive(&c.recheck, "recheck", d)
	}
}

func (c *config) positive(p *time.Duration, name string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s %v: want above 0", name, d)
	}
	*p = d
	return nil
}

// refuse says of each of names that it is about something that what is made does not have.
func refuse(names []string, why string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, fmt.Errorf("%s: %s", name, why))
	}
	return errors.Join(errs...)
}

// checkTTL says if a message can come again, after tries that take as long as retries, when it is forgotten.
func (c *config) checkTTL(retries time.Duration) error {
	if want := add(retries, c.retention); c.ttl < want {
		return fmt.Errorf("TTL %v: want at least %v, since a copy can come so late: %v of tries, %v in the dead letters", c.ttl, want, retries, c.retention)
	}
	return nil
}

// longest is the longest time from the first start of a handler to the last one, as far as p says.
func longest(p *async.Plan) time.Duration {
	sum := p.Pauses
	for _, d := range p.Delays {
		sum = add(sum, d)
	}
	if p.Timeout > 0 {
		if p.Attempts > int(math.MaxInt64/p.Timeout) {
			return math.MaxInt64
		}
		sum = add(sum, time.Duration(p.Attempts)*p.Timeout)
	}
	return sum
}

func add(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// ErrNoID says that a message has no ID, so nobody can tell whether it came before. It is permanent (reliability.Classify).
var ErrNoID = errors.New("message without an ID")

func noID(msg *async.Message) error {
	source := ""
	if msg != nil {
		source = " of " + msg.Source.String()
	}
	return reliability.Permanent(fmt.Errorf("inbox: %w%s: its publisher must give it one", ErrNoID, source))
}
