package nats

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/nats-io/nats.go/jetstream"
)

// snippet: receive

// A poll is short, since it is never given up: what the broker has sent to somebody who is gone comes again only after the ack wait.
const (
	poll     = 500 * time.Millisecond
	stopWait = 2 * time.Second  // where the connection is lost, the client waits a second longer for the end of a poll
	patience = 10 * time.Second // for the answer to a verdict
)

// consumer is one of a group. It is also an async.Extender, an async.Lagger and a component.Checker.
type consumer struct {
	factory *Factory
	durable jetstream.Consumer
	source  *async.Source
}

// Receive implements async.Consumer: it gives what is there, or else waits for the next message. The client connects again by itself.
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	for ctx.Err() == nil {
		mm, err := c.fetched(c.durable.FetchNoWait(limit))
		if len(mm) == 0 && err == nil && ctx.Err() == nil {
			mm, err = c.fetched(c.durable.Fetch(1, jetstream.FetchMaxWait(poll)))
		}
		if len(mm) > 0 {
			return mm, nil
		}
		if err != nil {
			return nil, fmt.Errorf("nats: receive from %s: %w", c.source, err)
		}
	}
	return nil, ctx.Err()
}

// fetched waits for the end of a batch.
func (c *consumer) fetched(batch jetstream.MessageBatch, err error) ([]*async.Message, error) {
	if err != nil {
		return nil, err
	}
	var mm []*async.Message
	for msg := range batch.Messages() {
		mm = append(mm, c.factory.message(msg, c.source))
	}
	return mm, batch.Error()
}

// Check implements component.Checker.
func (c *consumer) Check(context.Context) error { return connected(c.factory.conn) }

// Close implements async.Consumer. The engine has given back what it had; what it could not give back comes again after the ack wait.
func (c *consumer) Close(context.Context) error { return nil }

// end snippet

// snippet: settle

// Settle implements async.Consumer. The verdicts are on their way at the same time.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	var wg sync.WaitGroup
	for i := range ss {
		wg.Go(func() { ss[i].Err = c.settle(ctx, &ss[i]) })
	}
	wg.Wait()
	return nil
}

func (c *consumer) settle(ctx context.Context, s *async.Settlement) error {
	d, verdict := deliveryOf(s.Message), "+ACK"
	switch {
	case !d.ours():
		return async.ErrLost
	case s.Verdict == async.Reject:
		if err := c.factory.bury(ctx, d, s); err != nil {
			return err
		}
	case s.Verdict != async.Ack:
		verdict = fmt.Sprintf(`-NAK {"delay": %d}`, s.Delay)
		c.factory.starts.Keep(d.sequence, s.Message)
	}
	err := c.tell(ctx, d, verdict)
	if err == nil {
		d.until.Store(0)
	}
	return err
}

// Extend implements async.Extender.
func (c *consumer) Extend(ctx context.Context, mm []*async.Message) error {
	errs := make([]error, len(mm))
	var wg sync.WaitGroup
	for i, m := range mm {
		wg.Go(func() {
			d, until := deliveryOf(m), c.factory.lease()
			if errs[i] = c.tell(ctx, d, "+WPI"); errs[i] == nil {
				d.extend(until)
			}
		})
	}
	wg.Wait()
	batch := &async.BatchError{}
	for i, err := range errs {
		batch = batch.Add(i, err)
	}
	return batch.Err()
}

// tell returns when the broker has heard a verdict. It would take one from anybody at any time, so we look whether the message is ours.
func (c *consumer) tell(ctx context.Context, d *delivery, verdict string) error {
	if !d.ours() {
		return async.ErrLost
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := c.factory.conn.RequestWithContext(ctx, d.Reply(), []byte(verdict))
	return err
}

// end snippet

// Lag implements async.Lagger.
func (c *consumer) Lag(ctx context.Context) ([]async.Lag, error) {
	info, err := c.durable.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("nats: lag of %s: %w", c.source, err)
	}
	fresh := int64(info.NumPending)
	return []async.Lag{{Source: c.source, Messages: fresh + int64(info.NumAckPending), Ready: fresh}}, nil
}
