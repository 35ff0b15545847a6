package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/record"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// writeTimeout bounds the writing of a dead letter or a retry: the message stays meanwhile, and is settled again later.
const writeTimeout = 5 * time.Second

// Settle implements async.Consumer. It returns when the commit that carries ss is done: those that settle meanwhile share the next one.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	parts := make([]*partition, len(ss))
	var outgoing []*outgoing
	marked := false

	c.mu.Lock()
	var last *partition
	for i := range ss {
		s := &ss[i]
		s.Err = nil
		p, r := c.heldLocked(s.Message, last)
		if p == nil {
			s.Err = async.ErrLost
			continue
		}
		last = p
		switch s.Verdict {
		case async.Ack:
			if !p.settle(r.Offset) {
				s.Err = async.ErrLost
				continue
			}
			parts[i], marked = p, true
		case async.Release:
			if !p.book.Release(r.Offset, s.Message.Attempt-attemptsOf(r)) {
				s.Err = async.ErrLost
			}
		case async.Reject, async.Retry:
			o, err := c.outgoingLocked(p, r, s)
			if err != nil {
				s.Err = err
				continue
			}
			outgoing = append(outgoing, o)
			parts[i] = p
		default:
			s.Err = errors.New(s.Verdict.String())
		}
	}
	var f *flight
	if marked {
		f = c.flushLocked()
	}
	c.mu.Unlock()

	if len(outgoing) > 0 {
		c.write(ctx, outgoing)
		for _, o := range outgoing {
			if s := o.settlement; s.Err == nil && s.Verdict == async.Reject && s.Written != nil {
				s.Err = s.Written(ctx)
			}
		}
		f = c.settleWritten(outgoing)
	}
	if f == nil {
		return nil
	}
	c.confirm(ctx, f, ss, parts)
	return nil
}

// heldLocked returns the partition and the record of a message, or nil if its claim is over. The messages of a Settle are often of one partition.
func (c *consumer) heldLocked(m *async.Message, last *partition) (*partition, *kgo.Record) {
	if m == nil {
		return nil, nil
	}
	r, ok := m.Raw.(*kgo.Record)
	if !ok || r == nil {
		return nil, nil
	}
	p := last
	if p == nil || p.claim != m.Claim {
		p = c.parts[place{r.Topic, r.Partition}]
	}
	if p == nil || p.claim != m.Claim {
		return nil, nil
	}
	return p, r
}

// attemptsOf returns the starts that a message had before it came into the topic of r.
func attemptsOf(r *kgo.Record) int {
	for i := range r.Headers {
		if r.Headers[i].Key == record.HeaderAttempts {
			var reader record.Reader
			reader.Read(&async.Message{}, r.Headers[i].Key, r.Headers[i].Value)
			return reader.Attempts
		}
	}
	return 0
}

