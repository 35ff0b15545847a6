package memory

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
)

// errConsumerClosed is what a consumer says that was closed.
var errConsumerClosed = errors.New("consumer closed")

// consumer is one of those that share a queue.
type consumer struct {
	queue  *queue
	source *async.Source // its own: the engine counts in it what this consumer's session holds
	wake   chan struct{}
	out    []*async.Message // what Receive returned last; the next one fills it anew
	broken atomic.Bool      // its connection failed, so its owner will come again with another

	// Guarded by the mutex of the queue:
	held     list // in flight here; with leases the one that ends first in front
	claim    *async.Claim
	revoking int
	waiting  bool  // a Receive waits for a token in wake
	stopping bool  // its Receive came with an ended context
	err      error // why it is of no more use
}

var (
	_ async.Consumer = (*consumer)(nil)
	_ async.Extender = (*consumer)(nil)
	_ async.Lagger   = (*consumer)(nil)
)

// Receive implements async.Consumer. The slice that it returns is used again by the next Receive.
//
// With an ended context the consumer is stopping. While others of the queue go on, it takes nothing more, and gets io.EOF once it holds nothing. If there
// is no other, it takes what is queued, delayed messages at once, and gets io.EOF when nothing is queued or in flight; in the same step the queue is
// closed. Until then a Receive without messages returns the error of the context after [WithStopWait].
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	q := c.queue
	if limit < 1 {
		return nil, q.errorf("receive from", errors.New("limit below 1"))
	}
	if _, err := q.faults.strike(ctx, OpReceive, q.name); err != nil {
		c.broken.Store(true)
		return nil, q.errorf("receive from", err)
	}
	var stop time.Time
	for {
		stopping := ctx.Err() != nil
		switch {
		case stopping && q.config.keep:
			q.quit(c)
			return nil, ctx.Err()
		case stopping && stop.IsZero():
			stop = time.Now().Add(q.config.stopWait)
		}
		q.endLeases()
		next, err := q.receive(c, limit, stopping)
		switch {
		case err == io.EOF: //nolint:errorlint // it is ours, and Receive must return it as it is
			return nil, err
		case err != nil:
			return nil, q.errorf("receive from", err)
		case len(c.out) > 0:
			return c.out, nil
		case stopping && !time.Now().Before(stop):
			q.quit(c)
			return nil, ctx.Err()
		}
		c.await(ctx, next, stop)
	}
}

// await blocks until c is woken, next or stop has come, or ctx ends; a ctx that has ended is not waited for again.
func (c *consumer) await(ctx context.Context, next, stop time.Time) {
	done := ctx.Done()
	if !stop.IsZero() {
		done = nil
		if next.IsZero() || stop.Before(next) {
			next = stop
		}
	}
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-c.wake:
	case <-due:
	case <-done:
	}
}

// wakeLocked ends the waiting of a Receive.
func (c *consumer) wakeLocked() {
	if !c.waiting {
		return
	}
	c.waiting = false
	select {
	case c.wake <- struct{}{}:
	default: // there is one already
	}
}

// mayTakeLocked reports whether c is given messages. One that stops leaves them to others that go on.
func (c *consumer) mayTakeLocked() bool {
	return c.revoking == 0 && (!c.stopping || c.queue.going == 0)
}

func (c *consumer) renewClaimLocked() {
	if c.queue.config.claims {
		c.claim = async.NewClaim()
	}
}

// Settle implements async.Consumer. It blocks only for a fault that is slow, and for the function in Settlement.Written.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	q := c.queue
	unheard, err := q.faults.strike(ctx, OpSettle, q.name)
	if err != nil {
		c.broken.Store(true)
	}
	if err != nil && !unheard {
		return q.errorf("settle", err)
	}
	strikes := q.faults.strikes(ctx, q.name, ss)
	q.endLeases()
	tell, lost := q.settle(c, ss, strikes)
	if lost != nil {
		return q.errorf("settle", lost)
	}
	if tell {
		for i := range ss {
			if s := &ss[i]; s.Verdict == async.Reject && s.Written != nil && s.Err == nil {
				q.tell(ctx, c, s, strikes.at(i))
			}
		}
	}
	if err != nil {
		return q.errorf("settle", err)
	}
	return nil
}

