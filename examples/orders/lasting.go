package main

import (
	"context"
	"time"

	"github.com/beatlabs/patron/component"
)

// lasting lets a component of a source that outlives the process work until every order is finished, or the grace period is over. What the service has taken
// would be safe without it, and be processed after the next start; a shop wants to go home with nothing on the table.
type lasting struct {
	component.Component
	book *Book
}

// Run implements component.Component.
func (l *lasting) Run(ctx context.Context) error {
	work, cancel := component.Work(ctx)
	defer cancel()
	// The grace period is that of the service: the end of work is the end of all.
	take, end := context.WithCancel(component.WithGrace(context.WithoutCancel(ctx), time.Hour, work))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-l.book.Idle():
		case <-work.Done():
		}
		end()
	})
	defer stop()
	return l.Component.Run(take)
}
