package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/record"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrTooLarge says that a message is larger than its producer or its topic allows: see [WithMaxMessageBytes]. It is permanent.
var ErrTooLarge = errors.New("kafka: message too large")

// NewProducer returns a producer to topic. Send returns nil when every message is confirmed by all in-sync replicas; the producer is idempotent, so
// what the client repeats by itself comes once and in order. A key decides on the partition as in the Java client (murmur2); messages without one are
// spread, those of one batch together. It returns every fault of its arguments and options, joined; it connects with the first Send.
//
// Send blocks until the brokers answer or its context ends: give it a deadline. When that passes while a message may be on its way, the error wraps
// async.ErrUnknown, and the message may arrive even later; what is refused for good is permanent, see [ErrTooLarge].
func NewProducer(brokers []string, topic string, oo ...OptionFunc) (async.Producer, error) {
	p, err := newProducer(ofProducer, brokers, topic, oo)
	if err != nil {
		return nil, err
	}
	return async.Observed(system, topic, p), nil
}

// producer sends to one topic.
type producer struct {
	config config
	topic  string

	mu     sync.Mutex // guards everything below
	client *kgo.Client
	health *health
	closed bool
}

var _ async.Producer = (*producer)(nil)

func newProducer(r role, brokers []string, topic string, oo []OptionFunc) (*producer, error) {
	c, err := newConfig(r, brokers, oo)
	if topic == "" {
		err = errors.Join(errors.New("topic is empty"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("kafka: producer to %q: %w", topic, err)
	}
	return &producer{config: c, topic: topic, health: newHealth(true)}, nil
}

// connected returns the client, made if there is none.
func (p *producer) connected(ctx context.Context) (*kgo.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, async.ErrClosed
	case p.client != nil:
		return p.client, nil
	}
	oo := append(p.config.base(plog.Slog(ctx)), p.config.producing()...)
	oo = append(oo, kgo.WithHooks(p.health), kgo.MaxBufferedRecords(max(p.config.buffer, defaultBuffer)))
	client, err := p.config.client(oo)
	if err != nil {
		return nil, reliability.Permanent(err)
	}
	p.client = client
	return client, nil
}

// Send implements async.Producer.
func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	if err := ctx.Err(); err != nil {
		return p.errorf("send", err)
	}
	client, err := p.connected(ctx)
	if err != nil {
		return p.errorf("send", err)
	}
	results := make(chan result, len(mm)) // so that nobody waits for a Send that has returned
	records := p.records(mm)
	errs := make([]error, len(mm))
	left := 0
	for i := range records {
		if errs[i] = p.fits(&records[i]); errs[i] != nil {
			continue
		}
		errs[i] = errPending
		left++
		client.Produce(ctx, &records[i], func(_ *kgo.Record, err error) { results <- result{i, err} })
	}
	for ; left > 0; left-- {
		select {
		case r := <-results:
			errs[r.index] = p.meaning(r.err)
		case <-ctx.Done():
			late := fmt.Errorf("%w: %w", async.ErrUnknown, cause(ctx.Err(), p.health.connection()))
			for i := range errs {
				if errors.Is(errs[i], errPending) {
					errs[i] = late
				}
			}
			return p.outcome(errs)
		}
	}
	return p.outcome(errs)
}

type result struct {
	index int
	err   error
}

var errPending = errors.New("not answered yet")

// outcome is the error of a Send.
func (p *producer) outcome(errs []error) error {
	var batch *async.BatchError
	for i, err := range errs {
		if err == nil {
			continue
		}
		if len(errs) == 1 {
			return p.errorf("send", err)
		}
		if batch == nil {
			batch = &async.BatchError{}
		}
		batch = batch.Add(i, p.errorf("send", err))
	}
	return batch.Err()
}

// records returns the records of mm, which share nothing with them: the client may have them for longer than a Send takes.
func (p *producer) records(mm []*async.Message) []kgo.Record {
	size := 0
	for _, m := range mm {
		size += len(m.Key) + len(m.Data)
	}
	memory := make([]byte, 0, size)
	clone := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		at := len(memory)
		memory = append(memory, b...)
		return memory[at:len(memory):len(memory)]
	}
	now := time.Now()
	records := make([]kgo.Record, len(mm))
	for i, m := range mm {
		stamp := record.Stamp(m, now)
		r := &records[i]
		r.Topic, r.Value, r.Timestamp, r.Headers = p.topic, clone(m.Data), stamp, headersOf(record.Headers(m, stamp))
		if len(m.Key) > 0 {
			r.Key = clone(m.Key)
		}
	}
	return records
}

// What a record costs beside its bytes, at most: five numbers of its own, and two for each header.
const (
	recordOverhead = 5 * 10
	headerOverhead = 2 * 5
)

// fits refuses a record that is larger than the batch it would be in, alone.
func (p *producer) fits(r *kgo.Record) error {
	size := len(r.Key) + len(r.Value) + recordOverhead
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value) + headerOverhead
	}
	if size <= int(p.config.maxBytes) {
		return nil
	}
	return reliability.Permanent(fmt.Errorf("%w: %d bytes, want at most %d", ErrTooLarge, size, p.config.maxBytes))
}

// meaning says what an answer means: that the message is not there and why, or that nobody knows.
func (p *producer) meaning(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return reliability.Permanent(fmt.Errorf("%w: %w", ErrTooLarge, err))
	case errors.Is(err, kerr.InvalidRecord), errors.Is(err, kerr.InvalidTimestamp), errors.Is(err, kerr.InvalidTopicException):
		return reliability.Permanent(err)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed),
		errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.PolicyViolation), errors.Is(err, kgo.ErrMaxBuffered):
		return err
	default:
		return fmt.Errorf("%w: %w", async.ErrUnknown, cause(err, p.health.connection()))
	}
}

// Close implements async.Producer. A Send that is under way gets its answer; what has none when ctx ends is counted in the error.
func (p *producer) Close(ctx context.Context) error {
	p.mu.Lock()
	client := p.client
	p.client, p.closed = nil, true
	p.mu.Unlock()
	if client == nil {
		return nil
	}
	flushed := client.Flush(ctx)
	left := client.BufferedProduceRecords()
	client.Close()
	if flushed != nil && left > 0 {
		return p.errorf("close", fmt.Errorf("%d messages are not confirmed: %w: %w", left, async.ErrUnknown, cause(flushed, p.health.connection())))
	}
	return nil
}

func (p *producer) errorf(operation string, err error) error {
	return fmt.Errorf("kafka: %s to %q: %w", operation, p.topic, err)
}
