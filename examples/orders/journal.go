package main

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/beatlabs/patron/async"
)

// journal is where orders are certain. It may be used concurrently.
type journal interface {
	// Accept returns nil once it is certain that msg, which is the order o, will be processed.
	Accept(ctx context.Context, o *Order, digest [sha256.Size]byte, msg *async.Message) error
	// Finish writes the effect of an order, once: if it was written before, it returns the outcome of then.
	Finish(ctx context.Context, msg *async.Message, o *Order, outcome Outcome) (Outcome, error)
}

// Outcome is how an order ended.
type Outcome struct {
	Status   Status
	Attempts int
	Cause    string // of a dead one
	At       time.Time
}

// volatileJournal is for a broker that dies with the process: what the broker has confirmed is certain, and the book knows what was finished.
type volatileJournal struct {
	producer async.Producer
	effects  *Effects
}

func (j *volatileJournal) Accept(ctx context.Context, _ *Order, _ [sha256.Size]byte, msg *async.Message) error {
	return j.producer.Send(ctx, msg)
}

func (j *volatileJournal) Finish(_ context.Context, _ *async.Message, o *Order, outcome Outcome) (Outcome, error) {
	return outcome, j.effects.Write(o, outcome)
}
