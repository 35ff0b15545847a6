package async

import (
	"context"
	"errors"
	"fmt"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
)

// errStopping is why a seek does not begin any more.
var errStopping = errors.New("the component stops, or its connection is lost")

// Seek makes the component go on at p: it processes messages of a log again, or passes some over. It takes a connection whose consumer is a [Seeker]; where
// there is none, as with a queue, which forgets what is done, the error wraps errors.ErrUnsupported.
//
// What is held of the sought sources is dropped unsettled: it is counted as lost and not as failed, no policy is asked, and the starts it has had do not
// count against it when it comes again. Running handlers may finish until ctx ends, and what they finish is settled; then they are cancelled with the cause
// [ErrLost]. So give ctx the time that a handler takes. Lanes that [StopLaneOnDead] closed are opened.
//
// Seek blocks until messages come from p, and one call goes on at a time. It moves the position of the group for the sources that this consumer owns: in a
// service of several instances each moves its own share. A pause goes on: Pause, Seek and Resume is the careful order. With a nil error the position is moved
// and outlives the connection. With an error it is as before, unless the connection was lost meanwhile: then it is the one or the other.
func (c *Component) Seek(ctx context.Context, p Position) error {
	if err := p.check(); err != nil {
		return c.errorf("seek: %w", err)
	}
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s == nil {
		return c.errorf("seek %v: %w", p, errNotConnected)
	}
	if err := s.seek(ctx, p); err != nil {
		return c.errorf("seek %v: %w", p, err)
	}
	return nil
}

// seek lets the driver move. The driver ends the claims of the sources, which drops what is held of them; see Seeker.
func (s *session) seek(ctx context.Context, p Position) error {
	seeker, ok := s.consumer.(Seeker)
	if !ok {
		return fmt.Errorf("the consumer, a %T, cannot seek: %w", s.consumer, errors.ErrUnsupported)
	}
	select {
	case s.seeking <- struct{}{}:
	case <-s.receive.Done():
		return errStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.seeking }()
	if s.receive.Err() != nil {
		return errStopping
	}
	// A stop does not cut it short: handlers that it waits for have their grace period. What cancels those ends it too.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.work, func() { cancel(context.Cause(s.work)) })()

	err := seekTo(ctx, seeker, p)
	switch {
	case err == nil:
		plog.Slog(s.work).InfoContext(ctx, "position moved", "component", s.c.name, "position", p.String())
		s.openLanesOf(p.Selects)
	case errors.Is(err, ErrLost):
		s.fail(fmt.Errorf("seek: %w", err)) // what was dropped comes again with the next connection
	}
	return err
}

// seekTo calls the driver. After a panic of it nobody knows how far it came, so the connection is made anew.
func seekTo(ctx context.Context, seeker Seeker, p Position) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %w", ErrLost, reliability.Recovered(r))
		}
	}()
	return seeker.Seek(ctx, p)
}

// endSeeks ends a seek that goes on, and lets none begin any more: Close is the last call to a consumer. Nothing runs any more that it could wait for.
func (s *session) endSeeks() {
	s.abandon(errStopping)
	select {
	case s.seeking <- struct{}{}:
	case <-s.settle.Done():
	}
}
