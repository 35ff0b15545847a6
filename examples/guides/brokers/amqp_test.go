package brokers_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/amqp"
)

// snippet: amqp
func newAMQPOrders(url string, bill func(context.Context, order) error) (*async.Component, error) {
	orders, err := amqp.New(url, "orders.billing",
		amqp.WithQuorum(),
		amqp.WithExchange(amqp.Exchange{Name: "shop", Kind: "topic"}),
		amqp.WithBinding("shop", "order.*", nil),
	)
	if err != nil {
		return nil, err
	}
	return async.New("orders", orders, async.Handle(bill), async.WithConcurrency(8), async.WithHandlerTimeout(time.Minute))
}

func newAMQPProducer(url string) (async.Producer, error) {
	return amqp.NewPublisher(url, "shop", "",
		amqp.WithRoutingKey(amqp.RoutingByType), // order.placed: see async.WithType
		amqp.WithExchange(amqp.Exchange{Name: "shop", Kind: "topic"}),
	)
}

// end snippet

func Example_amqp() {
	const url = "amqp://user:password@rabbit/shop"
	c, err := newAMQPOrders(url, func(context.Context, order) error { return nil })
	fmt.Println(c, err)
	p, err := newAMQPProducer(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Close(context.Background()))
	// Output:
	// orders <nil>
	// <nil>
}

func Example_amqpTooLong() {
	bill := func(context.Context, order) error { return nil }
	// snippet: amqp-too-long
	orders, err := amqp.New("amqp://rabbit/shop", "orders.billing")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = async.New("orders", orders, async.Handle(bill), async.WithTries(20), async.WithBackoff(time.Minute, 5*time.Minute))
	// end snippet
	what, _, _ := strings.Cut(err.Error(), ", and the broker")
	fmt.Println(what)
	// Output: async: component "orders": amqp: consumer of "orders.billing": 20 tries with their pauses can take 1h31m0s
}
