package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/reliability"
)

// How an order is tried.
const (
	tries         = 5
	shortestPause = 2 * time.Millisecond
	longestPause  = 20 * time.Millisecond
	concurrency   = 32 // handlers mostly wait for stock
	maxHeld       = 1024
)

// processor turns accepted orders into effects.
type processor struct {
	book    *Book
	stock   *Stock
	journal journal
}

// newConsumer returns the component that processes orders, those of a customer one after another.
func newConsumer(p *processor, source async.ConsumerFactory) (*async.Component, error) {
	return async.New("orders", source, p.process,
		async.WithConcurrency(concurrency), async.WithMaxHeld(maxHeld),
		async.WithTries(tries), async.WithBackoff(shortestPause, longestPause),
		async.WithOnDead(p.bury))
}

// process makes one attempt at an order: decide, then write the effect. The effect is there before the message is settled.
func (p *processor) process(ctx context.Context, msg *async.Message) error {
	o, err := decode(msg)
	if err != nil {
		return err
	}
	if !p.book.Start(o, digestOf(msg), msg.Attempt) {
		return nil // its effect is written
	}
	if posting := o.NeedsPerson(); posting != "" {
		return reliability.Permanent(errors.New(posting))
	}
	if err := p.stock.Reserve(ctx, o.Invoice, msg.Attempt); err != nil {
		p.abandoned(ctx, o)
		return err
	}
	if err := p.finish(ctx, msg, o); err != nil {
		p.abandoned(ctx, o)
		return err
	}
	return nil
}

// finish writes the effect, and tries again until ctx ends: an order whose effect cannot be written is neither processed nor dead.
func (p *processor) finish(ctx context.Context, msg *async.Message, o *Order) error {
	const longest = time.Second
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, longest) {
		outcome, err := p.journal.Finish(ctx, msg, o, Outcome{Status: Processed, Attempts: msg.Attempt, At: time.Now()})
		if err == nil {
			p.book.Finish(o.Invoice, outcome)
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

// abandoned notes that an attempt was cut short by the end of the service and not by the order.
func (p *processor) abandoned(ctx context.Context, o *Order) {
	if ctx.Err() != nil {
		p.book.Abandon(o.Invoice)
	}
}

// bury writes the effect of a dead order, after its dead letter was written.
func (p *processor) bury(ctx context.Context, msg *async.Message, cause error) error {
	o, err := decode(msg)
	if err != nil {
		return nil //nolint:nilerr // what cannot be decoded is no order; its dead letter says so
	}
	if p.book.IsFinished(o.Invoice) {
		return nil
	}
	outcome, err := p.journal.Finish(ctx, msg, o, Outcome{Status: Dead, Attempts: msg.Attempt, Cause: cause.Error(), At: time.Now()})
	if err != nil {
		return err
	}
	p.book.Finish(o.Invoice, outcome)
	return nil
}

// digestOf returns the digest of the order in a message, which is there in its canonical form.
func digestOf(msg *async.Message) [sha256.Size]byte { return sha256.Sum256(msg.Data) }

func decode(msg *async.Message) (*Order, error) {
	return async.Decode[*Order](codecs, msg)
}

var codecs = json.Codecs() //nolint:gochecknoglobals // never changed
