package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// consumer is one connection with one subscription at a time. A channel that is closed (a consumer that the broker cancelled, a message that was held for too
// long) is followed by another on the same connection; when the connection is lost, so is the consumer.
type consumer struct {
	factory *factory
	queue   string
	conn    connection
	outlet  *outlet // of dead letters and retries
	source  *async.Source
	wake    chan struct{}
	out     []*async.Message // what Receive returned last; the next one fills it anew
	admin   chan struct{}    // a token for whoever uses lookout
	lookout channel          // for the lag and for declaring; nil: none yet

	writing sync.Mutex // taken before mu by who writes acknowledgements, so that they are written in the order in which they were joined

	mu     sync.Mutex // guards everything below, and the subscription
	sub    *subscription
	closed bool
	absent bool            // a queue was gone to which something was sent
	tiers  []time.Duration // that were declared beside those of the plan
	drain  drain
}

var (
	_ async.Consumer    = (*consumer)(nil)
	_ async.Lagger      = (*consumer)(nil)
	_ component.Checker = (*consumer)(nil)
)

func (c *consumer) errorf(operation string, err error) error {
	return fmt.Errorf("amqp: %s %s: %w", operation, c.factory.config.subject, err)
}

// Receive implements async.Consumer. The slice that it returns is used again by the next Receive.
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if limit < 1 {
		return nil, c.errorf("receive from", errors.New("limit below 1"))
	}
	for {
		if ctx.Err() != nil {
			c.quit()
			return nil, ctx.Err()
		}
		c.mu.Lock()
		sub := c.sub
		c.pullLocked(sub, limit)
		mm, dead, deliveries := c.hand(sub, limit), sub.dead, sub.deliveries
		c.mu.Unlock()
		if len(mm) > 0 {
			return mm, nil
		}
		if dead != nil {
			if err := c.again(ctx, dead); err != nil {
				return nil, c.errorf("receive from", err)
			}
			continue
		}
		c.await(ctx.Done(), sub, deliveries)
	}
}

// await blocks until something is delivered, which it keeps, or there is another reason to look again.
func (c *consumer) await(done <-chan struct{}, sub *subscription, deliveries <-chan amqp091.Delivery) {
	select {
	case d, ok := <-deliveries:
		c.mu.Lock()
		defer c.mu.Unlock()
		if !ok {
			sub.deliveries = nil
			return
		}
		c.takeLocked(sub, &d)
	case <-c.wake:
	case <-done:
	}
}

// again subscribes on another channel, if the connection lives.
func (c *consumer) again(ctx context.Context, cause error) error {
	if c.conn.IsClosed() {
		return cause
	}
	release := context.AfterFunc(ctx, func() { _ = c.conn.CloseDeadline(time.Now()) })
	err := c.prepare()
	if !release() {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%w; subscribe again: %w", cause, err)
	}
	return nil
}

// quit is called when Receive is to stop. What is given back must not come straight back; where order counts nothing is given back before Close, and the
// broker must not let another consumer begin while something runs here.
func (c *consumer) quit() {
	c.mu.Lock()
	sub := c.sub
	if !c.factory.config.unordered || c.factory.config.role == broadcasts || sub.quitting || sub.dead != nil {
		c.mu.Unlock()
		return
	}
	sub.quitting = true
	c.mu.Unlock()
	_ = sub.ch.Cancel(sub.tag, true) // if the connection is lost, Settle and Close will say so
}

// Settle implements async.Consumer. Acknowledgements of AMQP are not confirmed: a nil says that it is written within a millisecond, to a connection that lived
// until then. If that dies before the broker reads it, the message comes again.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	w := c.sort(ss)
	lost := c.acknowledge(w.done)
	c.requeue(w.back)
	if len(w.moves) > 0 {
		if err := c.move(ctx, w.moves); err != nil {
			lost = errors.Join(lost, err)
		}
	}
	if lost != nil && c.conn.IsClosed() {
		return c.errorf("settle", lost)
	}
	return nil
}

