package componenttest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/beatlabs/patron/component"
)

// Run checks components that newComponent makes, each case with a new one, in a subtest of its own:
//
//   - stopped before it runs: Run with a context that has ended releases what Start took and returns nil at once, and Start works again;
//   - stopped while starting: Start gives up when its context ends, before or while it runs, and Start works again (components with Start only);
//   - runs until it is stopped: Run does not return before its context ends, also when the context of the start has long ended, and then returns nil;
//   - stopped while busy: what was taken is finished, and Run returns after that (with [WithBusy]);
//   - grace period over: work that does not end is given up, Run returns, with or without an error;
//   - forced to stop: the same without waiting for the grace period;
//   - twice in a row: after Run returned, the component can be started again;
//   - started and stopped again and again: 500 times from ten goroutines in turn, at random moments, while others call Check, Info and String;
//   - describes itself: String does not change, Info can be encoded as JSON and belongs to its caller, Check returns when its context ends.
//
// After each case no goroutine of the component may be left. A panic is a failure with its stack; what does not return is shown with the stacks of all that
// the component has running.
//
// newComponent is called with the TB of the case and must return a component that has not been started. A component that is meant to end (component.ErrDone)
// needs more to do than the suite waits for. Run must not be called inside a bubble of testing/synctest; see [WithVirtualTime].
func Run(t *testing.T, newComponent func(tb testing.TB) component.Component, oo ...OptionFunc) {
	t.Helper()
	cfg, err := newConfig(testing.Short(), oo)
	if err != nil {
		t.Fatalf("componenttest: %v", err)
	}
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if !cfg.virtual {
				c.run(t, newComponent, cfg)
				return
			}
			synctest.Test(t, func(t *testing.T) { c.run(t, newComponent, cfg) })
		})
	}
}

// testCase is one way to live and to be stopped.
type testCase struct {
	name  string
	check func(tb testing.TB, s *subject) error
}

// run checks one case with a new component, and that nothing is left of it.
func (c testCase) run(tb testing.TB, newComponent func(testing.TB) component.Component, cfg *config) {
	tb.Helper()
	s := &subject{component: newComponent(tb), config: cfg, routines: goroutines{id: rand.Text(), ignored: cfg.ignored}}
	if s.component == nil {
		tb.Fatal("componenttest: the function made no component")
	}
	if err := c.check(tb, s); err != nil {
		tb.Fatalf("%v: %v", name(s.component), err)
	}
	if stacks := s.routines.left(cfg.timeout); len(stacks) > 0 {
		tb.Fatalf("%v: left goroutines behind\n%s", name(s.component), strings.Join(stacks, "\n\n"))
	}
}

// name is what a component is called in failures.
func name(c component.Component) string {
	if s, ok := c.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", c)
}

// ended returns a context that has ended.
func ended() context.Context {
	ctx, end := context.WithCancelCause(context.Background())
	end(errStop)
	return ctx
}
