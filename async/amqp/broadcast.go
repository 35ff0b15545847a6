package amqp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// broadcastWait is how long a consumer that is drained waits for what is on its way before it says that there is more to come.
const broadcastWait = 50 * time.Millisecond

// headerMarker is in the message that a consumer sends itself to learn that everything before it has come.
const headerMarker = "Patron-Amqp-Marker"

// NewBroadcast returns a factory of consumers of exchange each of which gets every message that is sent while it lives: the instances of a service that all
// must know. Each has a queue of its own, which dies with its connection, and what is in it too. The exchange is declared as a durable fanout, unless an
// [WithExchange] of that name says otherwise, and the queue bound to it with an empty routing key, unless there is a [WithBinding]. Publishers to it want
// [WithUnroutable]: without consumers a message is for nobody. What is rejected is a dead letter of the exchange, in the durable queue of its name and ".dead".
func NewBroadcast(url, exchange string, oo ...OptionFunc) (async.ConsumerFactory, error) {
	c, err := newConfig(broadcasts, url, exchange, oo)
	if err := errors.Join(checkName("exchange", exchange), err, c.check()); err != nil {
		return nil, fmt.Errorf("amqp: broadcast consumer of %q: %w", exchange, err)
	}
	if len(c.bindings) == 0 {
		c.bindings = []binding{{exchange: exchange}}
	}
	declared := false
	for i := range c.exchanges {
		declared = declared || c.exchanges[i].Name == exchange
	}
	if !declared {
		c.exchanges = append(c.exchanges, Exchange{Name: exchange, Kind: amqp091.ExchangeFanout})
	}
	f := &broadcastFactory{factory{config: c, prefetch: defaultPrefetch, attempts: 1}}
	if c.deadQueue != "" {
		f.dead = newDeadLetters(c)
	}
	return f, nil
}

// broadcastFactory makes consumers with queues of their own.
type broadcastFactory struct{ factory }

var (
	_ async.ConsumerFactory  = (*broadcastFactory)(nil)
	_ async.Planner          = (*broadcastFactory)(nil)
	_ async.DeadLetterKeeper = (*broadcastFactory)(nil)
)

// Traits implements async.ConsumerFactory. Each consumer is alone with its messages, which die with it.
func (f *broadcastFactory) Traits() async.Traits {
	t := f.factory.Traits()
	t.Volatile, t.StopWait, t.MaxDelay, t.DelaysOffLane = true, broadcastWait, 0, false
	return t
}

// Plan implements async.Planner.
func (f *broadcastFactory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	planned, err := f.plan(p)
	if err != nil {
		return nil, err
	}
	return &broadcastFactory{*planned}, nil
}

// Create implements async.ConsumerFactory.
func (f *broadcastFactory) Create(ctx context.Context) (async.Consumer, error) {
	exchange := f.config.subject
	c, err := f.create(ctx, tag(exchange))
	if err != nil {
		return nil, fmt.Errorf("amqp: consume broadcast of %s: %w", exchange, err)
	}
	return &broadcastConsumer{consumer: c}, nil
}

// broadcastConsumer is a consumer with a queue of its own, which is drained when it stops.
type broadcastConsumer struct {
	*consumer
	left bool // its queue gets nothing new
}

// drain is how far a consumer with a queue of its own is on the way to empty it; guarded by the consumer's mutex.
type drain struct {
	marker string // on its way; "": there is none
	passed bool   // it has come, so that nothing was before it
}

// Receive implements async.Consumer. With an ended context it takes the queue from its exchanges and gives what is in it, until that is nothing.
func (c *broadcastConsumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if ctx.Err() == nil {
		mm, err := c.consumer.Receive(ctx, limit)
		if err == nil || ctx.Err() == nil {
			return mm, err
		}
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if !c.left {
		if err := c.look(late, c.leave); err != nil {
			return nil, c.errorf("drain broadcast of", err)
		}
		c.left = true
	}
	waiting, stop := context.WithTimeout(context.WithoutCancel(ctx), broadcastWait)
	defer stop()
	over := waiting.Done()
	for {
		c.mu.Lock()
		sub := c.sub
		c.pullLocked(sub, limit)
		mm, dead, deliveries := c.hand(sub, limit), sub.dead, sub.deliveries
		marker := c.drain.marker
		empty := c.drain.passed && sub.out == 0
		c.mu.Unlock()
		switch {
		case len(mm) > 0:
			return mm, nil
		case dead != nil:
			return nil, c.errorf("drain broadcast of", dead)
		case empty:
			return nil, io.EOF
		case marker == "":
			if err := c.look(late, c.mark); err != nil {
				return nil, c.errorf("drain broadcast of", err)
			}
		}
		select {
		case <-over:
			return nil, ctx.Err()
		default:
			c.await(over, sub, deliveries)
		}
	}
}

// leave takes the queue from its exchanges.
func (c *broadcastConsumer) leave(ch channel) error {
	for _, b := range c.factory.config.bindings {
		if err := ch.QueueUnbind(c.queue, b.key, b.exchange, amqp091.Table(b.arguments)); err != nil {
			return c.factory.config.explain(err, "exchange", b.exchange)
		}
	}
	return nil
}

// mark sends a message behind all that are in the queue.
func (c *broadcastConsumer) mark(ch channel) error {
	marker := correlation.New()
	c.mu.Lock()
	c.drain = drain{marker: marker}
	c.mu.Unlock()
	return ch.Publish("", c.queue, false, false, amqp091.Publishing{Headers: amqp091.Table{headerMarker: marker}})
}

// isMarkerLocked reports whether d is a marker, and takes note of the one that is awaited. It is not acknowledged: it dies with the queue.
func (c *consumer) isMarkerLocked(d *amqp091.Delivery) bool {
	if c.factory.config.role != broadcasts {
		return false
	}
	marker, ok := d.Headers[headerMarker].(string)
	if ok && marker == c.drain.marker {
		c.drain.passed = true
	}
	return ok
}

// unmarkLocked says that something goes back to the queue, behind a marker.
func (c *consumer) unmarkLocked() { c.drain = drain{} }
