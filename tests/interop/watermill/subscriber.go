package watermill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
)

// grace is how long a subscription that ends waits for the Ack of what it has handed over.
const grace = 100 * time.Millisecond

// errNacked is why a message is tried again.
var errNacked = errors.New("watermill: nacked")

// Subscriber subscribes to every topic of a broker, as one of a group. Each subscription is a component of the engine. Make it with [NewSubscriber].
type Subscriber struct {
	broker Broker
	group  string
	closed context.Context //nolint:containedctx // ends with Close
	end    context.CancelFunc

	mu   sync.Mutex // guards everything below
	runs []*run
}

// run is one subscription.
type run struct {
	done chan struct{}
	err  error // when done is closed
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber returns a subscriber of group.
func NewSubscriber(b Broker, group string) *Subscriber {
	closed, end := context.WithCancel(context.Background())
	return &Subscriber{broker: b, group: group, closed: closed, end: end}
}

// SubscribeInitialize implements message.SubscribeInitializer.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	if err := s.broker.create(s.closed, topic, s.group); err != nil {
		return fmt.Errorf("watermill: create %s for %s: %w", topic, s.group, err)
	}
	return nil
}

// Subscribe implements message.Subscriber. It returns when the broker is connected. A message that is nacked comes again at once, before any other of its key.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := s.SubscribeInitialize(topic); err != nil {
		return nil, err
	}
	factory, err := s.broker.Consumer(topic, s.group)
	if err != nil {
		return nil, fmt.Errorf("watermill: subscribe to %s: %w", topic, err)
	}
	output := make(chan *message.Message)
	oo := append([]async.OptionFunc{async.WithTries(1 << 30), async.WithBackoff(time.Millisecond, 10*time.Millisecond)}, s.broker.Options...)
	c, err := async.New(topic, factory, handOver(output), oo...)
	if err != nil {
		return nil, fmt.Errorf("watermill: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &run{done: make(chan struct{})}
	if err := s.add(r); err != nil {
		cancel()
		return nil, fmt.Errorf("watermill: subscribe to %s: %w", topic, err)
	}
	stop := context.AfterFunc(s.closed, cancel)
	go func() {
		defer close(r.done)
		defer close(output)
		defer stop()
		defer cancel()
		r.err = c.Run(component.WithGrace(ctx, grace, nil))
	}()
	if err := connected(ctx, c, r); err != nil {
		return nil, fmt.Errorf("watermill: subscribe to %s: %w", topic, err)
	}
	return output, nil
}

// add notes a subscription, unless the subscriber is closed.
func (s *Subscriber) add(r *run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Err() != nil {
		return async.ErrClosed
	}
	s.runs = append(s.runs, r)
	return nil
}

// connected waits for the connection of c, or for the end of its subscription: then the channel is closed, which is no error of Subscribe.
func connected(ctx context.Context, c *async.Component, r *run) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for c.Check(ctx) != nil {
		select {
		case <-r.done:
			return r.err
		case <-ticker.C:
		}
	}
	return nil
}

// handOver returns a handler that hands each message over and waits for its Ack or Nack. When it returns, the context of the message ends.
func handOver(output chan<- *message.Message) async.ProcessorFunc {
	return func(ctx context.Context, m *async.Message) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		msg := incoming(ctx, m)
		select {
		case output <- msg:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-msg.Acked():
			return nil
		case <-msg.Nacked():
			return errNacked
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close implements message.Subscriber. It returns when every subscription has given back what it held, with the errors of those that had one. A second call
// waits for the same.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.end()
	runs := slices.Clone(s.runs)
	s.mu.Unlock()
	var errs []error
	for _, r := range runs {
		<-r.done
		errs = append(errs, r.err)
	}
	return errors.Join(errs...)
}
