package patron

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/reliability"
)

// checkTime is how long a check may take.
const checkTime = time.Second

var (
	errCheckTime = errors.New("check: no answer within 1s")
	errStopping  = errors.New("check: the service is stopping")
)

// check is the Check of a component. However many ask, it is called by one at a time, and the others share the answer: so /ready cannot be used to flood what
// is checked, and one that hangs holds one goroutine.
type check struct {
	checker component.Checker
	gauge   *metric.Gauge

	mu     sync.Mutex // guards the fields below
	call   *call      // in flight; nil: none
	passed bool       // once at least
	failed bool       // when it was called last
}

// call is one call of Check.
type call struct {
	done chan struct{}
	err  error // to be read when done is closed
}

// begin calls Check in a goroutine, or joins the call in flight. life ends when no more calls may begin. When the outcome differs from that of the last call,
// changed is told.
func (c *check) begin(life context.Context, changed func(err error)) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call != nil {
		return c.call
	}
	cl := &call{done: make(chan struct{}), err: errExited}
	if life.Err() != nil {
		cl.err = errStopping
		close(cl.done)
		return cl
	}
	c.call = cl
	go func() {
		ctx, cancel := context.WithTimeoutCause(life, checkTime, errCheckTime)
		defer cancel()
		defer func() { c.finish(cl, reliability.Recovered(recover()), changed) }()
		cl.err = c.checker.Check(ctx)
	}()
	return cl
}

// finish keeps the outcome of a call.
func (c *check) finish(cl *call, p *reliability.PanicError, changed func(err error)) {
	if p != nil {
		cl.err = p
	}
	c.mu.Lock()
	failed, was := cl.err != nil, c.failed
	c.call, c.failed = nil, failed
	c.passed = c.passed || !failed
	if failed {
		c.gauge.Set(0)
	} else {
		c.gauge.Set(1)
	}
	c.mu.Unlock()
	if failed != was {
		changed(cl.err)
	}
	close(cl.done)
}

// passedOnce reports whether the check ever passed.
func (c *check) passedOnce() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.passed
}

// idle returns a channel that is closed when no call is in flight.
func (c *check) idle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call != nil {
		return c.call.done
	}
	none := make(chan struct{})
	close(none)
	return none
}

// wait returns the outcome of the call, or says why there was none before ctx ended.
func (cl *call) wait(ctx context.Context) error {
	select {
	case <-cl.done:
		return cl.err
	default:
	}
	select {
	case <-cl.done:
		return cl.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
