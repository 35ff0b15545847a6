package memory_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
)

// A component takes orders from a queue. When it is stopped it first processes what is queued.
func Example() {
	type order struct{ Invoice string }

	broker, err := memory.New(memory.WithCapacity(10_000))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := async.New("orders", broker.Consumer("orders"), async.Handle(func(_ context.Context, o order) error {
		fmt.Println("processed", o.Invoice)
		return nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	producer := broker.Producer("orders")
	for _, invoice := range []string{"536365", "536366"} {
		if err := async.Publish(ctx, producer, "customer-17850", order{Invoice: invoice}); err != nil {
			fmt.Println(err)
		}
	}
	stop() // a service does this
	fmt.Println(c.Run(ctx))
	fmt.Println(errors.Is(async.Publish(context.Background(), producer, "", order{}), async.ErrClosed))
	// Output:
	// processed 536365
	// processed 536366
	// <nil>
	// true
}

// A test plays what can go wrong: here the broker refuses two messages and then goes away.
func ExampleBroker_Inject() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	err = broker.Inject(memory.Fault{Op: memory.OpSend, Times: 2, Err: errors.New("no leader")})
	if err != nil {
		fmt.Println(err)
		return
	}

	producer := broker.Producer("orders")
	for range 3 {
		fmt.Println(producer.Send(context.Background(), &async.Message{ID: "1"}))
	}
	broker.Down()
	fmt.Println(producer.Send(context.Background(), &async.Message{ID: "2"}))
	broker.Up()
	fmt.Println(broker.Len("orders"))
	// Output:
	// memory: send to orders: no leader
	// memory: send to orders: no leader
	// <nil>
	// memory: send to orders: memory: broker is down
	// 1
}

// A cache in every instance hears of every change.
func ExampleBroker_Broadcast() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	var instances []async.Consumer
	for range 2 {
		c, err := broker.Broadcast("prices").Create(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		instances = append(instances, c)
	}
	if err := async.Publish(ctx, broker.BroadcastProducer("prices"), "85123A", 2.55); err != nil {
		fmt.Println(err)
	}
	for i, c := range instances {
		mm, err := c.Receive(ctx, 1)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("instance %d: %s costs %s\n", i, mm[0].Key, mm[0].Data)
	}
	// Output:
	// instance 0: 85123A costs 2.55
	// instance 1: 85123A costs 2.55
}

// What a handler refuses for good is a dead letter, with its reason in the headers.
func ExampleBroker_DeadLetters() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := async.New("orders", broker.Consumer("orders"), func(context.Context, *async.Message) error {
		return errors.New("no such customer")
	}, async.WithTries(2), async.WithBackoff(time.Millisecond, time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	if err := broker.Producer("orders").Send(ctx, &async.Message{ID: "536365"}); err != nil {
		fmt.Println(err)
	}
	stop()
	if err := c.Run(ctx); err != nil {
		fmt.Println(err)
	}

	for _, m := range broker.DeadLetters("orders") {
		fmt.Println(m.ID, m.Headers.Get(async.HeaderDeadCause), m.Headers.Get(async.HeaderDeadAttempt), m.Headers.Get(async.HeaderDeadOrigin))
	}
	// Output: 536365 no such customer 2 orders
}
