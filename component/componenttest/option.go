package componenttest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/beatlabs/patron/component"
)

// OptionFunc changes how [Run] checks.
type OptionFunc func(*config) error

type config struct {
	busy    BusyFunc
	cycles  int
	timeout time.Duration
	virtual bool
	ignored []string
}

// BusyFunc begins one piece of work in a component that runs, and returns when the component has taken it. The work must last until finish is called or the
// work context of the component ends, whichever is first. finish lets it end, waits for its outcome and returns nil if it was done as if nobody had stopped
// the component. It is called exactly once; after the grace period its error is what is expected, and ignored.
type BusyFunc func(tb testing.TB, c component.Component) (finish func() error)

// WithBusy lets the suite stop the component while it works. Default: it is only stopped while it is idle.
func WithBusy(busy BusyFunc) OptionFunc {
	return func(c *config) error {
		if busy == nil {
			return errors.New("busy: nil function")
		}
		c.busy = busy
		return nil
	}
}

// WithCycles sets how often the component is started and stopped in the case that does so again and again. Default: 500, and 50 with go test -short.
func WithCycles(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("cycles %d: want at least 1", n)
		}
		c.cycles = n
		return nil
	}
}

// WithTimeout sets how long the component may take for what it should do at once: to become ready, to stop when it is idle, to return after its work ended.
// Default: 5 s.
func WithTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("timeout %v: want more than 0", d)
		}
		c.timeout = d
		return nil
	}
}

// WithVirtualTime runs every case in a bubble of testing/synctest. It is for components that wait for nothing outside the process. Default: real time.
func WithVirtualTime() OptionFunc {
	return func(c *config) error {
		c.virtual = true
		return nil
	}
}

// WithIgnoredGoroutine excuses goroutines whose stack names function, as in "database/sql.(*DB).connectionOpener". It is for what belongs to the process and
// is only started by chance while the component runs. It may be given more than once. Default: none.
func WithIgnoredGoroutine(function string) OptionFunc {
	return func(c *config) error {
		if function == "" {
			return errors.New("ignored goroutine: empty function name")
		}
		c.ignored = append(c.ignored, function)
		return nil
	}
}

// newConfig joins the errors of all options.
func newConfig(short bool, oo []OptionFunc) (*config, error) {
	c := &config{cycles: 500, timeout: 5 * time.Second}
	if short {
		c.cycles = 50
	}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d: nil", i+1))
			continue
		}
		if err := o(c); err != nil {
			errs = append(errs, err)
		}
	}
	return c, errors.Join(errs...)
}
