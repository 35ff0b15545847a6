package watermill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/beatlabs/patron/async"
)

// closeTime is how long Close flushes.
const closeTime = 10 * time.Second

// Publisher publishes to every topic of a broker. Make it with [NewPublisher].
type Publisher struct {
	broker Broker

	mu        sync.Mutex // guards everything below
	producers map[string]async.Producer
	closed    bool
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher. It connects when it is first used.
func NewPublisher(b Broker) *Publisher {
	return &Publisher{broker: b, producers: make(map[string]async.Producer)}
}

// Publish implements message.Publisher. It returns when all messages are confirmed; the context is that of the first.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	producer, err := p.producer(topic)
	if err != nil {
		return fmt.Errorf("watermill: publish to %s: %w", topic, err)
	}
	mm := make([]*async.Message, len(messages))
	for i, msg := range messages {
		mm[i] = p.broker.outgoing(msg)
	}
	return producer.Send(messages[0].Context(), mm...)
}

// producer returns the producer to topic.
func (p *Publisher) producer(topic string) (async.Producer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, async.ErrClosed
	}
	producer, ok := p.producers[topic]
	if ok {
		return producer, nil
	}
	producer, err := p.broker.Producer(topic)
	if err != nil {
		return nil, err
	}
	p.producers[topic] = producer
	return producer, nil
}

// Close implements message.Publisher. A second call does nothing.
func (p *Publisher) Close() error {
	p.mu.Lock()
	producers := p.producers
	p.producers, p.closed = nil, true
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var errs []error
	for _, producer := range producers {
		errs = append(errs, producer.Close(ctx))
	}
	return errors.Join(errs...)
}
