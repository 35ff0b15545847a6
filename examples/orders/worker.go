package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
)

// worker is a component that moves orders on. Its health is also that of the effects file.
type worker struct {
	*async.Component

	effects *Effects
	book    *Book
	lasts   bool // what it has not done when it stops is safe
	opens   bool // the shop opens without it: the outbox takes the orders
	asked   atomic.Bool
}

// Check returns what keeps orders from being processed. A service opens when every check has passed once; later an error makes it degraded. So
// where the shop opens without its broker the first answer says nothing of that.
func (w *worker) Check(ctx context.Context) error {
	if w.opens && !w.asked.Swap(true) {
		return w.effects.Check(ctx)
	}
	return errors.Join(w.Component.Check(ctx), w.effects.Check(ctx))
}

// Run implements component.Component. What waits where it outlives the process would be processed after the next start; but a shop wants to go home with
// nothing on the table, so it works on until every order is finished or the grace period is over.
func (w *worker) Run(ctx context.Context) error {
	if !w.lasts {
		return w.Component.Run(ctx) // the engine does the same for a source that dies with the process
	}
	work, cancel := component.Work(ctx)
	defer cancel()
	// The grace period is that of the service: the end of work is the end of all.
	take, end := context.WithCancel(component.WithGrace(context.WithoutCancel(ctx), time.Hour, work))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-w.book.Idle():
		case <-work.Done():
		}
		end()
	})
	defer stop()
	return w.Component.Run(take)
}
