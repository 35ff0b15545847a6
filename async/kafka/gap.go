package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/twmb/franz-go/pkg/kgo"
)

// relocation is a partition whose position makes no sense any more.
type relocation struct {
	part *partition
	to   int64 // where the client believes that the log ends now; ledger.Unknown: it does not know
}

// gap tells of a position that is out of range: messages that were deleted before they were read, or a log that lost its end.
func (c *consumer) gap(at place, position int64, b bound) {
	missing := b.first - position
	what := fmt.Sprintf("offset out of range: messages were deleted before they were received, the position is %d, the first message %d", position, b.first)
	if position > b.end {
		missing = position - b.end
		what = fmt.Sprintf("offset out of range: messages were lost or the topic was made anew, the position is %d, the end %d", position, b.end)
	}
	async.ReportMissing(c.life, &async.Source{System: system, Name: at.topic, Partition: at.partition, Group: c.factory.group}, missing, what)
}

// doubtFor is how long a partition waits whose position a broker called out of range, although it is within what the leader has.
const doubtFor = 100 * time.Millisecond

// relocate makes a partition go on whose position makes no sense any more, and tells what is missing.
func (c *consumer) relocate(ctx context.Context, r relocation) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	p := r.part
	bounds, err := boundsOf(ctx, c.admin, p.topic)
	if err != nil {
		return fmt.Errorf("%v is out of range: %w", p.place, err)
	}
	b, ok := bounds[p.place]
	if !ok {
		return fmt.Errorf("%v: the brokers do not know it", p.place)
	}
	c.mu.Lock()
	if p.leaving || c.parts[p.place] != p {
		c.mu.Unlock()
		return nil
	}
	next := p.next()
	truncated := r.to >= b.first && r.to <= b.end && r.to < next
	switch {
	case truncated:
		b.end = r.to
	case next < b.first:
		c.skipLocked(p, b.first)
		c.mu.Unlock()
		c.gap(p.place, next, b)
		return nil
	case next <= b.end: // a replica that lags behind, or a leader that has just been elected
		c.mu.Unlock()
		if err := sleep(ctx, doubtFor); err != nil {
			return nil // Receive sees for itself that its context has ended
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if !p.leaving && c.parts[p.place] == p {
			c.skipLocked(p, p.next())
		}
		return nil
	}
	to := b.first
	if truncated { // what is out and was not settled comes again
		to = max(b.first, min(r.to, p.book.Position()))
	}
	p.leaving = true
	c.mu.Unlock()
	c.gap(p.place, next, b)
	p.claim.Lose(errGap)
	return c.move(ctx, []*partition{p}, map[place]int64{p.place: to})
}

// skipLocked makes p go on at an offset that is not before its position, in the same claim: what is out may be finished, although its record is gone.
func (c *consumer) skipLocked(p *partition, to int64) {
	if len(p.stash) == 0 { // else the position passes the hole with the message behind it
		p.book.Advance(to)
	}
	c.setOffsetsLocked(map[string]map[int32]kgo.EpochOffset{p.topic: {p.partition: {Epoch: ledger.Unknown, Offset: to}}})
	c.flushLocked()
}

var errGap = errors.New("its offset is out of range")
