package asynctest

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// client drives a consumer without the engine.
type client struct {
	s        *stage
	consumer async.Consumer
	pending  chan received // of a Receive that is under way, else nil
	cancel   context.CancelFunc
	closed   bool
}

// received is what a Receive returned, out of the driver's slice.
type received struct {
	mm  []*async.Message
	err error
}

// open makes a consumer, which the end of the case closes.
func (s *stage) open() *client {
	s.Helper()
	return s.openFrom(s.factory)
}

// openFrom is open for another factory.
func (s *stage) openFrom(factory async.ConsumerFactory) *client {
	s.Helper()
	ctx, cancel := s.limited()
	defer cancel()
	consumer, err := factory.Create(ctx)
	if err != nil {
		s.Fatalf("create a consumer: %v", err)
	}
	c := &client{s: s, consumer: consumer}
	s.later(c.close)
	return c
}

// start calls Receive, unless a call is under way.
func (c *client) start(limit int) {
	if c.pending != nil {
		return
	}
	ctx, cancel := context.WithCancel(c.s.base)
	c.cancel = cancel
	c.pending = make(chan received, 1)
	go func(pending chan<- received) {
		mm, err := c.consumer.Receive(ctx, limit)
		pending <- received{mm: slices.Clone(mm), err: err}
	}(c.pending)
}

// wait returns what the call under way returned, or false if it goes on after d.
func (c *client) wait(d time.Duration) (received, bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case r := <-c.pending:
		c.pending = nil
		c.cancel()
		return r, true
	case <-timer.C:
		return received{}, false
	}
}

// receive returns what one Receive gives, which must be messages.
func (c *client) receive(limit int) []*async.Message {
	c.s.Helper()
	c.start(limit)
	r, ok := c.wait(c.s.suite.patience)
	switch {
	case !ok:
		c.s.Fatalf("receive: nothing within %v", c.s.suite.patience)
	case r.err != nil:
		c.s.Fatalf("receive: got %v, want messages", r.err)
	case len(r.mm) == 0:
		c.s.Fatalf("receive: got neither messages nor an error")
	case len(r.mm) > limit:
		c.s.Fatalf("receive: got %d messages, want at most %d", len(r.mm), limit)
	}
	return r.mm
}

// take receives until it has n messages.
func (c *client) take(n int) []*async.Message {
	c.s.Helper()
	var mm []*async.Message
	for len(mm) < n {
		mm = append(mm, c.receive(n-len(mm))...)
	}
	return mm
}

// takeOrdered receives n messages, which must be those with ids, in this order.
func (c *client) takeOrdered(ids ...string) []*async.Message {
	c.s.Helper()
	mm := c.take(len(ids))
	if got := idsOf(mm); !slices.Equal(got, ids) {
		c.s.Fatalf("received %v, want %v", got, ids)
	}
	return mm
}

// work receives and acknowledges n messages one batch after another, and returns them in the order in which they came.
func (c *client) work(n int) []*async.Message {
	c.s.Helper()
	var mm []*async.Message
	for len(mm) < n {
		batch := c.receive(n - len(mm))
		c.settle(async.Ack, batch...)
		mm = append(mm, batch...)
	}
	return mm
}

// none fails the case if a message comes. The Receive that watches stays under way, with a limit of 1.
func (c *client) none(why string) {
	c.s.Helper()
	c.start(1)
	if r, ok := c.wait(c.s.quiet()); ok {
		c.s.Fatalf("%s, but Receive gave %v, %v", why, idsOf(r.mm), r.err)
	}
}

// settle settles mm, which must succeed.
func (c *client) settle(v async.Verdict, mm ...*async.Message) {
	c.s.Helper()
	ss := make([]async.Settlement, len(mm))
	for i, m := range mm {
		ss[i] = async.Settlement{Message: m, Verdict: v}
		if v == async.Reject {
			ss[i].Cause = errPoison
		}
	}
	c.settleAll(ss)
	for i := range ss {
		if ss[i].Err != nil {
			c.s.Fatalf("%s message %q: got %v, want it settled", v, ss[i].Message.ID, ss[i].Err)
		}
	}
}

// errPoison is the cause of rejections.
var errPoison = errors.New("poison")

// settleAll settles ss and returns the error of each. The connection must be up.
func (c *client) settleAll(ss []async.Settlement) []error {
	c.s.Helper()
	ctx, cancel := c.s.limited()
	defer cancel()
	if err := c.consumer.Settle(ctx, ss); err != nil {
		c.s.Fatalf("settle: %v", err)
	}
	errs := make([]error, len(ss))
	for i := range ss {
		errs[i] = ss[i].Err
	}
	return errs
}

// lost fails the case unless an acknowledgement of m is refused with ErrLost.
func (c *client) lost(m *async.Message, why string) {
	c.s.Helper()
	if err := c.settleAll([]async.Settlement{{Message: m, Verdict: async.Ack}})[0]; !errors.Is(err, async.ErrLost) {
		c.s.Errorf("ack of message %q %s: got %v, want ErrLost", m.ID, why, err)
	}
}

// drain calls Receive with an ended context and returns what it gave, within the time that the traits allow.
func (c *client) drain() received {
	c.s.Helper()
	ctx, cancel := context.WithCancel(c.s.base)
	cancel()
	done := make(chan received, 1)
	began := time.Now()
	go func() {
		mm, err := c.consumer.Receive(ctx, 100)
		done <- received{mm: slices.Clone(mm), err: err}
	}()
	c.pending, c.cancel = done, cancel
	r, ok := c.wait(c.s.suite.patience)
	switch most := c.s.suite.traits.StopWait + c.s.slack(); {
	case !ok:
		c.s.Fatalf("receive with an ended context: not back within %v", c.s.suite.patience)
	case time.Since(began) > most:
		c.s.Errorf("receive with an ended context: back after %v, want at most %v", time.Since(began), most)
	case len(r.mm) == 0 && r.err == nil:
		c.s.Errorf("receive with an ended context: got neither messages nor an error")
	}
	return r
}

// close ends the call under way and closes the consumer. What it held goes back.
func (c *client) close() {
	c.s.Helper()
	if c.closed {
		return
	}
	c.closed = true
	if c.pending != nil {
		c.cancel()
		if r, ok := c.wait(c.s.suite.patience); !ok {
			c.s.Errorf("receive: not back %v after its context ended", c.s.suite.patience)
		} else if r.err != nil && !errors.Is(r.err, context.Canceled) && !errors.Is(r.err, io.EOF) {
			c.s.Errorf("receive after its context ended: got %v, want the context's error, io.EOF or messages", r.err)
		}
	}
	ctx, cancel := c.s.limited()
	defer cancel()
	if err := c.consumer.Close(ctx); err != nil {
		c.s.Errorf("close consumer: %v", err)
	}
}

func idsOf(mm []*async.Message) []string {
	ids := make([]string, len(mm))
	for i, m := range mm {
		ids[i] = m.ID
	}
	return ids
}
