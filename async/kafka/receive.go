package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/beatlabs/patron/async/kafka/internal/record"
	"github.com/beatlabs/patron/reliability"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Receive implements async.Consumer. The slice that it returns is used again by the next Receive.
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	for {
		if err := c.await(ctx); err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.woken = false
		c.out = c.out[:0]
		c.unstashLocked(limit)
		closed := c.closed
		c.mu.Unlock()
		switch {
		case len(c.out) > 0:
			return c.out, nil
		case closed:
			return nil, c.factory.errorf("receive: %w", errClosed)
		}
		if ctx.Err() != nil {
			return c.finish(ctx, limit)
		}
		relocate, err := c.poll(ctx, limit)
		for _, r := range relocate {
			err = errors.Join(err, c.relocate(ctx, r))
		}
		switch {
		case len(c.out) > 0:
			return c.out, nil // an error comes again
		case err != nil:
			return nil, c.factory.errorf("receive: %w", err)
		}
	}
}

// await blocks while partitions are put into place.
func (c *consumer) await(ctx context.Context) error {
	c.mu.Lock()
	gate := c.gate
	c.mu.Unlock()
	if gate == nil {
		return nil
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll takes what the client has, or waits for it until ctx ends or somebody wakes it.
func (c *consumer) poll(ctx context.Context, limit int) ([]relocation, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.polling.Lock()
	defer c.polling.Unlock()
	c.mu.Lock()
	if c.woken || c.gate != nil {
		c.mu.Unlock()
		return nil, nil
	}
	c.endPoll = cancel
	c.mu.Unlock()

	fetches := c.client.PollRecords(ctx, limit)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.endPoll = nil
	var relocations []relocation
	var errs []error
	for i := range fetches {
		for j := range fetches[i].Topics {
			t := &fetches[i].Topics[j]
			for k := range t.Partitions {
				f := &t.Partitions[k]
				p := c.parts[place{t.Topic, f.Partition}]
				if f.Err != nil {
					r, err := c.faultLocked(p, f.Err)
					if r != nil {
						relocations = append(relocations, *r)
					}
					errs = append(errs, err)
				}
				if p != nil && !p.leaving {
					c.takeLocked(p, f.Records, limit)
				}
			}
		}
	}
	return relocations, errors.Join(errs...)
}

// faultLocked says what an error of a fetch means: a position to move, an error of the consumer, or nothing.
func (c *consumer) faultLocked(p *partition, err error) (*relocation, error) {
	loss, lost := errors.AsType[*kgo.ErrDataLoss](err)
	_, group := errors.AsType[*kgo.ErrGroupSession](err)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded): // of the poll
		return nil, nil
	case lost && p != nil && !p.leaving:
		return &relocation{part: p, to: loss.ResetTo}, nil
	case errors.Is(err, kerr.OffsetOutOfRange) && p != nil && !p.leaving:
		return &relocation{part: p, to: ledger.Unknown}, nil
	case lost, errors.Is(err, kerr.OffsetOutOfRange): // of a partition that is gone
		return nil, nil
	case group && !final(err): // the client goes on trying, and Check says why
		return nil, nil
	case group:
		return nil, reliability.Permanent(err)
	case p != nil:
		return nil, fmt.Errorf("%v: %w", p.place, err)
	default:
		return nil, err
	}
}

