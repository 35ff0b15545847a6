package component_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/component"
)

// ledger takes entries until it is told to stop, and writes all that it took.
type ledger struct{ entries chan string }

func (l *ledger) Run(take context.Context) error {
	work, cancel := component.Work(take)
	defer cancel()
	for {
		select {
		case <-take.Done():
			return nil
		case entry := <-l.entries:
			if err := l.write(work, entry); err != nil {
				return err
			}
		}
	}
}

func (l *ledger) write(ctx context.Context, entry string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Println("written:", entry)
	return nil
}

// String names the component in logs, metrics and errors.
func (l *ledger) String() string { return "ledger" }

func Example() {
	l := &ledger{entries: make(chan string)}
	take, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(take) }()

	l.entries <- "an order"
	stop()

	fmt.Println(<-done)
	// Output:
	// written: an order
	// <nil>
}

// Work in flight outlives the end of intake by the grace period.
func ExampleWork() {
	take, stop := context.WithCancel(component.WithGrace(context.Background(), time.Millisecond, nil))
	work, cancel := component.Work(take)
	defer cancel()

	stop()
	<-work.Done()
	fmt.Println(context.Cause(work))
	// Output: component: grace period over
}

// Results are confirmed in a context of their own, because after the grace period nothing else would get out.
func ExampleSettle() {
	work, stop := context.WithCancel(context.Background())
	stop()
	settle, cancel := component.Settle(work)
	defer cancel()
	fmt.Println(work.Err(), settle.Err())
	// Output: context canceled <nil>
}

func ExampleCritical() {
	err := component.Critical(errors.New("no connection to the database"))
	fmt.Println(err, component.IsCritical(err))
	// Output: no connection to the database true
}

func ExampleStates() {
	for s := range component.States() {
		fmt.Println(s)
	}
	// Output:
	// new
	// starting
	// running
	// stopping
	// stopped
	// failed
}
