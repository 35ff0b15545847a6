package sarama

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
)

// NewProducer returns a producer to topic. A Send returns when all replicas in sync have its messages; what the client repeats is neither doubled nor does it
// overtake (idempotent). The partition of a message is chosen by its key as the Java client and franz-go choose it, murmur2. It returns every fault of its
// arguments and options, joined. It connects with the first Send.
//
// Errors never mean success: what a broker refused is said as it is, what may have arrived is async.ErrUnknown.
func NewProducer(brokers []string, topic string, oo ...OptionFunc) (async.Producer, error) {
	c, err := newConfig(ofProducer, brokers, oo)
	errs := []error{err}
	if topic == "" {
		errs = append(errs, errors.New("topic is empty"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sarama: producer to %q: %w", topic, err)
	}
	return async.Observed(system, topic, &producer{config: c, topic: topic, turn: make(chan struct{}, 1)}), nil
}

// producer sends to one topic.
type producer struct {
	config config
	topic  string
	turn   chan struct{} // holds a token while somebody connects or closes

	mu     sync.Mutex // guards everything below
	link   *link
	closed bool
}

// link is a connected client and its sender.
type link struct {
	net    *network
	client sarama.Client
	sender *sender
}

// lettersWait is how long a broker keeps a reader of dead letters waiting that has read all there is; to end takes as long.
const lettersWait = 20 * time.Millisecond

// connect makes a link. The client library takes no context: the end of ctx ends its connections.
func (c *config) connect(ctx context.Context) (*link, error) {
	l := &link{net: newNetwork(ctx, c)}
	err := l.net.within(ctx, func() (err error) {
		conf := c.client(l.net)
		conf.Consumer.MaxWaitTime = lettersWait
		conf.Net.ReadTimeout = min(conf.Net.ReadTimeout, readTimeout) // only to join a group takes longer: as long as the slowest member lets go
		if l.client, err = sarama.NewClient(c.brokers, conf); err != nil {
			if dial := l.net.failure(); dial != nil {
				err = fmt.Errorf("%w: %w", err, dial)
			}
			return fmt.Errorf("connect: %w", err)
		}
		l.sender, err = newSender(l.client)
		return err
	})
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// close closes the link. It blocks until what was sent is answered, or the network is closed.
func (l *link) close() {
	if l.sender != nil {
		l.sender.close()
	}
	if l.client != nil && !l.client.Closed() {
		_ = l.client.Close() // says only that it was closed before
	}
	l.net.close()
}

// Send implements async.Producer.
func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	if len(mm) == 0 {
		return nil
	}
	l, err := p.connected(ctx)
	if err != nil {
		return p.errorf("send", err)
	}
	now := time.Now()
	records := make([]*sarama.ProducerMessage, len(mm))
	for i, m := range mm {
		records[i] = newRecord(p.topic, m, now)
	}
	errs := l.sender.send(ctx, records, anyPartition)
	if errs == nil {
		return nil
	}
	if len(errs) == 1 {
		return p.errorf("send", errs[0])
	}
	var batch *async.BatchError
	for i, err := range errs {
		if err == nil {
			continue
		}
		if batch == nil {
			batch = &async.BatchError{}
		}
		batch = batch.Add(i, err)
	}
	return p.errorf("send", batch)
}

// connected returns the link, and makes it if there is none.
func (p *producer) connected(ctx context.Context) (*link, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if l, err := p.current(); l != nil || err != nil {
		return l, err
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l, err := p.current(); l != nil || err != nil {
		return l, err
	}
	l, err := p.config.connect(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link = l
	return l, nil
}

func (p *producer) current() (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, async.ErrClosed
	}
	return p.link, nil
}

// Close implements async.Producer.
func (p *producer) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	select {
	case p.turn <- struct{}{}: // nobody connects any more
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return p.errorf("close", context.Cause(ctx))
	}
	p.mu.Lock()
	l := p.link
	p.link = nil
	p.mu.Unlock()
	if l == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, l.net.close)
	l.close()
	if !stop() {
		return p.errorf("close", fmt.Errorf("messages may be unconfirmed: %w", context.Cause(ctx)))
	}
	return nil
}

func (p *producer) errorf(operation string, err error) error {
	return fmt.Errorf("sarama: %s to %s: %w", operation, p.topic, err)
}