// confirm waits for the commit f, and sets the errors of what it did not bring there.
func (c *consumer) confirm(ctx context.Context, f *flight, ss []async.Settlement, parts []*partition) {
	select {
	case <-f.done:
		if len(f.errs) == 0 {
			return
		}
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	late := ctx.Err() != nil
	select {
	case <-f.done:
		late = false
	default:
	}
	for i := range ss {
		p := parts[i]
		if p == nil || ss[i].Err != nil {
			continue
		}
		err := fmt.Errorf("commit: %w", ctx.Err())
		if !late {
			err = f.errs[p.book]
		}
		if err == nil {
			continue
		}
		ss[i].Err = err
		if r, ok := ss[i].Message.Raw.(*kgo.Record); ok && !errors.Is(err, async.ErrLost) {
			p.unsure[r.Offset] = struct{}{}
		}
	}
}

// outgoing is a message that is written to another topic before it is taken off its own.
type outgoing struct {
	part       *partition
	record     *kgo.Record
	settlement *async.Settlement
	copy       *kgo.Record // what is written; nil: it was already
	result     chan error
}

// outgoingLocked prepares the writing of a message that is rejected or retried.
func (c *consumer) outgoingLocked(p *partition, r *kgo.Record, s *async.Settlement) (*outgoing, error) {
	o := &outgoing{part: p, record: r, settlement: s, result: make(chan error, 1)}
	if !p.book.Holds(r.Offset) {
		if _, again := p.unsure[r.Offset]; !again {
			return nil, async.ErrLost
		}
		return o, nil
	}
	if _, ok := p.written[r.Offset]; ok {
		return o, nil
	}
	now := time.Now()
	at := positionOf(r)
	var hh async.Headers
	o.copy = &kgo.Record{Key: r.Key, Value: r.Value, Timestamp: now}
	if s.Verdict == async.Reject {
		if c.factory.letters == nil {
			return nil, errors.New("there are no dead letters: see WithoutDeadLetters")
		}
		o.copy.Topic = c.factory.deadTopic(at.Topic)
		hh = record.Dead(s.Message, now, at, s.Cause, s.Message.Attempt)
	} else {
		topic, ok := c.retryTopic(at.Topic, s.Delay)
		if !ok {
			return nil, fmt.Errorf("retry after %v: no retry topic for such a delay, want one of %v", s.Delay, c.factory.delays)
		}
		o.copy.Topic = topic
		hh = record.Retry(s.Message, now, at, s.Message.Attempt, now.Add(s.Delay))
	}
	o.copy.Headers = headersOf(hh)
	return o, nil
}

// retryTopic returns the retry topic of topic for a delay: that of the next longer one, if there is none.
func (c *consumer) retryTopic(topic string, delay time.Duration) (string, bool) {
	if c.factory.group == "" || delay > maxDelay {
		return "", false
	}
	for i, d := range c.factory.delays {
		if d >= delay {
			return record.RetryTopic(topic, c.factory.group, i), true
		}
	}
	return "", false
}

// positionOf returns where the message of r was first.
func positionOf(r *kgo.Record) record.Position {
	for i := range r.Headers {
		if r.Headers[i].Key == record.HeaderPosition {
			if p, ok := record.ParsePosition(string(r.Headers[i].Value)); ok {
				return p
			}
		}
	}
	return record.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
}

func headersOf(hh async.Headers) []kgo.RecordHeader {
	out := make([]kgo.RecordHeader, len(hh))
	for i, h := range hh {
		out[i] = kgo.RecordHeader{Key: h.Key, Value: []byte(h.Value)}
	}
	return out
}

// write writes oo, all at the same time, and tells of dead letters. What could not be written has an error in its settlement.
func (c *consumer) write(ctx context.Context, oo []*outgoing) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for _, o := range oo {
		if o.copy == nil {
			o.result <- nil
			continue
		}
		c.client.Produce(ctx, o.copy, func(_ *kgo.Record, err error) { o.result <- err })
	}
	for _, o := range oo {
		s := o.settlement
		select {
		case err := <-o.result:
			s.Err = c.writeError(o, err)
		case <-ctx.Done():
			s.Err = c.writeError(o, cause(ctx.Err(), c.health.connection()))
		}
	}
	c.mu.Lock()
	for _, o := range oo {
		if o.settlement.Err == nil && o.copy != nil {
			o.part.written[o.record.Offset] = struct{}{}
		}
	}
	c.mu.Unlock()
	c.restore(ctx, oo)
}

// restore makes topics again that somebody deleted, so that the next try finds them.
func (c *consumer) restore(ctx context.Context, oo []*outgoing) {
	f := c.factory
	for _, o := range oo {
		if f.config.noCreate || !errors.Is(o.settlement.Err, kerr.UnknownTopicOrPartition) {
			continue
		}
		topic := positionOf(o.record).Topic
		d := f.deadDesign(topic)
		if o.settlement.Verdict == async.Retry {
			c.mu.Lock()
			d = design{of: topic, partitions: max(1, c.topics[topic]), retention: maxDelay + kept}
			c.mu.Unlock()
		}
		if err := f.makeTopic(ctx, c.admin, o.copy.Topic, d); err != nil {
			c.log.WarnContext(ctx, "kafka: a topic is missing and cannot be made", "topic", o.copy.Topic, "error", err.Error())
		}
	}
}

// writeError says where a message could not be written.
func (c *consumer) writeError(o *outgoing, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		err = fmt.Errorf("%w: the topic is missing", err)
	}
	what := "dead letter"
	if o.settlement.Verdict == async.Retry {
		what = "retry"
	}
	return fmt.Errorf("write %s to topic %q: %w", what, o.copy.Topic, err)
}

// settleWritten takes what is written off its topic, once those who want to know of it were told, and returns the commit that carries it.
func (c *consumer) settleWritten(oo []*outgoing) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range oo {
		if s := o.settlement; s.Err == nil && !o.part.settle(o.record.Offset) {
			s.Err = async.ErrLost
		}
	}
	return c.flushLocked()
}