// final reports whether an error of the group will not go away by itself.
func final(err error) bool {
	for _, e := range []error{
		kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.SaslAuthenticationFailed, kerr.InvalidSessionTimeout, kerr.FencedInstanceID,
		kerr.InconsistentGroupProtocol, kerr.InvalidGroupID, kerr.UnsupportedAssignor, kerr.GroupIDNotFound, kerr.UnsupportedVersion,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// takeLocked hands out records of p that were just fetched, as far as they can be.
func (c *consumer) takeLocked(p *partition, records []*kgo.Record, limit int) {
	if len(records) == 0 {
		return
	}
	given := 0
	if len(p.stash) == 0 {
		given = c.giveLocked(p, records, limit)
	}
	if given == len(records) {
		return
	}
	if len(p.stash) == 0 && !slices.Contains(c.stashed, p) {
		c.stashed = append(c.stashed, p)
	}
	p.keep(records[given:])
	if p.full(1) || p.due != nil {
		c.pauseLocked(p, byBacklog, true)
	}
}

// unstashLocked hands out what was fetched before and could not be given then.
func (c *consumer) unstashLocked(limit int) {
	c.stashed = slices.DeleteFunc(c.stashed, func(p *partition) bool {
		if p.leaving || len(p.stash) == 0 || c.parts[p.place] != p {
			return true
		}
		if n := c.giveLocked(p, p.stash, limit); n > 0 {
			p.taken(n)
		}
		switch {
		case len(p.stash) == 0:
			p.clear() // what it waited for has come: nobody would look at it again when a timer ends
			c.pauseLocked(p, byBacklog, false)
			return true
		case !p.full(2) && p.due == nil:
			c.pauseLocked(p, byBacklog, false)
		}
		return false
	})
}

// giveLocked hands out records of p from the front, and returns how many of them are dealt with.
func (c *consumer) giveLocked(p *partition, records []*kgo.Record, limit int) int {
	if p.halted {
		return 0
	}
	for i, r := range records {
		switch {
		case r.Attrs.IsControl():
			p.book.Advance(r.Offset + 1)
			continue
		case len(c.out) >= limit:
			return i
		}
		m, wait := c.messageLocked(p, r, len(records)-i)
		if wait {
			return i
		}
		if m != nil {
			c.out = append(c.out, m)
		}
	}
	if p.book.Full() {
		c.pauseLocked(p, byLedger, true)
	}
	if p.book.Pending() {
		c.flushLocked()
	}
	return len(records)
}

// messageLocked returns the message of r, nil if it is not to be given, or that it must wait.
func (c *consumer) messageLocked(p *partition, r *kgo.Record, more int) (m *async.Message, wait bool) {
	if p.retry {
		if due := dueOf(r); !due.IsZero() {
			if d := time.Until(due); d > 0 {
				c.dueLocked(p, d)
				return nil, true
			}
		}
	}
	if c.memory != nil && c.memory.behind(p.place, r.Offset) {
		return nil, false
	}
	starts, answer := p.book.Take(r.Offset, r.LeaderEpoch)
	switch answer {
	case ledger.Given:
		return c.readLocked(p, r, starts, more), false
	case ledger.Later:
		c.laterLocked(p)
		return nil, true
	case ledger.Skipped, ledger.Repeated, ledger.Ended:
	}
	return nil, false
}

// trustAfter is how long what is out may keep others back, where a crash has made the ledger careful.
const trustAfter = 5 * time.Second

// laterLocked sees to it that the head of the stash is asked for again: after the commit that it waits for, or when what is out has run for long enough.
func (c *consumer) laterLocked(p *partition) {
	if p.book.Waits() {
		if p.due == nil {
			book := p.book
			p.due = time.AfterFunc(trustAfter, func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				p.due = nil
				book.Trust()
				c.flushLocked()
				c.wakeLocked()
			})
		}
		return
	}
	c.flushLocked()
}

// dueLocked wakes Receive when the head of the stash is due.
func (c *consumer) dueLocked(p *partition, d time.Duration) {
	if p.due != nil {
		return
	}
	p.due = time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		p.due = nil
		c.wakeLocked()
	})
}

// dueOf returns when a record of a retry topic is due.
func dueOf(r *kgo.Record) time.Time {
	for _, h := range slices.Backward(r.Headers) {
		if h.Key == record.HeaderDue {
			if due, err := time.Parse(time.RFC3339Nano, string(h.Value)); err == nil {
				return due
			}
		}
	}
	return time.Time{}
}

// mostSlab is how many messages share one piece of memory: it is not free before all of them are.
const mostSlab = 16

// readLocked returns the message of r, which was started so often in this claim's topic.
func (c *consumer) readLocked(p *partition, r *kgo.Record, starts, more int) *async.Message {
	if len(c.slab) == 0 {
		c.slab = make([]async.Message, min(more, mostSlab))
	}
	m := &c.slab[0]
	c.slab = c.slab[1:]
	m.Source, m.Claim, m.Key, m.Data, m.Time, m.Raw = p.source, p.claim, r.Key, r.Value, r.Timestamp, r
	reader := readInto(m, r)
	m.Attempt = starts + reader.Attempts
	switch {
	case !c.factory.config.keyLanes:
		m.Lane = p.lane
	case len(r.Key) > 0:
		m.Lane = async.LaneOf(p.source, r.Key)
	}
	return m
}

// readInto reads the headers of r into m.
func readInto(m *async.Message, r *kgo.Record) record.Reader {
	reader := record.Reader{Headers: len(r.Headers)}
	for i := range r.Headers {
		reader.Read(m, r.Headers[i].Key, r.Headers[i].Value)
	}
	reader.End(m, record.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
	return reader
}
