package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/beatlabs/patron/async"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Buffered is a producer that does not wait for the brokers: [Buffered.Enqueue] returns when a message is in memory, and what became of it is
// reported later. It is for messages that may be lost with the process; for all others there is [NewProducer]. Make it with [NewBuffered]. Its
// methods may be called concurrently.
type Buffered struct {
	producer *producer
	observed async.Producer
	report   func(Delivery)
	slots    chan struct{}
	reports  sync.WaitGroup // to be made; it grows under the mutex of the producer, while that is not closed
}

// Delivery is what became of a message.
type Delivery struct {
	Message *async.Message // a copy of what was enqueued
	Err     error          // nil: it is confirmed; else as from the Send of a producer
}

// NewBuffered returns a producer to topic that keeps messages in a bounded buffer (see [WithBuffer]) until they are confirmed, and reports what
// became of each, be it good or bad. One report is made at a time, in the order of a partition; while it blocks, no other is made, so it must be
// short, and must not call the producer.
func NewBuffered(brokers []string, topic string, report func(Delivery), oo ...OptionFunc) (*Buffered, error) {
	p, err := newProducer(ofBuffer, brokers, topic, oo)
	if report == nil {
		err = errors.Join(errors.New("kafka: report is nil: an error must be seen by somebody"), err)
	}
	if err != nil {
		return nil, err
	}
	b := &Buffered{producer: p, report: report, slots: make(chan struct{}, p.config.buffer)}
	b.observed = async.Observed(system, topic, enqueuer{b})
	return b, nil
}

// Enqueue puts mm into the buffer, one after another, and blocks while it is full, until ctx ends: the error then names those that were not taken, by
// a *async.BatchError if there are several. Their order is kept. It sets ID, Time and headers of messages that lack them, and does not keep them.
// What is taken is sent although ctx ends. After Close the error wraps async.ErrClosed.
func (b *Buffered) Enqueue(ctx context.Context, mm ...*async.Message) error {
	return b.observed.Send(ctx, mm...)
}

// Waiting returns how many messages are in the buffer.
func (b *Buffered) Waiting() int { return len(b.slots) }

// Close sends what is in the buffer. What is not confirmed when ctx ends is reported with an error that wraps async.ErrUnknown, and counted in what
// Close returns. When it returns every report was made. A second Close does nothing.
func (b *Buffered) Close(ctx context.Context) error {
	err := b.producer.Close(ctx)
	b.reports.Wait()
	return err
}

// promise notes that there is a report to make, unless the producer is closed.
func (b *Buffered) promise() error {
	b.producer.mu.Lock()
	defer b.producer.mu.Unlock()
	if b.producer.closed {
		return async.ErrClosed
	}
	b.reports.Add(1)
	return nil
}

// enqueuer is the part of Buffered that is observed.
type enqueuer struct{ *Buffered }

var _ async.Producer = enqueuer{}

// Send puts mm into the buffer.
func (e enqueuer) Send(ctx context.Context, mm ...*async.Message) error {
	p := e.producer
	if err := ctx.Err(); err != nil {
		return p.errorf("enqueue", err)
	}
	client, err := p.connected(ctx)
	if err != nil {
		return p.errorf("enqueue", err)
	}
	errs := make([]error, len(mm))
	for i, m := range mm {
		if errs[i] = e.one(ctx, client, m); errs[i] != nil && ctx.Err() != nil {
			for j := i + 1; j < len(mm); j++ {
				errs[j] = errs[i] // in order, or not at all
			}
			break
		}
	}
	return p.outcome(errs)
}

func (e enqueuer) one(ctx context.Context, client *kgo.Client, m *async.Message) error {
	p := e.producer
	c := m.Clone()
	r := &p.records([]*async.Message{c})[0]
	if err := p.fits(r); err != nil {
		return err
	}
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("the buffer is full, %d messages: %w", cap(e.slots), ctx.Err())
	}
	if err := e.promise(); err != nil {
		<-e.slots
		return err
	}
	client.Produce(context.WithoutCancel(ctx), r, func(_ *kgo.Record, err error) {
		defer e.reports.Done()
		<-e.slots
		e.report(Delivery{Message: c, Err: e.meant(err)})
	})
	return nil
}

// meant is the error of a report.
func (e enqueuer) meant(err error) error {
	if err = e.producer.meaning(err); err != nil {
		return e.producer.errorf("send", err)
	}
	return nil
}