// settle carries out ss but for the rejections that somebody is told of: those are only written to the dead letters, and tell is true. The error says that c is
// of no more use.
func (q *queue) settle(c *consumer, ss []async.Settlement, strikes strikes) (tell bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.err != nil && c.err != io.EOF { //nolint:errorlint // it is ours
		for i := range ss {
			ss[i].Err = async.ErrLost
		}
		return false, c.err
	}
	for i := range ss {
		s := &ss[i]
		it := itemOf(s.Message)
		if it == nil || it.owner != c {
			s.Err = async.ErrLost
			continue
		}
		if s.Err = strikes.at(i).before; s.Err != nil {
			continue
		}
		if s.Verdict == async.Reject {
			if s.Err = q.writeDeadLocked(it, s.Message.Attempt, s.Cause); s.Err != nil {
				continue
			}
			if s.Written != nil {
				tell = true
				continue
			}
		}
		s.Err = q.concludeLocked(it, s)
		if s.Err == nil {
			s.Err = strikes.at(i).after
		}
	}
	return tell, nil
}

// concludeLocked carries out a verdict; the dead letter of a rejection is written already.
func (q *queue) concludeLocked(it *item, s *async.Settlement) error {
	switch s.Verdict {
	case async.Ack, async.Reject:
		q.doneLocked(it)
	case async.Retry:
		if s.Delay > maxDelay {
			return errors.New("delay " + s.Delay.String() + ": want at most " + maxDelay.String())
		}
		q.goBackLocked(it, s.Message.Attempt, s.Delay)
	case async.Release:
		q.goBackLocked(it, s.Message.Attempt, 0)
	default:
		return errors.New(s.Verdict.String())
	}
	return nil
}

// tell says that a dead letter is written, and then takes the message off.
func (q *queue) tell(ctx context.Context, c *consumer, s *async.Settlement, hit strikeOne) {
	if s.Err = s.Written(ctx); s.Err != nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	it := itemOf(s.Message)
	if it.owner != c {
		s.Err = async.ErrLost
		return
	}
	q.doneLocked(it)
	s.Err = hit.after
}

// Extend implements async.Extender.
func (c *consumer) Extend(ctx context.Context, mm []*async.Message) error {
	q := c.queue
	q.endLeases()
	hits := make([]error, len(mm))
	for i := range mm {
		_, hits[i] = q.faults.strike(ctx, OpExtend, q.name)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	var batch *async.BatchError
	for i, m := range mm {
		err := hits[i]
		if err == nil {
			err = q.extendLocked(c, itemOf(m), now)
		}
		if err == nil {
			continue
		}
		if batch == nil {
			batch = &async.BatchError{}
		}
		batch = batch.Add(i, err)
	}
	return batch.Err()
}

// Lag implements async.Lagger. A consumer that stops while others go on answers only for what it holds; the age counts from Message.Time.
func (c *consumer) Lag(context.Context) ([]async.Lag, error) {
	q := c.queue
	q.endLeases()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.comeInLocked()
	notDue := len(q.notDue.items)
	lag := async.Lag{Source: c.source, Messages: int64(q.all.size - notDue), NotDue: int64(notDue)}
	if c.stopping && q.going > 0 || c.err != nil {
		lag.Messages = int64(c.held.size)
	} else {
		lag.Ready = int64(q.fresh.size + len(q.late.items)) // the oldest of each key
		if q.delayed.overdue(time.Now()) {
			lag.Ready++
		}
	}
	if q.going > 0 && c.stopping {
		lag.NotDue = 0
	}
	if it := q.oldestDueLocked(); it != nil && lag.Messages > 0 && !it.sent.time.IsZero() {
		lag.Oldest = max(0, time.Since(it.sent.time))
	}
	return []async.Lag{lag}, nil
}

// Close implements async.Consumer. What is in flight goes back, in order. If no other consumer is open the queue is closed, be it empty or not: nobody is there
// to process what would come. A consumer whose connection failed leaves it open, because another one will follow. A second Close does nothing.
func (c *consumer) Close(ctx context.Context) error {
	q := c.queue
	_, err := q.faults.strike(ctx, OpClose, q.name)
	q.mu.Lock()
	last := len(q.consumers) == 1 && q.consumers[0] == c
	loose := q.endLocked(c, errConsumerClosed)
	if last && !q.config.keep && !c.broken.Load() {
		q.closeLocked()
	}
	q.mu.Unlock()
	q.takeBack(loose, errConsumerClosed)
	if err != nil {
		return q.errorf("close consumer of", err)
	}
	return nil
}

// endLocked makes c useless because of err, and returns what it held.
func (q *queue) endLocked(c *consumer, err error) []*item {
	if c.err == nil {
		c.err = err
	}
	q.removeLocked(c)
	var loose []*item
	for it := c.held.front; it != nil; it = c.held.front {
		q.loosenLocked(it)
		loose = append(loose, it)
	}
	c.wakeLocked()
	q.passLocked()
	return loose
}
