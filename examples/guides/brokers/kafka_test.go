package brokers_test

import (
	"context"
	"fmt"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
)

// snippet: kafka
func newKafkaOrders(brokers []string, bill func(context.Context, order) error) (*async.Component, error) {
	orders, err := kafka.New(brokers, "billing", []string{"orders"},
		kafka.WithKeyLanes(), // order by key, so that a partition is not one worker
	)
	if err != nil {
		return nil, err
	}
	return async.New("orders", orders, async.Handle(bill), async.WithConcurrency(8))
}

func placeInKafka(ctx context.Context, brokers []string, o order) error {
	orders, err := kafka.NewProducer(brokers, "orders") // in a service: once, at its start
	if err != nil {
		return err
	}
	defer orders.Close(context.WithoutCancel(ctx))
	return async.Publish(ctx, orders, o.Customer, o, async.WithID(o.Invoice))
}

// end snippet

func Example_kafka() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	if err := placeInKafka(ctx, cluster.ListenAddrs(), order{Invoice: "536365", Customer: "17850"}); err != nil {
		fmt.Println(err)
	}
	c, err := newKafkaOrders(cluster.ListenAddrs(), func(_ context.Context, o order) error {
		fmt.Println("billed", o.Invoice)
		stop()
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Run(ctx))
	// Output:
	// billed 536365
	// <nil>
}

// newKafkaInstance is what a StatefulSet wants.
func newKafkaInstance(brokers []string, hostname string) (async.ConsumerFactory, error) {
	// snippet: static
	return kafka.New(brokers, "billing", []string{"orders"},
		kafka.WithInstanceID(hostname), // billing-0, billing-1, …: the same after a restart
	)
	// end snippet
}

func Example_static() {
	cf, err := newKafkaInstance([]string{"kafka:9092"}, "billing-0")
	fmt.Println(cf != nil, err)
	// Output: true <nil>
}
