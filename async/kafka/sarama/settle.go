package sarama

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/record"
)

// waiting is a settlement that is in the books, and waits for its commit.
type waiting struct {
	settlement *async.Settlement
	claim      *claim
	offset     int64
	mark       uint64
}

// Settle implements async.Consumer. It returns when a commit carries what was settled; a settlement whose commit does not come about in ten seconds is said
// to have failed, and can be repeated.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	var waits []waiting
	for i := range ss {
		s := &ss[i]
		w, err := c.settle(ctx, s)
		if s.Err = err; err == nil && w.claim != nil {
			w.settlement = s
			waits = append(waits, w)
		}
	}
	if len(waits) == 0 {
		return nil
	}
	c.commitSoon()
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	for _, w := range waits {
		if w.settlement.Err = c.covered(ctx, w.claim, w.mark); w.settlement.Err == nil {
			continue
		}
		c.mu.Lock()
		w.claim.unsure[w.offset] = w.mark // for when the engine comes again
		c.mu.Unlock()
	}
	return nil
}

// settle carries out one settlement but for its commit.
func (c *consumer) settle(ctx context.Context, s *async.Settlement) (waiting, error) {
	switch s.Verdict {
	case async.Ack:
	case async.Release:
		return waiting{}, c.release(s.Message)
	case async.Reject, async.Retry:
		if err := c.write(ctx, s); err != nil {
			return waiting{}, err
		}
	default:
		return waiting{}, fmt.Errorf("verdict %v: %w", s.Verdict, errors.ErrUnsupported)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k, r := c.ofLocked(s.Message)
	if k == nil {
		return waiting{}, async.ErrLost
	}
	mark, again := k.unsure[r.Offset]
	delete(k.unsure, r.Offset)
	if k.book.Settle(r.Offset) {
		mark, again = k.book.Mark(), true
		delete(k.written, r.Offset)
	}
	if !again {
		return waiting{}, async.ErrLost
	}
	return waiting{claim: k, offset: r.Offset, mark: mark}, nil
}

// release gives a message back to whoever has the partition next, with the starts it had here.
func (c *consumer) release(m *async.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, r := c.ofLocked(m)
	if k == nil {
		return async.ErrLost
	}
	starts := m.Attempt
	if k.retry {
		_, reader := read(r)
		starts -= reader.Attempts // those are in the record
	}
	if !k.book.Release(r.Offset, starts) {
		return async.ErrLost
	}
	return nil
}

// write writes the dead letter or the retry of a message, once, and tells of the dead letter.
func (c *consumer) write(ctx context.Context, s *async.Settlement) error {
	c.mu.Lock()
	k, r := c.ofLocked(s.Message)
	if k == nil {
		c.mu.Unlock()
		return async.ErrLost
	}
	_, again := k.unsure[r.Offset]
	holds, written := k.book.Holds(r.Offset), k.written[r.Offset]
	c.mu.Unlock()
	switch {
	case again:
		return nil // all is done but the commit
	case !holds:
		return async.ErrLost
	}
	if !written {
		p, err := c.elsewhere(s, r)
		if err != nil {
			return err
		}
		if errs := c.link.sender.send(ctx, []*sarama.ProducerMessage{p}, anyPartition); errs != nil {
			return fmt.Errorf("write to %s: %w", p.Topic, errs[0])
		}
		c.mu.Lock()
		k.written[r.Offset] = true
		c.mu.Unlock()
	}
	if s.Verdict == async.Reject && s.Written != nil {
		return s.Written(ctx)
	}
	return nil
}

// elsewhere returns the record of a message for the dead-letter topic, or for a retry topic.
func (c *consumer) elsewhere(s *async.Settlement, r *sarama.ConsumerMessage) (*sarama.ProducerMessage, error) {
	_, reader := read(r)
	m, origin, now := s.Message, reader.Position, time.Now()
	if s.Verdict == async.Reject {
		if c.factory.letters == nil {
			return nil, fmt.Errorf("reject: there is no dead-letter topic: %w", errors.ErrUnsupported)
		}
		stamp := now
		return recordOf(c.factory.deadTopic(origin.Topic), m, stamp, record.Dead(m, stamp, origin, s.Cause, m.Attempt)), nil
	}
	topic, err := c.factory.retryTopic(origin.Topic, s.Delay)
	if err != nil {
		return nil, err
	}
	return recordOf(topic, m, now, record.Retry(m, now, origin, m.Attempt, now.Add(s.Delay))), nil
}