// work is what a Settle has to do.
type work struct {
	done  []*async.Settlement
	back  []*async.Settlement
	moves []move
}

// move is a settlement that sends the message somewhere before it is taken off.
type move struct {
	settlement *async.Settlement
	flight     *flight // nil: it is there already
}

// sort says what is to be done for each settlement. What is not ours any more gets ErrLost.
func (c *consumer) sort(ss []async.Settlement) work {
	w := work{done: make([]*async.Settlement, 0, len(ss))}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range ss {
		s := &ss[i]
		it := itemOf(s.Message)
		if it == nil || it.sub != c.sub || it.settled || c.sub.dead != nil {
			s.Err = async.ErrLost
			continue
		}
		s.Err = nil
		switch s.Verdict {
		case async.Ack:
			w.done = append(w.done, s)
		case async.Release:
			c.releaseLocked(&w, s, it)
		case async.Retry:
			c.retryLocked(&w, s, it)
		case async.Reject:
			c.rejectLocked(&w, s, it, now)
		default:
			s.Err = errors.New(s.Verdict.String())
		}
	}
	return w
}

// tier is the queue in which messages wait for a delay.
func (c *consumer) tier(delay time.Duration) string { return c.factory.config.tierName(tierOf(delay)) }

// planned reports whether there is a queue for a delay, which is rounded.
func (c *consumer) planned(delay time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.factory.delays, delay) || slices.Contains(c.tiers, delay)
}

// releaseLocked gives a message back. In order it stays with us, unsettled, until the channel is closed: what goes back earlier would be overtaken.
func (c *consumer) releaseLocked(w *work, s *async.Settlement, it *item) {
	switch {
	case !c.factory.config.unordered:
		it.settled = true
	case it.msg.Attempt == it.attempt:
		w.back = append(w.back, s)
	default:
		w.moves = append(w.moves, move{settlement: s, flight: &flight{key: c.queue, publishing: it.retried()}})
	}
}

// retryLocked sends a message to the queue in which it waits.
func (c *consumer) retryLocked(w *work, s *async.Settlement, it *item) {
	config := c.factory.config
	switch {
	case s.Delay > maxDelay:
		s.Err = fmt.Errorf("delay %v: want at most %v", s.Delay, maxDelay)
	case s.Delay <= 0 && it.msg.Attempt == it.attempt && config.unordered:
		w.back = append(w.back, s)
	case s.Delay <= 0:
		w.moves = append(w.moves, move{settlement: s, flight: &flight{key: c.queue, publishing: it.retried()}})
	default:
		w.moves = append(w.moves, move{settlement: s, flight: &flight{key: c.tier(s.Delay), publishing: it.retried()}})
	}
}

// rejectLocked writes a dead letter, once for a delivery.
func (c *consumer) rejectLocked(w *work, s *async.Settlement, it *item, now time.Time) {
	dead := c.factory.config.deadQueue
	switch {
	case dead == "":
		s.Err = errors.New("reject: there is no queue for dead letters")
	case it.letter:
		w.moves = append(w.moves, move{settlement: s})
	default:
		w.moves = append(w.moves, move{settlement: s, flight: &flight{key: dead, publishing: it.dead(s.Cause, now)}})
	}
}

// acknowledge takes messages off. The error says why that is not possible any more.
func (c *consumer) acknowledge(ss []*async.Settlement) error {
	if len(ss) == 0 {
		return nil
	}
	items := make([]*item, 0, len(ss))
	c.mu.Lock()
	sub := c.sub
	for _, s := range ss {
		it := itemOf(s.Message)
		if sub.dead != nil || it.sub != sub || it.settled {
			s.Err = async.ErrLost // it was given twice, or its channel has died since
			continue
		}
		it.settled = true
		items = append(items, it)
	}
	sub.acked(items)
	now := sub.pending.count >= mostAcks || sub.pending.count > c.factory.prefetch/4
	if !now && !sub.flushing {
		sub.flushing = true
		sub.flush.Reset(ackEvery)
	}
	c.mu.Unlock()
	var err error
	if now {
		err = c.flushAcks(sub)
	}
	return c.written(sub, ss, err)
}

