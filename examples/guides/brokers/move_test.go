package brokers_test

import (
	"context"
	"fmt"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
)

// newOrders shows that a driver is named in one place.
func newOrders(source async.ConsumerFactory, bill func(context.Context, order) error) (*async.Component, error) {
	// snippet: component
	return async.New("orders", source, async.Handle(bill), async.WithConcurrency(8))
	// end snippet
}

func Example_move() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	before, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := async.Publish(ctx, before.Producer("orders"), "17850", order{Invoice: "536365"}, async.WithID("536365")); err != nil {
		fmt.Println(err)
		return
	}
	oldSource, newProducer := before.Consumer("orders"), after.Producer("orders")

	// snippet: move
	move, err := async.NewForward("orders-move", oldSource, newProducer)
	// end snippet
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := newOrders(after.Consumer("orders"), func(_ context.Context, o order) error {
		fmt.Println("billed", o.Invoice)
		stop()
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	moved := make(chan error, 1)
	go func() { moved <- move.Run(ctx) }()
	fmt.Println(orders.Run(ctx), <-moved)
	// Output:
	// billed 536365
	// <nil> <nil>
}
