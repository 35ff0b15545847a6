package amqp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// maxDelay is the longest delay of a retry: a queue counts the life of its messages in milliseconds, in 32 bits.
const maxDelay = 49 * 24 * time.Hour

// Bounds of the prefetch of a channel.
const (
	defaultPrefetch = 256
	maxPrefetch     = 65535
)

// spareDeliveries is how many deliveries beyond the attempts of the policy a quorum queue must allow, and are forgiven: some never led to a start.
const spareDeliveries = 10

// limitOf4 is the delivery limit of a quorum queue that was declared without one, since RabbitMQ 4.
const limitOf4 = 20

// factory makes consumers of one queue.
type factory struct {
	config   *config
	prefetch int
	attempts int             // of the plan
	delays   []time.Duration // of the plan, rounded
	dead     *deadLetters    // nil: there are none
}

var (
	_ async.ConsumerFactory  = (*factory)(nil)
	_ async.Planner          = (*factory)(nil)
	_ async.DeadLetterKeeper = (*factory)(nil)
)

// New returns a factory of consumers of queue, at the broker of the URL: amqp://user:password@host:port/vhost, or amqps. All consumers of a queue share its
// messages. It connects in Create and not before. It returns every fault of its arguments and options, joined; no error of this package shows a password.
func New(url, queue string, oo ...OptionFunc) (async.ConsumerFactory, error) {
	c, err := newConfig(consumes, url, queue, oo)
	if err := errors.Join(checkName("queue", queue), err, c.check()); err != nil {
		return nil, fmt.Errorf("amqp: consumer of %q: %w", queue, err)
	}
	f := &factory{config: c, prefetch: defaultPrefetch, attempts: 1}
	if c.deadQueue != "" {
		f.dead = newDeadLetters(c)
	}
	return f, nil
}

// check says which options do not go together.
func (c *config) check() error {
	var errs []error
	if c.unordered && c.single {
		errs = append(errs, errors.New("WithoutOrder and WithSingleActiveConsumer: want one of them: a single consumer is for the sake of order"))
	}
	if c.deadQueue == c.subject && c.subject != "" && c.role == consumes {
		errs = append(errs, fmt.Errorf("dead-letter queue %q: want another one than the queue", c.deadQueue))
	}
	if c.passive && c.role == consumes && (len(c.bindings) > 0 || len(c.arguments) > 0) {
		errs = append(errs, errors.New("WithoutDeclare: want no bindings and no queue arguments, which are for declaring"))
	}
	return errors.Join(errs...)
}

// Traits implements async.ConsumerFactory.
func (f *factory) Traits() async.Traits {
	c := f.config
	t := async.Traits{
		Ordered: async.OrderedProcess, DeadLetters: c.deadQueue != "", MaxDelay: maxDelay, DelaysOffLane: true,
		CountsDeliveries: c.quorum, ExactAttempts: !c.quorum, Broadcasts: true,
	}
	switch {
	case c.single:
		t.Ordered = async.OrderedGroup
	case c.unordered:
		t.Ordered, t.Redelivers = async.OrderedNone, true
	}
	return t
}

// DeadLetters implements async.DeadLetterKeeper.
func (f *factory) DeadLetters() async.DeadLetters {
	if f.dead == nil {
		return nil
	}
	return f.dead
}

// Plan implements async.Planner: the prefetch is what the component holds at most, and each delay has a queue.
func (f *factory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	planned, err := f.plan(p)
	if err != nil {
		return nil, err
	}
	return planned, nil
}

func (f *factory) plan(p async.Plan) (*factory, error) {
	var errs []error
	if p.MaxHeld > maxPrefetch {
		errs = append(errs, fmt.Errorf("%d held messages: want at most %d, the largest prefetch", p.MaxHeld, maxPrefetch))
	}
	errs = append(errs, f.config.checkHeld(p), f.config.checkLimit(p))
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("amqp: %v of %q: %w", f.config.role, f.config.subject, err)
	}
	planned := *f
	planned.prefetch, planned.attempts, planned.delays = p.MaxHeld, p.Attempts, tiers(p.Delays)
	return &planned, nil
}

// checkHeld compares how long a message may be held with the patience of the broker.
func (c *config) checkHeld(p async.Plan) error {
	if c.consumerTimeout == 0 {
		return nil
	}
	tries := p.Attempts - len(p.Delays)
	held := p.Pauses
	if tries > 0 && p.Timeout > 0 {
		if p.Timeout > (math.MaxInt64-held)/time.Duration(tries) {
			held = math.MaxInt64
		} else {
			held += time.Duration(tries) * p.Timeout
		}
	}
	if held <= c.consumerTimeout {
		return nil
	}
	return fmt.Errorf("%d tries with their pauses can take %v, and the broker closes the channel of a message that is held for %v (consumer_timeout): "+
		"want fewer tries in place, shorter pauses or a shorter handler timeout, or WithConsumerTimeout if the broker has another one",
		tries, held, c.consumerTimeout)
}

// checkLimit compares the attempts with a delivery limit that the user has set.
func (c *config) checkLimit(p async.Plan) error {
	value, ok := c.arguments[argLimit]
	if !ok {
		return nil
	}
	limit := numberOf(amqp091.Table{argLimit: value}, argLimit)
	return limitSuffices(limit, p.Attempts)
}

func limitSuffices(limit, attempts int) error {
	if limit-spareDeliveries >= attempts {
		return nil
	}
	return fmt.Errorf("%d attempts and a delivery limit of %d: want it at least %d above, because a message that is given back unstarted counts as delivered: "+
		"set x-delivery-limit with WithQueueArguments", attempts, limit, spareDeliveries)
}

// Create implements async.ConsumerFactory.
func (f *factory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.create(ctx, f.config.subject)
	if err != nil {
		return nil, fmt.Errorf("amqp: consume %s: %w", f.config.subject, err)
	}
	return c, nil
}

func (f *factory) create(ctx context.Context, queue string) (*consumer, error) {
	conn, err := f.config.connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &consumer{
		factory: f, queue: queue, conn: conn, outlet: newOutlet(f.config), wake: make(chan struct{}, 1), admin: make(chan struct{}, 1),
		source: &async.Source{System: system, Name: f.config.subject, Partition: -1},
	}
	release := context.AfterFunc(ctx, func() { _ = conn.CloseDeadline(time.Now()) }) // the calls below know no context
	err = c.prepare()
	if !release() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		err = errors.Join(err, closing(conn.CloseDeadline(time.Now().Add(closeTime))))
		c.awaitEnd()
		return nil, err
	}
	return c, nil
}

// prepare declares what belongs to a consumer, and subscribes.
func (c *consumer) prepare() error {
	f := c.factory
	if f.config.quorum && major(c.conn.version()) >= 4 && f.config.arguments[argLimit] == nil {
		if err := limitSuffices(limitOf4, f.attempts); err != nil {
			return permanent("%w", err)
		}
	}
	ch, err := c.conn.Channel()
	if err != nil {
		return err
	}
	if err := c.declare(ch, f.delays); err != nil {
		return err
	}
	return c.subscribe(ch)
}

// declare declares what belongs to c, and the queues of some delays.
func (c *consumer) declare(ch channel, delays []time.Duration) error {
	config := c.factory.config
	if config.role == broadcasts {
		return config.declareOwn(ch, c.queue)
	}
	return config.declare(ch, delays)
}

// tag is the name of a consumer, which must differ from the others of its channel only; at the broker it is easier to find if it differs from all.
func tag(subject string) string {
	tag := "patron." + subject + "." + correlation.New()
	return tag[max(0, len(tag)-maxName):]
}
