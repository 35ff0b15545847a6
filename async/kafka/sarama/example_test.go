package sarama_test

import (
	"context"
	"fmt"
	"time"

	ibm "github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/sarama"
)

func ExampleNew() {
	source, err := sarama.New([]string{"localhost:9092"}, "billing", []string{"orders"},
		sarama.WithInstanceID("billing-0"),
		sarama.WithStart(async.Newest()),
		sarama.WithClientConfig(func(c *ibm.Config) { c.Version = ibm.V3_6_0_0 }),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	process := func(context.Context, *async.Message) error { return nil }
	component, err := async.New("orders", source, process, async.WithTries(3), async.WithDelays(time.Minute), async.Unordered())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, dead := component.DeadLetters()
	fmt.Println(dead)

	_, err = sarama.New(nil, "", []string{"orders"}, sarama.WithHeartbeat(0))
	fmt.Println(err)

	// Output:
	// true
	// sarama: consumer of group "": no brokers: want at least one host:port
	// heartbeat: 0s: want at least 10ms
	// group is empty
}

func ExampleNewProducer() {
	producer, err := sarama.NewProducer([]string{"localhost:9092"}, "orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // there is no broker here
	err = producer.Send(ctx, &async.Message{Key: []byte("customer-7"), Data: []byte(`{"total": 12}`)})
	fmt.Println(err)
	fmt.Println(producer.Close(context.Background()))

	// Output:
	// async: send to orders: context canceled
	// <nil>
}
