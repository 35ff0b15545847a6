package amqp_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/amqp"
)

func ExampleNew() {
	cf, err := amqp.New("amqp://user:password@localhost:5672/shop", "orders",
		amqp.WithURLs("amqp://user:password@other:5672/shop"),
		amqp.WithQuorum(),
		amqp.WithExchange(amqp.Exchange{Name: "shop", Kind: "topic"}),
		amqp.WithBinding("shop", "order.*", nil),
		amqp.WithKey(amqp.KeyFromRoutingKey))
	if err != nil {
		fmt.Println(err)
		return
	}
	place := func(context.Context, *async.Message) error { return nil }

	c, err := async.New("orders", cf, place, async.WithConcurrency(8), async.WithHandlerTimeout(time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}

	fmt.Println(c, cf.Traits().Ordered)
	// Output: orders process
}

func ExampleNew_longTries() {
	cf, err := amqp.New("amqp://localhost", "reports")
	if err != nil {
		fmt.Println(err)
		return
	}
	report := func(context.Context, *async.Message) error { return nil }

	_, err = async.New("reports", cf, report, async.WithTries(4), async.WithBackoff(time.Second, time.Second), async.WithHandlerTimeout(10*time.Minute))

	what, _, _ := strings.Cut(err.Error(), ", and the broker")
	fmt.Println(what)
	// Output: async: component "reports": amqp: consumer of "reports": 4 tries with their pauses can take 40m3s
}

func ExampleNewPublisher() {
	p, err := amqp.NewPublisher("amqp://user:password@localhost/shop", "shop", "",
		amqp.WithRoutingKey(amqp.RoutingByType),
		amqp.WithSendTimeout(5*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = p.Close(context.Background()) }()

	// async.Publish(ctx, p, "order-1", order, async.WithType("order.placed")) waits for the confirm of the broker.
	_, err = amqp.NewPublisher("http://user:password@localhost", "", "")
	fmt.Println(err)
	// Output:
	// amqp: publisher to "default exchange": neither an exchange nor a routing key: want one, or the name of a queue for the routing key
	// url 1 is no AMQP URL: want amqp:// or amqps://, user:password@ (percent-encoded), host:port and /vhost; it is not shown here because of its password
}

func ExampleNewBroadcast() {
	cf, err := amqp.NewBroadcast("amqp://localhost", "prices")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := amqp.NewPublisher("amqp://localhost", "prices", "", amqp.WithUnroutable(), amqp.WithExchange(amqp.Exchange{Name: "prices", Kind: "fanout"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = p.Close(context.Background()) }()

	fmt.Println("dies with the process:", cf.Traits().Volatile)
	// Output: dies with the process: true
}
