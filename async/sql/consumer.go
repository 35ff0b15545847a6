package sql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
)

// errClosed is what a consumer says that was closed.
var errClosed = errors.New("consumer closed")

// consumer is one of those that share a queue. Under its owner's number it has leases of keys and messages.
type consumer struct {
	queue  *Queue
	source *async.Source // its own: the engine counts in it what this consumer's session holds
	wakeup chan struct{} // somebody has something for it
	stop   context.CancelFunc
	ended  context.Context //nolint:containedctx // ends with broken: what waits for the database then waits no longer
	end    context.CancelFunc
	wg     sync.WaitGroup

	// Of Receive, which one goroutine at a time calls:
	keyedFirst bool
	floor      floor

	settling sync.Mutex // one settlement at a time, and none while Close gives back what is left

	mu      sync.Mutex // guards everything below
	owner   *owner
	broken  error // why it is of no more use
	trouble error // what the upkeep failed with last
}

var (
	_ async.Consumer    = (*consumer)(nil)
	_ async.Lagger      = (*consumer)(nil)
	_ component.Checker = (*consumer)(nil)
)

// create registers an owner and starts what keeps it alive.
func (q *Queue) create(ctx context.Context) (*consumer, error) {
	if err := q.store.ready(ctx, q.store.db); err != nil {
		return nil, err
	}
	if err := q.signOff(ctx); err != nil {
		return nil, fmt.Errorf("give back what an earlier consumer held: %w", err)
	}
	c := &consumer{queue: q, source: q.newSource(), wakeup: make(chan struct{}, 1)}
	c.ended, c.end = context.WithCancel(context.WithoutCancel(ctx))
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	o, err := q.newOwner(ctx)
	if err != nil {
		c.end()
		stop()
		return nil, err
	}
	c.owner = o
	if err := q.upkeep(ctx, c, true); err != nil {
		c.end()
		stop()
		return nil, errors.Join(err, o.giveUp(context.WithoutCancel(ctx)))
	}
	c.wg.Go(func() { c.keepAlive(life) })
	if q.config.wake != nil {
		c.wg.Go(func() { c.listen(life) })
	}
	q.join(c)
	return c, nil
}

// signal ends the wait of a Receive.
func (c *consumer) signal() {
	select {
	case c.wakeup <- struct{}{}:
	default: // there is one already
	}
}

// Receive implements async.Consumer.
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if limit < 1 {
		return nil, c.queue.errorf("receive from", fmt.Errorf("limit %d: want at least 1", limit))
	}
	wait := c.queue.config.pollMin
	for {
		if err := ctx.Err(); err != nil {
			return nil, c.queue.errorf("receive from", err)
		}
		if err := c.failure(); err != nil {
			return nil, c.queue.errorf("receive from", err)
		}
		mm, next, err := c.leaseWithin(ctx, limit)
		switch {
		case err != nil:
			return nil, c.queue.errorf("receive from", err)
		case len(mm) > 0:
			return mm, nil
		}
		c.await(ctx, min(wait+rand.N(wait/2+1), next))
		wait = min(2*wait, c.queue.config.pollMax)
	}
}

// leaseWithin is lease, which comes to its end although ctx does, unless it takes too long: a statement that is cut off costs its connection.
func (c *consumer) leaseWithin(ctx context.Context, limit int) ([]*async.Message, time.Duration, error) {
	working, cancel := context.WithTimeout(context.WithoutCancel(ctx), statementTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if pause(working, stopWait/2) {
			cancel()
		}
	})
	defer stop()
	defer context.AfterFunc(c.ended, cancel)()
	return c.lease(working, limit)
}

// statementTime is how long what a consumer does by itself may take before its connection is taken for dead.
const statementTime = 30 * time.Second

// await blocks until somebody signals, d is over or ctx ends.
func (c *consumer) await(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.wakeup:
	case <-timer.C:
	case <-c.ended.Done():
	case <-ctx.Done():
	}
}

// failure says why c is of no more use, or nil.
func (c *consumer) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// fail makes c useless because of err. Its messages are lost, since nobody says any more that their owner lives.
func (c *consumer) fail(err error) {
	c.mu.Lock()
	if c.broken != nil {
		c.mu.Unlock()
		return
	}
	c.broken = err
	c.end()
	claim := c.owner.claim
	c.mu.Unlock()
	claim.Lose(err)
}

// current returns the owner that new leases belong to.
func (c *consumer) current() *owner {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owner
}

// Check implements component.Checker: it says what the upkeep of the consumer failed with last, or why it is of no more use.
func (c *consumer) Check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.queue.errorf("consume", c.broken)
	}
	return c.trouble
}

// report keeps err for Check; nil says that the trouble is over.
func (c *consumer) report(err error) {
	if err != nil {
		err = c.queue.errorf("look after", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble = err
}

// Close implements async.Consumer. What is unsettled goes back at once, in order, its attempts not spent. If the database cannot be told, others find out that
// this owner is gone.
func (c *consumer) Close(ctx context.Context) error {
	c.queue.leave(c)
	c.stop()
	c.wg.Wait()
	c.settling.Lock()
	defer c.settling.Unlock()
	c.mu.Lock()
	if c.broken == nil {
		c.broken = errClosed
		c.end()
	}
	o := c.owner
	c.mu.Unlock()
	if err := o.giveUp(ctx); err != nil {
		c.queue.abandon(o)
		return c.queue.errorf("close consumer of", err)
	}
	c.queue.Wake()
	return nil
}

// listen calls the function of WithWake until ctx ends.
func (c *consumer) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.queue.config.wake(ctx); err != nil && ctx.Err() == nil {
			c.report(fmt.Errorf("wake: %w", err))
			pause(ctx, time.Second)
			continue
		}
		c.signal()
		pause(ctx, c.queue.config.pollMin/4) // who calls it at the wrong time must not keep a processor busy
	}
}
