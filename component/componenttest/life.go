package componenttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/reliability"
)

// Causes that the suite ends contexts with.
var (
	errStop    = errors.New("componenttest: stop")
	errStarted = errors.New("componenttest: started")
	errForce   = errors.New("componenttest: force")
)

// subject is one component under the suite.
type subject struct {
	component component.Component
	config    *config
	routines  goroutines
}

// start calls Start, if there is one, with ctx; as promised to a Starter, it ends the context of the start when Start has returned.
func (s *subject) start(ctx context.Context) error {
	starter, ok := s.component.(component.Starter)
	if !ok {
		return nil
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(errStarted)
	done := s.call("Start", func() error { return starter.Start(ctx) })
	select {
	case err := <-done:
		return err
	case <-time.After(s.config.timeout):
		return s.stuck("Start: still running after %v", s.config.timeout)
	}
}

// call runs f in a goroutine with the label, and tells its error; a panic is one too.
func (s *subject) call(name string, f func() error) <-chan error {
	done := make(chan error, 1)
	go s.routines.do(func() {
		err := fmt.Errorf("%s ended its goroutine", name)
		defer func() {
			if p := reliability.Recovered(recover()); p != nil {
				err = fmt.Errorf("%s: %w\n%s", name, p, p.Stack)
			}
			done <- err
		}()
		err = f()
	})
	return done
}

// life is one Run of a component.
type life struct {
	subject *subject
	take    context.Context //nolint:containedctx // the life is the context
	end     context.CancelCauseFunc
	force   context.CancelCauseFunc
	done    <-chan error
}

// run calls Run; the work contexts of the component outlive its take context by grace.
func (s *subject) run(grace time.Duration) *life {
	force, endForce := context.WithCancelCause(context.Background())
	take, end := context.WithCancelCause(component.WithGrace(context.Background(), grace, force))
	l := &life{subject: s, take: take, end: end, force: endForce}
	l.done = s.call("Run", func() error { return s.component.Run(take) })
	return l
}

// runStopped calls Run with a context that has ended.
func (s *subject) runStopped() error {
	take, end := context.WithCancelCause(component.WithGrace(context.Background(), 0, nil))
	end(errStop)
	l := &life{subject: s, take: take, end: end, force: func(error) {}}
	l.done = s.call("Run", func() error { return s.component.Run(take) })
	return l.returned(s.config.timeout)
}

// stop ends the take context. What the component lets run at that moment gets the label too.
func (l *life) stop() { l.subject.routines.do(func() { l.end(errStop) }) }

// forceEnd ends the work contexts.
func (l *life) forceEnd() { l.subject.routines.do(func() { l.force(errForce) }) }

// release ends whatever the life may have left behind.
func (l *life) release() {
	l.stop()
	l.forceEnd()
}

// ready waits until the component can work: until its check passes, if it has one.
func (l *life) ready() error {
	checker, ok := l.subject.component.(component.Checker)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.subject.config.timeout)
	defer cancel()
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := l.subject.check(ctx, checker)
		if err == nil {
			return nil
		}
		select {
		case err := <-l.done:
			return earlyError(err)
		case <-ctx.Done():
			return fmt.Errorf("Check: did not pass within %v: %w", l.subject.config.timeout, err)
		case <-time.After(pause):
		}
	}
}

// check calls Check.
func (s *subject) check(ctx context.Context, checker component.Checker) error {
	select {
	case err := <-s.call("Check", func() error { return checker.Check(ctx) }):
		return err
	case <-time.After(s.config.timeout):
		return s.stuck("Check: still running after %v", s.config.timeout)
	}
}

// runs fails if the component returns within d although nobody stopped it.
func (l *life) runs(d time.Duration) error {
	select {
	case err := <-l.done:
		return earlyError(err)
	case <-time.After(d):
		return nil
	}
}

func earlyError(err error) error {
	if err == nil {
		return errors.New("Run: returned before its context ended")
	}
	return fmt.Errorf("Run: returned before its context ended: %w", err)
}

// returned waits for Run for at most limit, which is what it should have returned: nil.
func (l *life) returned(limit time.Duration) error {
	if err := l.ended(limit); err != nil {
		return err
	}
	if err := <-l.done; err != nil {
		return fmt.Errorf("Run: got the error %w, want nil after its context ended", err)
	}
	return nil
}

// ended waits for Run for at most limit. What it returned stays in done.
func (l *life) ended(limit time.Duration) error {
	select {
	case err := <-l.done:
		again := make(chan error, 1)
		again <- err
		l.done = again
		return nil
	case <-time.After(limit):
		return l.subject.stuck("Run: still running %v after its context ended", limit)
	}
}

// stuckError says what did not return, and where the goroutines of the component are.
type stuckError struct {
	what   string
	stacks []string
}

func (e *stuckError) Error() string { return e.what + "\n" + strings.Join(e.stacks, "\n\n") }

func (s *subject) stuck(format string, args ...any) error {
	return &stuckError{what: fmt.Sprintf(format, args...), stacks: s.routines.stacks()}
}
