package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/amqp"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/beatlabs/patron/tests/broker"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// system is a broker and how it is used: by the options that a service would take for which nothing may be lost or come out of its order.
type system struct {
	kind     broker.Kind
	nodes    int
	prepare  func(ctx context.Context, s setting) error // before the processes start
	producer func(s setting) (async.Producer, error)
	consumer func(s setting) (async.ConsumerFactory, error)
}

// systems are those of -broker.
func systems() map[string]system {
	one := system{kind: broker.Kafka, nodes: 1, prepare: makeTopic, producer: kafkaProducer, consumer: kafkaConsumer}
	three := one
	three.nodes = 3
	return map[string]system{
		"rabbitmq": {kind: broker.RabbitMQ, nodes: 1, prepare: declareQueue, producer: amqpProducer, consumer: amqpConsumer},
		"kafka":    one,
		"kafka3":   three,
	}
}

func systemNames() string { return strings.Join(slices.Sorted(maps.Keys(systems())), ", ") }

// A durable classic queue. One consumer at a time gets messages, and the two others take over when it is gone, because the order of a key shall be kept
// among processes. It is no quorum queue because RabbitMQ 3.10.8 may leave that of a single node without a leader after a SIGKILL ("leader call - leader
// not known" in its log), for good: nothing is confirmed and nothing delivered, whoever asks.
func amqpConsumer(s setting) (async.ConsumerFactory, error) {
	return amqp.New(s.address, s.stream, amqp.WithSingleActiveConsumer())
}

func amqpProducer(s setting) (async.Producer, error) {
	return amqp.NewPublisher(s.address, "", s.stream)
}

// declareQueue lets a consumer declare the queue, so that no publisher comes first.
func declareQueue(ctx context.Context, s setting) error {
	factory, err := amqpConsumer(s)
	if err != nil {
		return err
	}
	consumer, err := factory.Create(ctx)
	if err != nil {
		return err
	}
	return consumer.Close(ctx)
}

// partitions of the topic; each of three nodes leads some.
const partitions = 12

func kafkaBrokers(s setting) []string { return strings.Split(s.address, ",") }

// Every consumer has an identity that it keeps when it is started again, so that a kill costs no more than the start.
func kafkaConsumer(s setting) (async.ConsumerFactory, error) {
	return kafka.New(kafkaBrokers(s), s.stream, []string{s.stream},
		kafka.WithKeyLanes(), kafka.WithInstanceID(fmt.Sprintf("%s-%d", s.stream, s.instance)), kafka.WithSession(6*time.Second))
}

func kafkaProducer(s setting) (async.Producer, error) {
	var oo []kafka.OptionFunc
	if s.wrong == wrongAcks {
		oo = append(oo, kafka.WithClientOptions(kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck())))
	}
	return kafka.NewProducer(kafkaBrokers(s), s.stream, oo...)
}

// makeTopic makes a topic with as many replicas as the broker has nodes.
func makeTopic(ctx context.Context, s setting) error {
	client, err := kadm.NewOptClient(kgo.SeedBrokers(kafkaBrokers(s)...))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("no topic within a minute"))
	defer cancel()
	_, err = client.CreateTopic(ctx, partitions, -1, nil, s.stream)
	return err
}
