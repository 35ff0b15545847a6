package kafka_test

import (
	"context"
	"fmt"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
)

func ExampleNew() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	producer, err := kafka.NewProducer(cluster.ListenAddrs(), "orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := async.Publish(ctx, producer, "customer-1", "536365"); err != nil {
		fmt.Println(err)
	}
	if err := producer.Close(ctx); err != nil {
		fmt.Println(err)
	}

	cf, err := kafka.New(cluster.ListenAddrs(), "billing", []string{"orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := async.New("orders", cf, async.Handle(func(_ context.Context, invoice string) error {
		fmt.Println("billed", invoice)
		cancel()
		return nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: billed 536365
}

func ExampleNewBuffered() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "clicks"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()
	ctx := context.Background()

	b, err := kafka.NewBuffered(cluster.ListenAddrs(), "clicks", func(d kafka.Delivery) {
		fmt.Println(d.Message.ID, d.Err)
	}, kafka.WithBuffer(100))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := b.Enqueue(ctx, &async.Message{ID: "1", Data: []byte("home")}, &async.Message{ID: "2", Data: []byte("cart")}); err != nil {
		fmt.Println(err)
	}
	if err := b.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
}

func ExampleNewBroadcast() {
	cf, err := kafka.NewBroadcast([]string{"broker-1:9092", "broker-2:9092"}, []string{"prices"}, kafka.WithStart(async.Oldest()))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cf.Traits().Volatile, cf.Traits().Ordered)
	// Output: true process
}
