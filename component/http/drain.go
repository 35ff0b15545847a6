package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/beatlabs/patron/component"
)

// The times of a stop.
const (
	// linger is how long idle connections stay, because a request may be on its way on one of them, and a client does not repeat a POST that met a closed
	// connection.
	linger = 750 * time.Millisecond
	// reaping is how long Run waits for handlers after their connections were cut.
	reaping = 100 * time.Millisecond
)

type drainKey struct{}

// Draining returns a channel that is closed when the component that serves the request of ctx begins to stop. A handler that streams without end selects on
// it, to end before the grace period does. For a context that is not of a request it returns nil, which blocks for ever.
func Draining(ctx context.Context) <-chan struct{} {
	if take, ok := ctx.Value(drainKey{}).(context.Context); ok {
		return take.Done()
	}
	return nil
}

// drain ends the connections: those that never sent a byte at once, those that are idle after a while, and those with a request when it is answered. No more
// connections come. When work has ended it cuts what is left, and says how many requests that were.
func (c *Component) drain(work context.Context, conns *connSet, srv *http.Server) error {
	conns.dismiss(fresh)
	wait(conns.empty, work.Done(), c.linger())
	conns.dismissing.Store(true)
	conns.dismiss(idle)
	wait(conns.empty, work.Done(), nil)
	if c.config.hurried || errors.Is(context.Cause(work), component.ErrGraceOver) {
		settle, cancel := component.Settle(work)
		defer cancel()
		wait(conns.empty, settle.Done(), nil)
	}
	cut := conns.count(active)
	err := ignoreClosed(srv.Close())
	wait(conns.empty, nil, time.After(reaping))
	if cut > 0 && !c.config.hurried {
		return errors.Join(fmt.Errorf("%d requests were cut: %w", cut, context.Cause(work)), err)
	}
	return err
}

// linger returns the channel that says when idle connections go.
func (c *Component) linger() <-chan time.Time {
	if c.config.hurried {
		return time.After(0)
	}
	return time.After(linger)
}

// wait waits for the first of several channels; nil ones never come.
func wait(empty, ended <-chan struct{}, timer <-chan time.Time) {
	select {
	case <-empty:
	case <-ended:
	case <-timer:
	}
}
