package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// topic is what is broadcast under one name. Each consumer has a queue of its own, which lives as long as it does.
type topic struct {
	name   string
	broker *Broker
	config config // of its queues: they die with their consumer, so they are drained

	mu   sync.Mutex // guards everything below
	subs []*queue   // that take what is sent
}

func (b *Broker) topic(name string) *topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[name]
	if t == nil {
		t = &topic{name: name, broker: b, config: b.config}
		t.config.keep = false
		b.topics[name] = t
	}
	return t
}

// queues returns those that take what is sent.
func (t *topic) queues() []*queue {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*queue(nil), t.subs...)
}

// subscribe makes a queue.
func (t *topic) subscribe() *queue {
	b := t.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	q := newQueue(t.name, &t.config, &b.faults, b.deadLocked(t.name), b.down)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs = append(t.subs, q)
	return q
}

// leave makes q take nothing more.
func (t *topic) leave(q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range t.subs {
		if other == q {
			t.subs = append(t.subs[:i], t.subs[i+1:]...)
			return
		}
	}
}

// Broadcast returns a factory of consumers of topic, each of which gets every message that is sent to it while the consumer lives: the instances of a service
// that all must know. What was sent before is not for it. Topics and queues do not share their names: what [Broker.BroadcastProducer] sends comes here alone.
//
// When a consumer is to stop it gets nothing new, and is drained of what it has. When its connection is lost, the next consumer of the same factory goes
// on where it was; until there is one its queue fills, up to [WithCapacity]. Messages that are rejected are dead letters of the topic, one for each ID,
// however many consumers reject it; a replay to the topic reaches all again.
func (b *Broker) Broadcast(topic string) async.ConsumerFactory {
	return &broadcastFactory{topic: b.topic(topic)}
}

// broadcastFactory makes consumers of one topic.
type broadcastFactory struct {
	topic *topic

	mu      sync.Mutex // guards orphans
	orphans []*queue   // of consumers that lost their connection
}

var (
	_ async.ConsumerFactory  = (*broadcastFactory)(nil)
	_ async.DeadLetterKeeper = (*broadcastFactory)(nil)
)

// Create implements async.ConsumerFactory.
func (f *broadcastFactory) Create(ctx context.Context) (async.Consumer, error) {
	if f.topic.name == "" {
		return nil, fmt.Errorf("memory: consume broadcast: %w", reliability.Permanent(errNoTopic))
	}
	q := f.adopt()
	adopted := q != nil
	if !adopted {
		q = f.topic.subscribe()
	}
	c, err := (&factory{queue: q}).create(ctx)
	switch {
	case err != nil && adopted:
		f.abandon(q)
		return nil, err
	case err != nil:
		f.topic.leave(q)
		return nil, err
	}
	return &broadcastConsumer{consumer: c, factory: f}, nil
}

// errNoTopic says that a topic has no name.
var errNoTopic = errors.New("topic name is empty")

// adopt returns the queue of a consumer that lost its connection, or nil.
func (f *broadcastFactory) adopt() *queue {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.orphans) == 0 {
		return nil
	}
	q := f.orphans[0]
	f.orphans = f.orphans[1:]
	return q
}

// abandon keeps q for the next consumer.
func (f *broadcastFactory) abandon(q *queue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orphans = append(f.orphans, q)
}

// Traits implements async.ConsumerFactory. Each consumer is alone with its messages, which die with it.
func (f *broadcastFactory) Traits() async.Traits {
	t := (&factory{queue: &queue{config: &f.topic.config}}).Traits()
	t.Ordered = async.OrderedProcess
	return t
}

// DeadLetters implements async.DeadLetterKeeper.
func (f *broadcastFactory) DeadLetters() async.DeadLetters { return f.topic.broker.Dead(f.topic.name) }

// broadcastConsumer is a consumer with a queue of its own.
type broadcastConsumer struct {
	*consumer
	factory *broadcastFactory
	ended   atomic.Bool
}

// Receive implements async.Consumer. A consumer that is to stop gets nothing new.
func (c *broadcastConsumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if ctx.Err() != nil {
		c.factory.topic.leave(c.queue)
	}
	mm, err := c.consumer.Receive(ctx, limit)
	if ctx.Err() != nil {
		c.factory.topic.leave(c.queue) // it ended meanwhile
	}
	return mm, err
}

// Close implements async.Consumer.
func (c *broadcastConsumer) Close(ctx context.Context) error {
	lost := c.broken.Load()
	if !lost {
		c.factory.topic.leave(c.queue)
	}
	err := c.consumer.Close(ctx)
	if lost && c.ended.CompareAndSwap(false, true) {
		c.factory.abandon(c.queue)
	}
	return err
}

// BroadcastProducer returns a producer to all consumers of topic that live, see [Broker.Broadcast]. Send returns when each of them has the messages in its
// queue, and blocks while one of these is full. Without consumers a message is for nobody, and gone.
func (b *Broker) BroadcastProducer(topic string) async.Producer {
	return async.Observed(system, topic, &broadcastProducer{topic: b.topic(topic)})
}

// broadcastProducer sends to one topic.
type broadcastProducer struct {
	topic  *topic
	closed atomic.Bool
}

var (
	_ async.Producer  = (*broadcastProducer)(nil)
	_ async.Scheduler = (*broadcastProducer)(nil)
)

// MaxPublishDelay implements async.Scheduler.
func (p *broadcastProducer) MaxPublishDelay() time.Duration { return maxDelay }

// Send implements async.Producer.
func (p *broadcastProducer) Send(ctx context.Context, mm ...*async.Message) error {
	t := p.topic
	if len(mm) == 0 {
		return nil
	}
	err := p.refusal(ctx)
	if err != nil {
		return t.errorf(err)
	}
	unheard, failed := t.broker.faults.strike(ctx, OpSend, t.name)
	if failed != nil && !unheard {
		return t.errorf(failed)
	}
	kept, refused, err := t.broker.faults.passed(ctx, t.name, mm)
	if err != nil {
		return t.errorf(err)
	}
	for i, q := range t.queues() {
		err := q.send(ctx, batchOf(kept))
		switch {
		case err == nil, errors.Is(err, async.ErrClosed): // it has ended meanwhile
		case i > 0:
			return t.errorf(fmt.Errorf("%w: %w", async.ErrUnknown, err)) // some have it
		default:
			return t.errorf(err)
		}
	}
	if failed != nil {
		return t.errorf(fmt.Errorf("%w: %w", async.ErrUnknown, failed))
	}
	return refused.Err()
}

// refusal says why nothing can be sent.
func (p *broadcastProducer) refusal(ctx context.Context) error {
	switch {
	case p.topic.name == "":
		return reliability.Permanent(errNoTopic)
	case p.closed.Load():
		return async.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	b := p.topic.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return ErrDown
	}
	return nil
}

// Close implements async.Producer.
func (p *broadcastProducer) Close(context.Context) error {
	p.closed.Store(true)
	return nil
}

func (t *topic) errorf(err error) error {
	return fmt.Errorf("memory: broadcast to %s: %w", t.name, err)
}
