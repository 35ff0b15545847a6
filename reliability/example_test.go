package reliability_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/beatlabs/patron/reliability"
	psync "github.com/beatlabs/patron/sync"
)

func Example() {
	postage := reliability.Permanent(errors.New("line 3 is postage: a person must see it"))

	fmt.Println(reliability.Classify(fmt.Errorf("orders: %w", postage)))
	fmt.Println(reliability.Classify(psync.NewNotFoundError("no such order")))
	fmt.Println(reliability.Classify(errors.New("connection refused")))
	fmt.Println(reliability.Classify(context.Canceled))
	fmt.Println(reliability.Classify(nil))
	// Output:
	// permanent
	// permanent
	// transient
	// canceled
	// none
}

func ExampleRecovered() {
	run := func(work func()) (err error) {
		defer func() {
			if p := reliability.Recovered(recover()); p != nil {
				err = p
			}
		}()
		work()
		return nil
	}

	fmt.Println(run(func() { panic("no stock") }))
	fmt.Println(run(func() {}))
	// Output:
	// panic: no stock
	// <nil>
}
