package amqp

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// errCancelled is why a subscription ends that the broker has cancelled.
var errCancelled = errors.New("cancelled by the broker: the queue was deleted, or is led by another node now")

// subscription is one channel with one consumer of the broker: a claim on what comes over it. All of it is guarded by the consumer's mutex but the channel,
// which is used by Settle alone once messages come.
type subscription struct {
	ch         channel
	tag        string
	claim      *async.Claim
	deliveries <-chan amqp091.Delivery // nil: nothing comes any more
	buffer     []*item                 // taken from there, and not yet handed out, by their tags
	first      *item                   // handed out and not taken off, by their tags
	last       *item
	out        int
	pending    tags        // acknowledgements that are not yet written
	flush      *time.Timer // writes them
	flushing   bool        // the timer runs
	quitting   bool        // cancelled by us
	dead       error
	over       chan struct{} // closed when the channel is
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
	sub.deliveries = deliveries
	sub.flush = time.AfterFunc(time.Hour, func() { c.flushed(sub) })
	sub.flush.Stop()
	c.mu.Lock()
	c.sub = sub
	c.mu.Unlock()
	go func() { // Close waits for it
		defer close(sub.over)
		c.end(sub, awaitEnding(closed, cancelled))
	}()
	return nil
}

// takeLocked keeps a delivery to be handed out. Receive and Lag take from the same Go channel, so one of them may come with an earlier delivery later.
func (c *consumer) takeLocked(sub *subscription, d *amqp091.Delivery) {
	if sub.dead != nil || c.isMarkerLocked(d) {
		return
	}
	it := &item{delivery: *d, sub: sub}
	at := len(sub.buffer)
	for at > 0 && sub.buffer[at-1].delivery.DeliveryTag > d.DeliveryTag {
		at--
	}
	sub.buffer = slices.Insert(sub.buffer, at, it)
}

// pullLocked takes what is there, until so many are kept.
func (c *consumer) pullLocked(sub *subscription, most int) {
	for len(sub.buffer) < most && sub.deliveries != nil {
		select {
		case d, ok := <-sub.deliveries:
			if !ok {
				sub.deliveries = nil
				return
			}
			c.takeLocked(sub, &d)
		default:
			return
		}
	}
}

// awake makes a Receive that blocks look again.
func (c *consumer) awake() {
	select {
	case c.wake <- struct{}{}:
	default: // it will anyway
	}
}

// awaitEnding blocks until a channel is closed or its consumer cancelled, and says why.
func awaitEnding(closed <-chan *amqp091.Error, cancelled <-chan string) error {
	select {
	case refusal := <-closed:
		return ending(refusal)
	case _, ok := <-cancelled:
		if ok {
			return errCancelled
		}
		return ending(<-closed)
	}
}

func ending(refusal *amqp091.Error) error {
	if refusal == nil {
		return amqp091.ErrClosed
	}
	return refusal
}

// end makes a subscription useless: what it delivered is the broker's to give again, to whomever.
func (c *consumer) end(sub *subscription, cause error) {
	c.mu.Lock()
	sub.flush.Stop()
	if c.closed {
		c.mu.Unlock()
		return
	}
	if sub.dead == nil {
		sub.dead = cause
	}
	sub.buffer, sub.deliveries = nil, nil
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

// tags are acknowledgements: of everything up to a tag below which nothing is out, and of those above it that stand alone.
type tags struct {
	upTo  uint64 // 0: there is none
	alone []uint64
	count int // messages that they are of
}

// Acknowledgements wait for others, so that one frame is written for many: so long, and so many. What a crash repeats grows by as much.
const (
	ackEvery = time.Millisecond
	mostAcks = 64
)

// acked takes deliveries out. The broker is told with the next flush.
func (s *subscription) acked(items []*item) {
	for _, it := range items {
		s.unlink(it)
	}
	for _, it := range items {
		s.pending.alone = append(s.pending.alone, it.delivery.DeliveryTag)
	}
	s.pending.count += len(items)
}

// joined takes the acknowledgements that wait, joined as far as nothing is out below them.
func (s *subscription) joined() tags {
	t := s.pending
	s.pending = tags{}
	rest := t.alone[:0]
	for _, tag := range t.alone {
		if s.first == nil || tag < s.first.delivery.DeliveryTag {
			t.upTo = max(t.upTo, tag)
		} else {
			rest = append(rest, tag)
		}
	}
	t.alone = rest
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
