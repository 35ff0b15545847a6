package patron

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/reliability"
)

var (
	errReturned  = errors.New("returned while the service was running")
	errExited    = errors.New("ended its goroutine instead of returning")
	errAbandoned = errors.New("start abandoned")
	errStarted   = errors.New("patron: started")
)

// unit is a component in a service: its name, its state, and its life, which is one goroutine.
type unit struct {
	component component.Component
	name      string
	check     *check // nil: it has none

	mu     sync.Mutex // guards state
	state  component.State
	gauges map[component.State]*metric.Gauge // nil: it is not counted

	started chan struct{} // closed when Start returned nil
	done    chan struct{} // closed when the life is over
	err     error         // of that life; to be read when done is closed
}

// newUnit makes a unit of the component at a position among all of the service.
func newUnit(c component.Component, position int, taken map[string]bool) *unit {
	name := ""
	if s, ok := c.(fmt.Stringer); ok {
		name = s.String()
	}
	switch {
	case name == "":
		name = fmt.Sprintf("%T #%d", c, position)
	case taken[name]:
		name = fmt.Sprintf("%s #%d", name, position)
	}
	taken[name] = true
	u := &unit{component: c, name: name, started: make(chan struct{}), done: make(chan struct{})}
	if checker, ok := c.(component.Checker); ok {
		u.check = &check{checker: checker}
	}
	return u
}

// group is the units that stop together.
type group struct {
	units  []*unit
	living []*unit       // whose life has begun
	up     chan struct{} // closed when all have started

	take scope       // of all its units; made by Run
	cut  func() bool // whether work in flight was cut; to be asked when take has ended
}

func newGroup(units ...*unit) *group { return &group{units: units, up: make(chan struct{})} }

// live is the life of a unit: start, wait until the others of the group have started, run. When it is over it calls ended. starting ends when the service is
// stopped.
func (u *unit) live(starting context.Context, g *group, ended func(early bool)) {
	phase, err := "start: ", errExited // which holds if the component ends the goroutine instead of returning
	defer func() {
		early := g.take.Err() == nil
		if p := reliability.Recovered(recover()); p != nil {
			err = p
			plog.Slog(g.take).ErrorContext(g.take, "component panicked", "component", u.name, "error", p.Error(), "stack", string(p.Stack))
		} else if isClean(g, phase != "", early, err) {
			err = nil
		}
		final := component.Stopped
		if err != nil {
			u.err = fmt.Errorf("component %s: %s%w", u.name, phase, err)
			final = component.Failed
		}
		u.switchState(final)
		ended(early)
		close(u.done)
	}()

	u.switchState(component.Starting)
	if err = u.start(starting); err != nil {
		return
	}
	close(u.started)
	select {
	case <-g.up:
	case <-g.take.Done(): // unwinding: Run releases what Start took
	}

	phase, err = "", errExited
	u.switchState(component.Running)
	if err = u.component.Run(g.take); err == nil && g.take.Err() == nil {
		err = errReturned
	}
}

// start calls Start, if there is one. The context of the start ends with it, so that nothing can depend on it.
func (u *unit) start(starting context.Context) error {
	s, ok := u.component.(component.Starter)
	if !ok {
		return nil
	}
	ctx, end := context.WithCancelCause(starting)
	defer end(errStarted)
	err := s.Start(ctx)
	if err != nil && starting.Err() != nil {
		plog.Slog(starting).InfoContext(starting, "component start abandoned", "component", u.name, "error", err.Error())
		return errAbandoned
	}
	return err
}

// isClean reports whether what a component returned is no failure. When it was told to stop it may return the error of its context instead of nil, unless its
// work was cut.
func isClean(g *group, starting, early bool, err error) bool {
	switch {
	case err == nil:
		return true
	case starting:
		return errors.Is(err, errAbandoned)
	case errors.Is(err, component.ErrDone):
		return true
	default:
		return !early && (err == g.take.Err() || err == context.Cause(g.take)) && !g.cut() //nolint:errorlint,err113 // it alone, not what wraps it
	}
}

// switchState goes on to a later state; there is no way back.
func (u *unit) switchState(to component.State) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if to <= u.state {
		return
	}
	if g := u.gauges[u.state]; g != nil {
		g.Set(0)
	}
	u.state = to
	if g := u.gauges[to]; g != nil {
		g.Set(1)
	}
}

func (u *unit) currentState() component.State {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state
}

// isDone reports whether the life of the unit is over.
func (u *unit) isDone() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}
