package memory

import (
	"context"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// maxDelay bounds the delay of a retry.
const maxDelay = 365 * 24 * time.Hour

// factory makes consumers of one queue.
type factory struct{ queue *queue }

var (
	_ async.ConsumerFactory  = (*factory)(nil)
	_ async.DeadLetterKeeper = (*factory)(nil)
)

// Consumer returns a factory of consumers of queue. All consumers of a queue share its messages: each message goes to one of them, and the messages of a
// key to one at a time, in order.
func (b *Broker) Consumer(queue string) async.ConsumerFactory { return &factory{queue: b.queue(queue)} }

// Create implements async.ConsumerFactory. It opens a queue again that was drained and closed.
func (f *factory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.create(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (f *factory) create(ctx context.Context) (*consumer, error) {
	q := f.queue
	if err := ctx.Err(); err != nil {
		return nil, q.errorf("consume", err)
	}
	if _, err := q.faults.strike(ctx, OpCreate, q.name); err != nil {
		return nil, q.errorf("consume", err)
	}
	c := &consumer{
		queue: q, wake: make(chan struct{}, 1), held: list{which: inHeld},
		source: newSource(q.name),
	}
	c.renewClaimLocked() // nobody else knows c yet
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.name == "":
		return nil, q.errorf("consume", reliability.Permanent(errNoName))
	case q.down:
		return nil, q.errorf("consume", ErrDown)
	}
	q.closed = false
	q.consumers = append(q.consumers, c)
	q.going++
	return c, nil
}

// DeadLetters implements async.DeadLetterKeeper.
func (f *factory) DeadLetters() async.DeadLetters { return f.queue.dead }

// Traits implements async.ConsumerFactory.
func (f *factory) Traits() async.Traits {
	return async.Traits{
		Ordered:          async.OrderedGroup,
		Volatile:         !f.queue.config.keep,
		DeadLetters:      true,
		MaxDelay:         maxDelay,
		StopWait:         f.queue.config.stopWait,
		Visibility:       f.queue.config.visibility,
		Redelivers:       true,
		CountsDeliveries: true,
		ExactAttempts:    true,
		MaxPublishDelay:  maxDelay,
		Broadcasts:       true,
	}
}
