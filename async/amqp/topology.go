package amqp

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/beatlabs/patron/reliability"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Names of queues that belong to a queue.
const (
	deadSuffix  = ".dead"
	retryInfix  = ".retry."
	guardSuffix = ".reader" // held while the dead letters are read
)

// Arguments of queues.
const (
	argType     = "x-queue-type"
	argSingle   = "x-single-active-consumer"
	argTTL      = "x-message-ttl"
	argLimit    = "x-delivery-limit"
	argExchange = "x-dead-letter-exchange"
	argKey      = "x-dead-letter-routing-key"
	argStrategy = "x-dead-letter-strategy"
	argOverflow = "x-overflow"
)

// maxName is how long a name may be that travels as a short string.
const maxName = 255

// Exchange is one that is declared with [WithExchange]. It is durable unless it says otherwise.
type Exchange struct {
	Name       string         // at most 255 bytes; those with amq. are the broker's
	Kind       string         // direct, fanout, topic, headers, or what a plugin adds
	Transient  bool           // it does not outlive a restart of the broker
	AutoDelete bool           // it goes with the last queue that was bound to it
	Internal   bool           // only other exchanges publish to it
	Arguments  map[string]any // alternate-exchange and the like
}

func (e *Exchange) check() error {
	if err := checkName("exchange", e.Name); err != nil {
		return err
	}
	if e.Kind == "" {
		return fmt.Errorf("exchange %q: kind is empty: want direct, fanout, topic or headers", e.Name)
	}
	if err := amqp091.Table(e.Arguments).Validate(); err != nil {
		return fmt.Errorf("exchange %q: arguments: %w", e.Name, err)
	}
	return nil
}

// binding is one of the consumer's queue.
type binding struct {
	exchange, key string
	arguments     map[string]any
}

func (b *binding) check() error {
	if b.exchange == "" {
		return errors.New("binding: exchange name is empty: every queue is bound to the default exchange by its name")
	}
	if len(b.key) > maxName {
		return fmt.Errorf("binding to %q: routing key of %d bytes: want at most %d", b.exchange, len(b.key), maxName)
	}
	if err := amqp091.Table(b.arguments).Validate(); err != nil {
		return fmt.Errorf("binding to %q: arguments: %w", b.exchange, err)
	}
	return nil
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return errors.New(what + " name is empty")
	case len(name) > maxName:
		return fmt.Errorf("%s name of %d bytes: want at most %d", what, len(name), maxName)
	case strings.HasPrefix(name, "amq."):
		return fmt.Errorf("%s name %q: names with amq. are the broker's", what, name)
	default:
		return nil
	}
}

// queueArguments are those of the consumer's queue.
func (c *config) queueArguments() amqp091.Table {
	args := make(amqp091.Table)
	if c.quorum {
		args[argType] = "quorum"
	}
	if c.single {
		args[argSingle] = true
	}
	// What the broker itself gives up, because its delivery limit is reached, must not be dropped by it.
	if c.quorum && c.deadQueue != "" {
		deadLettered(args, c.deadQueue, true)
	}
	maps.Copy(args, c.arguments)
	return args
}

// deadLettered makes a queue give what expires or is refused to another one.
func deadLettered(args amqp091.Table, to string, quorum bool) {
	args[argExchange], args[argKey] = "", to
	if quorum { // then it is confirmed between the two
		args[argStrategy], args[argOverflow] = "at-least-once", "reject-publish"
	}
}

// deadArguments are those of the queue of dead letters. Reading them gives them back, which a quorum queue counts, and which must never lose one.
func (c *config) deadArguments() amqp091.Table {
	if !c.quorum {
		return nil
	}
	return amqp091.Table{argType: "quorum", argLimit: int64(1 << 30)}
}

// tierName is the queue in which messages wait for delay.
func (c *config) tierName(delay time.Duration) string { return c.subject + retryInfix + delay.String() }

func (c *config) tierArguments(delay time.Duration) amqp091.Table {
	args := amqp091.Table{argTTL: delay.Milliseconds()}
	if c.quorum {
		args[argType] = "quorum"
	}
	deadLettered(args, c.subject, c.quorum)
	return args
}

// tierOf rounds a delay up to what a queue can have.
func tierOf(delay time.Duration) time.Duration {
	return max(time.Millisecond, (delay + time.Millisecond - 1).Truncate(time.Millisecond))
}

