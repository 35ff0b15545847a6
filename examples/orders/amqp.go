package main

import (
	"context"

	"github.com/beatlabs/patron/async/amqp"
)

// openAMQP opens a queue, which the consumer declares. It is a quorum queue, because such a one has written a message to the disk when it confirms it.
func openAMQP(url, name string) (*link, error) {
	orders, err := amqp.New(url, name, amqp.WithQuorum())
	if err != nil {
		return nil, err
	}
	producer, err := amqp.NewPublisher(url, "", name)
	if err != nil {
		return nil, err
	}
	return furnished(orders, producer, func(context.Context) error { return nil }), nil
}
