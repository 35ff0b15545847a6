package cloudevents_test

import (
	"context"
	"fmt"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/cloudevents"
	"github.com/beatlabs/patron/async/memory"
)

// A service publishes orders as CloudEvents, and another one handles those of two types.
func Example() {
	type order struct {
		Invoice string `json:"invoice"`
	}
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	producer, err := cloudevents.Wrap(broker.Producer("orders"), "/shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	proc, err := async.Route(
		async.OnType("com.example.order.placed", cloudevents.Handle(func(_ context.Context, e cloudevents.Event, o order) error {
			fmt.Println(e.Source, "placed", o.Invoice, "for", e.Subject)
			return nil
		})),
		async.OnType("com.example.order.paid", cloudevents.Process(func(_ context.Context, e cloudevents.Event) error {
			fmt.Println(e.Source, "paid", string(e.Data))
			return nil
		})),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := async.New("orders", broker.Consumer("orders"), proc)
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	err = async.Publish(ctx, producer, "17850", order{"536365"}, async.WithType("com.example.order.placed"), cloudevents.WithSubject("customer 17850"))
	if err != nil {
		fmt.Println(err)
	}
	if err := async.Publish(ctx, producer, "17850", order{"536365"}, async.WithType("com.example.order.paid")); err != nil {
		fmt.Println(err)
	}
	stop() // a service does it; the component finishes what is there
	fmt.Println(orders.Run(ctx))
	// Output:
	// /shop placed 536365 for customer 17850
	// /shop paid {"invoice":"536365"}
	// <nil>
}
