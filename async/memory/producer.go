package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/beatlabs/patron/async"
)

// producer sends to one queue.
type producer struct {
	queue  *queue
	closed atomic.Bool
}

var _ async.Producer = (*producer)(nil)

// sender is a Send that waits for room. Whoever makes room stores its messages.
type sender struct {
	batch list
	done  chan struct{} // closed when it is stored or err is set
	err   error
}

// Producer returns a producer of queue, which need not have a consumer yet. Send stores all messages at once, in their order, and returns when they are
// stored; it keeps copies. It blocks while the queue is full (see [WithCapacity]), and gives async.ErrClosed when the queue was drained and closed.
func (b *Broker) Producer(queue string) async.Producer {
	return async.Observed(system, queue, &producer{queue: b.queue(queue)})
}

// Send implements async.Producer.
func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	q := p.queue
	if len(mm) == 0 {
		return nil
	}
	if p.closed.Load() {
		return q.errorf("send to", async.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return q.errorf("send to", err)
	}
	unheard, failed := q.faults.strike(ctx, OpSend, q.name)
	if failed != nil && !unheard {
		return q.errorf("send to", failed)
	}
	kept, refused, err := q.faults.passed(ctx, q.name, mm)
	if err != nil {
		return q.errorf("send to", err)
	}
	if err := q.send(ctx, batchOf(kept)); err != nil {
		return q.errorf("send to", err)
	}
	if failed != nil {
		return q.errorf("send to", fmt.Errorf("%w: %w", async.ErrUnknown, failed))
	}
	return refused.Err()
}

// batchOf copies mm.
func batchOf(mm []*async.Message) list {
	batch := list{which: inAll}
	for _, m := range mm {
		batch.pushBack(newItem(m))
	}
	return batch
}

// send stores batch, as soon as there is room and those that wait longer are served.
func (q *queue) send(ctx context.Context, batch list) error {
	q.mu.Lock()
	if err := q.refusalLocked(batch.size); err != nil {
		q.mu.Unlock()
		return err
	}
	if len(q.senders) == 0 && q.all.size+batch.size <= q.config.capacity {
		q.storeLocked(batch)
		q.mu.Unlock()
		return nil
	}
	s := &sender{batch: batch, done: make(chan struct{})}
	q.senders = append(q.senders, s)
	q.mu.Unlock()

	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.senders, s)
	if at < 0 {
		return s.err // it was served in the same moment
	}
	q.senders = slices.Delete(q.senders, at, at+1)
	q.admitLocked() // it may have been in the way of smaller ones
	return fmt.Errorf("full, %d messages: %w", q.all.size, ctx.Err())
}

// refusalLocked says why n messages will not be stored, however long somebody waits.
func (q *queue) refusalLocked(n int) error {
	switch {
	case q.name == "":
		return errNoName
	case q.down:
		return ErrDown
	case q.closed:
		return async.ErrClosed
	case n > q.config.capacity:
		return fmt.Errorf("%d messages at once: want at most the capacity, %d", n, q.config.capacity)
	default:
		return nil
	}
}

// errNoName says that a queue has no name.
var errNoName = errors.New("queue name is empty")

// admitLocked stores what senders wait with, as far as there is room, in their order.
func (q *queue) admitLocked() {
	n := 0
	for ; n < len(q.senders) && q.all.size+q.senders[n].batch.size <= q.config.capacity; n++ {
		q.storeLocked(q.senders[n].batch)
		close(q.senders[n].done)
	}
	if n > 0 {
		q.senders = slices.Delete(q.senders, 0, n)
	}
}

// turnAwayLocked ends the waiting of all senders with err.
func (q *queue) turnAwayLocked(err error) {
	for _, s := range q.senders {
		s.err = err
		close(s.done)
	}
	q.senders = nil
}

// closeLocked makes the queue accept nothing more.
func (q *queue) closeLocked() {
	q.closed = true
	q.turnAwayLocked(async.ErrClosed)
}

// Close implements async.Producer. Nothing is buffered, so it returns at once.
func (p *producer) Close(context.Context) error {
	p.closed.Store(true)
	return nil
}
