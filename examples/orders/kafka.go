package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async/kafka"
	"github.com/twmb/franz-go/pkg/kadm" //nolint:depguard // the tour makes its topic
	"github.com/twmb/franz-go/pkg/kerr" //nolint:depguard // the tour makes its topic
	"github.com/twmb/franz-go/pkg/kgo"  //nolint:depguard // the tour makes its topic
)

// kafkaPartitions is how many the topic has. With key lanes that bounds no concurrency; it bounds how many shops could share the work.
const kafkaPartitions = 8

// kafkaSession is after how long without a word a member is taken for dead. One that comes back under its name is not waited for.
const kafkaSession = 6 * time.Second

// openKafka opens a topic. The name is also that of the group and of its only member:
// a process that comes back gets its partitions at once.
func openKafka(brokers []string, name string) (*link, error) {
	orders, err := kafka.New(brokers, name, []string{name}, kafka.WithInstanceID(name), kafka.WithSession(kafkaSession), kafka.WithKeyLanes())
	if err != nil {
		return nil, err
	}
	producer, err := kafka.NewProducer(brokers, name)
	if err != nil {
		return nil, err
	}
	return furnished(orders, producer, func(ctx context.Context) error { return makeTopic(ctx, brokers, name) }), nil
}

// makeTopic makes the topic if it is missing.
func makeTopic(ctx context.Context, brokers []string, name string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return fmt.Errorf("topic %s: %w", name, err)
	}
	defer client.Close()
	const byBroker = -1 // its replication factor
	_, err = kadm.NewClient(client).CreateTopic(ctx, kafkaPartitions, byBroker, nil, name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("topic %s: make: %w", name, err)
	}
	return nil
}
