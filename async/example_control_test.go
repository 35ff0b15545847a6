package async_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/reliability/ratelimit"
)

// A component can be paused while what it calls is repaired.
func ExampleComponent_Pause() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	processed := make(chan string)
	orders, err := async.New("orders", broker.Consumer("orders"), func(_ context.Context, msg *async.Message) error {
		processed <- string(msg.Data)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- orders.Run(ctx) }()

	orders.Pause()
	if err := broker.Producer("orders").Send(ctx, &async.Message{Data: []byte("order 536365")}); err != nil {
		fmt.Println(err)
	}
	fmt.Println("paused:", orders.Info()["paused"])
	orders.Resume()
	fmt.Println("processed:", <-processed)

	stop()
	fmt.Println(<-done)
	// Output:
	// paused: true
	// processed: order 536365
	// <nil>
}

// A queue forgets what is done, so it cannot be sought; a log can.
func ExampleComponent_Seek() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	connected := make(chan struct{})
	orders, err := async.New("orders", broker.Consumer("orders"), func(context.Context, *async.Message) error {
		close(connected)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- orders.Run(ctx) }()
	if err := broker.Producer("orders").Send(ctx, &async.Message{}); err != nil {
		fmt.Println(err)
	}
	<-connected

	err = orders.Seek(ctx, async.At(time.Now().Add(-time.Hour)).Of("orders"))
	fmt.Println(errors.Is(err, errors.ErrUnsupported))

	stop()
	fmt.Println(<-done)
	// Output:
	// true
	// <nil>
}

// Whatever there is to do, the service that the handler calls is called at most 100 times a second, and 10 times at once.
func ExampleWithRateLimit() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	call := func(context.Context, *async.Message) error { return nil }
	orders, err := async.New("orders", broker.Consumer("orders"), call,
		async.WithConcurrency(8), async.WithRateLimit(100, time.Second, ratelimit.WithBurst(10)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(orders.Info()["rate_limit"])
	// Output: 100 per 1s
}