// flushed is called by the timer.
func (c *consumer) flushed(sub *subscription) {
	c.mu.Lock()
	sub.flushing = false
	c.mu.Unlock()
	_ = c.flushAcks(sub) // if the channel is closed the messages come again, and who has them is told by the claim
}

// flushAcks writes the acknowledgements that wait.
func (c *consumer) flushAcks(sub *subscription) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	t := sub.joined()
	c.mu.Unlock()
	return t.send(sub.ch)
}

// written says whether what was written can have reached the broker.
func (c *consumer) written(sub *subscription, ss []*async.Settlement, err error) error {
	if err == nil {
		c.mu.Lock()
		err = sub.dead
		c.mu.Unlock()
	}
	if err == nil && c.conn.IsClosed() {
		err = errLostConnection
	}
	if err == nil {
		return nil
	}
	for _, s := range ss {
		s.Err = fmt.Errorf("%w: %w", async.ErrLost, err)
	}
	return err
}

// requeue gives messages back at once.
func (c *consumer) requeue(ss []*async.Settlement) {
	for _, s := range ss {
		it := itemOf(s.Message)
		c.mu.Lock()
		lost := it.settled || it.sub.dead != nil
		if !lost {
			it.settled = true
			it.sub.unlink(it)
			c.unmarkLocked()
		}
		c.mu.Unlock()
		if lost {
			s.Err = async.ErrLost
			continue
		}
		if err := it.sub.ch.Nack(it.delivery.DeliveryTag, false, true); err != nil {
			s.Err = fmt.Errorf("%w: %w", async.ErrLost, err)
		}
	}
}

// move sends messages to where they go, tells those who want to know of dead letters, and takes off what has arrived.
func (c *consumer) move(ctx context.Context, moves []move) error {
	if err := c.restore(ctx, moves); err != nil {
		for _, m := range moves {
			m.settlement.Err = err
		}
		return nil
	}
	flights := make([]*flight, 0, len(moves))
	for _, m := range moves {
		if m.flight != nil {
			flights = append(flights, m.flight)
		}
	}
	c.mu.Lock()
	c.unmarkLocked()
	c.mu.Unlock()
	failed := c.outlet.send(ctx, flights)
	done := make([]*async.Settlement, 0, len(moves))
	for _, m := range moves {
		s := m.settlement
		it := itemOf(s.Message)
		if m.flight != nil {
			if s.Err = errors.Join(failed, m.flight.err); s.Err != nil {
				c.noteMissing(s.Err)
				continue
			}
			it.letter = it.letter || s.Verdict == async.Reject
		}
		if s.Verdict == async.Reject && s.Written != nil {
			if s.Err = s.Written(ctx); s.Err != nil {
				continue
			}
		}
		done = append(done, s)
	}
	return c.acknowledge(done)
}

// noteMissing remembers that a queue was gone to which something was sent.
func (c *consumer) noteMissing(err error) {
	if _, ok := errors.AsType[*unroutableError](err); ok {
		c.mu.Lock()
		c.absent = true
		c.mu.Unlock()
	}
}

// restore declares the queues to which moves go, if they are not those of the plan or if one was missing.
func (c *consumer) restore(ctx context.Context, moves []move) error {
	config := c.factory.config
	var unplanned []time.Duration
	for _, m := range moves {
		if s := m.settlement; s.Verdict == async.Retry && s.Delay > 0 && !c.planned(tierOf(s.Delay)) {
			unplanned = append(unplanned, s.Delay)
		}
	}
	c.mu.Lock()
	absent := c.absent
	c.mu.Unlock()
	if config.passive || !absent && len(unplanned) == 0 {
		return nil
	}
	err := c.look(ctx, func(ch channel) error { return c.declare(ch, append(tiers(unplanned), c.factory.delays...)) })
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.absent = false
	c.tiers = append(c.tiers, tiers(unplanned)...)
	return nil
}

