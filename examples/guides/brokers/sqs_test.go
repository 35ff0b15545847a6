package brokers_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/sqs"
)

// snippet: sqs
func newSQSOrders(cfg aws.Config, bill func(context.Context, order) error) (*async.Component, error) {
	orders, err := sqs.New(awssqs.NewFromConfig(cfg), "orders.fifo",
		sqs.WithDeadLetterQueue("orders-dead"), // a standard queue, which can be listed whole
	)
	if err != nil {
		return nil, err
	}
	return async.New("orders", orders, async.Handle(bill), async.WithConcurrency(8), async.WithMaxHeld(40))
}

func newSQSProducer(cfg aws.Config) (async.Producer, error) {
	return sqs.NewPublisher(awssqs.NewFromConfig(cfg), "orders.fifo") // the key is the group, the ID deduplicates
}

// end snippet

func Example_sqs() {
	cfg := aws.Config{Region: "eu-west-1"} // of a service: config.LoadDefaultConfig
	c, err := newSQSOrders(cfg, func(context.Context, order) error { return nil })
	fmt.Println(c, err)
	p, err := newSQSProducer(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Close(context.Background()))
	// Output:
	// orders <nil>
	// <nil>
}