// declareExchanges declares or looks for those that the user named.
func (c *config) declareExchanges(ch declaring) error {
	for i := range c.exchanges {
		e := &c.exchanges[i]
		declare := ch.ExchangeDeclare
		if c.passive {
			declare = ch.ExchangeDeclarePassive
		}
		if err := declare(e.Name, e.Kind, !e.Transient, e.AutoDelete, e.Internal, false, amqp091.Table(e.Arguments)); err != nil {
			return c.explain(err, "exchange", e.Name)
		}
	}
	return nil
}

// declareQueue declares or looks for one durable queue.
func (c *config) declareQueue(ch declaring, name string, args amqp091.Table) error {
	declare := ch.QueueDeclare
	if c.passive {
		declare = ch.QueueDeclarePassive
	}
	if _, err := declare(name, true, false, false, false, args); err != nil {
		return c.explain(err, "queue", name)
	}
	return nil
}

// declare declares or looks for everything of a consumer: what is there already stays as it is.
func (c *config) declare(ch declaring, delays []time.Duration) error {
	if err := c.declareExchanges(ch); err != nil {
		return err
	}
	if c.deadQueue != "" {
		if err := c.declareQueue(ch, c.deadQueue, c.deadArguments()); err != nil {
			return err
		}
	}
	if err := c.declareQueue(ch, c.subject, c.queueArguments()); err != nil {
		return err
	}
	for _, delay := range delays {
		if err := c.declareQueue(ch, c.tierName(tierOf(delay)), c.tierArguments(tierOf(delay))); err != nil {
			return err
		}
	}
	if c.passive {
		return nil // nobody can look for a binding
	}
	return c.bind(ch, c.subject)
}

// declareOwn declares what belongs to a consumer of broadcasts: a queue that is its own and goes with its connection.
func (c *config) declareOwn(ch declaring, queue string) error {
	if err := c.declareExchanges(ch); err != nil {
		return err
	}
	if c.deadQueue != "" {
		if err := c.declareQueue(ch, c.deadQueue, c.deadArguments()); err != nil {
			return err
		}
	}
	if _, err := ch.QueueDeclare(queue, false, true, true, false, nil); err != nil {
		return c.explain(err, "queue", queue)
	}
	return c.bind(ch, queue)
}

func (c *config) bind(ch declaring, queue string) error {
	for _, b := range c.bindings {
		if err := ch.QueueBind(queue, b.key, b.exchange, false, amqp091.Table(b.arguments)); err != nil {
			return c.explain(err, "binding of queue "+queue+" to exchange", b.exchange)
		}
	}
	return nil
}

// mismatch is how the broker says that something is declared otherwise.
const mismatch = `inequivalent arg '([^']+)' for \w+ '[^']*' in vhost '[^']*': received (.+) but current is (.+)$`

// explain says what a refusal of the broker is about.
func (c *config) explain(err error, what, name string) error {
	refusal, ok := errors.AsType[*amqp091.Error](err)
	if !ok {
		return fmt.Errorf("%s %q: %w", what, name, err)
	}
	switch refusal.Code {
	case amqp091.NotFound:
		hint := ""
		if c.passive {
			hint = ", and WithoutDeclare forbids to declare it"
		}
		return permanent("%s %q is missing%s: %w", what, name, hint, err)
	case amqp091.AccessRefused:
		return permanent("%s %q: no permission: %w", what, name, err)
	case amqp091.PreconditionFailed:
		if m := regexp.MustCompile(mismatch).FindStringSubmatch(refusal.Reason); m != nil {
			return permanent("%s %q is declared otherwise: argument %s: want %s, there is %s: %w", what, name, m[1], m[2], m[3], err)
		}
		return permanent("%s %q: %w", what, name, err)
	default:
		return fmt.Errorf("%s %q: %w", what, name, err)
	}
}

func permanent(format string, args ...any) error {
	return reliability.Permanent(fmt.Errorf(format, args...))
}

// tiers are the different delays of a plan, each of which has a queue.
func tiers(delays []time.Duration) []time.Duration {
	delays = slices.Clone(delays)
	for i := range delays {
		delays[i] = tierOf(delays[i])
	}
	slices.Sort(delays)
	return slices.Compact(delays)
}
