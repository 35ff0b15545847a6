package amqp

import (
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// errCancelled is why a subscription ends that the broker has cancelled.
var errCancelled = errors.New("cancelled by the broker: the queue was deleted, or is led by another node now")

// subscription is one channel with one consumer of the broker: a claim on what comes over it. All of it is guarded by the consumer's mutex but the channel,
// which is used by Settle alone once messages come.
type subscription struct {
	ch       channel
	tag      string
	claim    *async.Claim
	buffer   []*item // delivered, and not yet handed out
	first    *item   // handed out and not taken off, by their tags
	last     *item
	out      int
	quitting bool // cancelled by us
	dead     error
	over     chan struct{} // closed when nothing comes any more
}

// subscribe makes ch the channel of c.
func (c *consumer) subscribe(ch channel) error {
	f := c.factory
	sub := &subscription{ch: ch, tag: tag(c.queue), claim: async.NewClaim(), over: make(chan struct{})}
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	cancelled := ch.NotifyCancel(make(chan string, 1))
	if err := ch.Qos(f.prefetch, 0, false); err != nil {
		return fmt.Errorf("prefetch %d: %w", f.prefetch, err)
	}
	deliveries, err := ch.Consume(c.queue, sub.tag, false, false, false, false, nil)
	if err != nil {
		return f.config.explain(err, "queue", c.queue)
	}
	c.mu.Lock()
	c.sub = sub
	c.mu.Unlock()
	go func() { // Close waits for it
		defer close(sub.over)
		for d := range deliveries {
			c.take(sub, &d)
		}
		c.end(sub, ending(closed, cancelled))
	}()
	return nil
}

// take keeps a delivery for the next Receive.
func (c *consumer) take(sub *subscription, d *amqp091.Delivery) {
	it := &item{delivery: *d, sub: sub}
	c.mu.Lock()
	first := true
	if !c.isMarkerLocked(d) {
		sub.buffer = append(sub.buffer, it)
		first = len(sub.buffer) == 1
	}
	c.mu.Unlock()
	if first {
		c.awake()
	}
}

// awake makes a Receive that blocks look again.
func (c *consumer) awake() {
	select {
	case c.wake <- struct{}{}:
	default: // it will anyway
	}
}

// ending returns why a channel brings nothing more. The library says it before it closes the channel of deliveries.
func ending(closed <-chan *amqp091.Error, cancelled <-chan string) error {
	select {
	case refusal := <-closed:
		if refusal != nil {
			return refusal
		}
	default:
	}
	select {
	case tag, ok := <-cancelled:
		if ok && tag != "" {
			return errCancelled
		}
	default:
	}
	return amqp091.ErrClosed
}

// end makes a subscription useless: what it delivered is the broker's to give again, to whomever.
func (c *consumer) end(sub *subscription, cause error) {
	c.mu.Lock()
	if sub.quitting || c.closed {
		c.mu.Unlock()
		return // what was handed out can still be settled
	}
	if sub.dead == nil {
		sub.dead = cause
	}
	sub.buffer = nil
	c.mu.Unlock()
	sub.claim.Lose(cause)
	if errors.Is(cause, errCancelled) {
		_ = sub.ch.Close() // so that what is out goes back
	}
	c.awake()
}

// hand hands out up to limit deliveries.
func (c *consumer) hand(sub *subscription, limit int) []*async.Message {
	n := min(limit, len(sub.buffer))
	if n == 0 {
		return nil
	}
	if cap(c.out) < n {
		c.out = make([]*async.Message, 0, max(n, 64))
	}
	c.out = c.out[:0]
	for i, it := range sub.buffer[:n] {
		sub.buffer[i] = nil
		c.fill(it)
		sub.link(it)
		c.out = append(c.out, &it.msg)
	}
	if sub.buffer = sub.buffer[n:]; len(sub.buffer) == 0 {
		sub.buffer = nil
	}
	return c.out
}

// fill makes it a message.
func (c *consumer) fill(it *item) {
	config := c.factory.config
	m, t := &it.msg, it.delivery.Headers
	fill(m, &it.delivery, config.keyOf)
	m.Source, m.Claim, m.Raw = c.source, it.sub.claim, it
	if !config.unordered && len(m.Key) > 0 {
		m.Lane = async.LaneOf(c.source, m.Key)
	}
	m.Attempt = numberOf(t, headerAttempts)
	if config.quorum {
		m.Deliveries = deliveries(t)
		// So many deliveries, and no end: it takes its process down. The engine, told so, does not start it again.
		if n := m.Deliveries - 1; n > c.factory.attempts+spareDeliveries {
			m.Attempt = max(m.Attempt, n)
		}
	}
	it.attempt = m.Attempt
}

// link puts a delivery behind those that are out.
func (s *subscription) link(it *item) {
	it.prev = s.last
	if s.last == nil {
		s.first = it
	} else {
		s.last.next = it
	}
	s.last = it
	s.out++
}

// unlink takes a delivery out: the broker is told that it is done.
func (s *subscription) unlink(it *item) {
	if it.prev == nil {
		s.first = it.next
	} else {
		it.prev.next = it.next
	}
	if it.next == nil {
		s.last = it.prev
	} else {
		it.next.prev = it.prev
	}
	it.prev, it.next = nil, nil
	s.out--
}

// tags are the acknowledgements of several deliveries: one for all up to a tag below which nothing is out, and those that stand alone above it.
type tags struct {
	upTo  uint64 // 0: there is none
	alone []uint64
}

// acked takes deliveries out, and returns how the broker is told.
func (s *subscription) acked(items []*item, alone []uint64) tags {
	for _, it := range items {
		s.unlink(it)
	}
	t := tags{alone: alone[:0]}
	for _, it := range items {
		tag := it.delivery.DeliveryTag
		if s.first == nil || tag < s.first.delivery.DeliveryTag {
			t.upTo = max(t.upTo, tag)
		} else {
			t.alone = append(t.alone, tag)
		}
	}
	return t
}

// send tells the broker.
func (t tags) send(ch channel) error {
	if t.upTo > 0 {
		if err := ch.Ack(t.upTo, true); err != nil {
			return err
		}
	}
	for _, tag := range t.alone {
		if err := ch.Ack(tag, false); err != nil {
			return err
		}
	}
	return nil
}

// afterwards is how long a consumer waits for its last subscription to end.
const afterwards = 5 * time.Second