// Check implements component.Checker. It does not ask the broker.
func (c *consumer) Check(context.Context) error {
	c.mu.Lock()
	dead := c.sub.dead
	c.mu.Unlock()
	switch {
	case c.conn.IsClosed():
		return c.errorf("consume", errors.Join(errLostConnection, dead))
	case dead != nil:
		return c.errorf("consume", dead)
	}
	if err := c.outlet.check(); err != nil {
		return c.errorf("dead letters and retries of", err)
	}
	return nil
}

// errLostConnection says that nothing comes over a connection any more.
var errLostConnection = errors.New("connection lost")

// Close implements async.Consumer. The channel is closed first: by then everything unsettled is back in the queue, in order.
func (c *consumer) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	sub := c.sub
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, afterwards)
	defer cancel()
	release := context.AfterFunc(ctx, func() { _ = c.conn.CloseDeadline(time.Now()) })
	defer release()
	alive := !c.conn.IsClosed()
	sub.flush.Stop()
	err := errors.Join(closing(c.flushAcks(sub)), closing(sub.ch.Close()), closing(c.conn.CloseDeadline(time.Now().Add(closeTime))))
	err = errors.Join(err, c.outlet.close(ctx))
	c.awaitEnd()
	if err != nil && alive {
		return c.errorf("close consumer of", err)
	}
	return nil
}

// awaitEnd waits for the goroutine of the subscription. The connection is closed, so it comes to its end.
func (c *consumer) awaitEnd() {
	c.mu.Lock()
	sub := c.sub
	c.mu.Unlock()
	if sub != nil {
		<-sub.over
	}
}

// Lag implements async.Lagger. The broker says what is ready in the queue and in those of the retries; to it comes what this consumer has. What others have is
// not known to it.
func (c *consumer) Lag(ctx context.Context) ([]async.Lag, error) {
	config := c.factory.config
	lag := async.Lag{Source: c.source}
	err := c.look(ctx, func(ch channel) error {
		c.mu.Lock()
		delays := append(append([]time.Duration(nil), c.factory.delays...), c.tiers...)
		c.mu.Unlock()
		for _, delay := range delays {
			n, err := count(ch, config.tierName(delay))
			if err != nil {
				return err
			}
			lag.Messages += n
		}
		n, err := count(ch, c.queue)
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pullLocked(c.sub, c.factory.prefetch)
		waiting := int64(len(c.sub.buffer))
		lag.Messages += n + waiting + int64(c.sub.out)
		if lag.Ready = waiting; c.sub.out+len(c.sub.buffer) < c.factory.prefetch && !config.single {
			lag.Ready += n
		}
		return nil
	})
	if err != nil {
		return nil, c.errorf("lag of", err)
	}
	return []async.Lag{lag}, nil
}

// count returns how many messages are ready in a queue.
func count(ch declaring, queue string) (int64, error) {
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return 0, fmt.Errorf("queue %q: %w", queue, err)
	}
	return int64(q.Messages), nil
}

// look calls f with a channel that nothing else depends on: a question about a queue that is gone closes it. The library knows no context, so when ctx ends
// first, f goes on until the broker answers or is taken for gone.
func (c *consumer) look(ctx context.Context, f func(ch channel) error) error {
	select {
	case c.admin <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	done := make(chan error, 1)
	go func() {
		err := c.looked(f)
		<-c.admin
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *consumer) looked(f func(ch channel) error) error {
	if c.lookout == nil {
		ch, err := c.conn.Channel()
		if err != nil {
			return err
		}
		c.lookout = ch
	}
	err := f(c.lookout)
	if err != nil {
		_ = c.lookout.Close() // it is closed already if the broker refused
		c.lookout = nil
	}
	return err
}
