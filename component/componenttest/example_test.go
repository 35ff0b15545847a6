package componenttest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/component/componenttest"
)

// pump is the component of the example: it does jobs, each in a goroutine of its own, and finishes what it took.
type pump struct {
	jobs chan func(work context.Context)
}

func (p *pump) String() string { return "pump" }

func (p *pump) Run(take context.Context) error {
	work, cancel := component.Work(take)
	defer cancel()
	var flying sync.WaitGroup
	defer flying.Wait()
	for {
		select {
		case job := <-p.jobs:
			flying.Go(func() { job(work) })
		case <-take.Done():
			return nil
		}
	}
}

// newPump makes the component that is checked.
func newPump(testing.TB) component.Component { return &pump{jobs: make(chan func(context.Context))} }

// fill keeps a pump busy with one job, until the job is let go or its work context ends.
func fill(_ testing.TB, c component.Component) (finish func() error) {
	p, _ := c.(*pump)
	free, done := make(chan struct{}), make(chan error, 1)
	p.jobs <- func(work context.Context) {
		select {
		case <-free:
			done <- nil
		case <-work.Done():
			done <- errors.New("cut")
		}
	}
	return func() error {
		close(free)
		return <-done
	}
}

// TestLifecycle is all that the tests of a component need.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	componenttest.Run(t, newPump, componenttest.WithBusy(fill), componenttest.WithVirtualTime())
}

// What the suite does in one of its cases: it stops the component while it works, lets the work end, and looks whether it was finished.
func Example() {
	c := newPump(nil)
	take, stop := context.WithCancel(context.Background())
	returned := make(chan error)
	go func() { returned <- c.Run(take) }()

	finish := fill(nil, c)
	stop()
	fmt.Println("the work:", finish())
	fmt.Println("Run:", <-returned)
	// Output:
	// the work: <nil>
	// Run: <nil>
}
