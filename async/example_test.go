package async_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/reliability"
)

// A handler has its effect and returns nil. Here the source is a queue in memory, which a stop drains to empty.
func Example() {
	type order struct {
		Invoice string `json:"invoice"`
	}
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := async.New("orders", broker.Consumer("orders"), async.Handle(func(_ context.Context, o order) error {
		fmt.Println("processing", o.Invoice)
		return nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	for _, invoice := range []string{"536365", "536366"} {
		if err := async.Publish(ctx, broker.Producer("orders"), "17850", order{Invoice: invoice}); err != nil {
			fmt.Println(err)
		}
	}
	stop() // a service does it; the component finishes what is there
	fmt.Println(orders.Run(ctx))
	// Output:
	// processing 536365
	// processing 536366
	// <nil>
}

// What cannot succeed is not tried again: it goes to the dead letter with its cause.
func ExampleWithOnDead() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	needsPerson := func(context.Context, *async.Message) error {
		return reliability.Permanent(errors.New("a manual posting, not goods"))
	}
	orders, err := async.New("orders", broker.Consumer("orders"), needsPerson,
		async.WithOnDead(func(_ context.Context, msg *async.Message, cause error) error {
			fmt.Printf("dead after attempt %d: %v\n", msg.Attempt, cause)
			return nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	if err := broker.Producer("orders").Send(ctx, &async.Message{Data: []byte(`{}`)}); err != nil {
		fmt.Println(err)
	}
	stop()
	fmt.Println(orders.Run(ctx))
	// Output:
	// dead after attempt 1: a manual posting, not goods
	// <nil>
}
