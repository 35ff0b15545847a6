package logtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// consumer is one of the group.
type consumer struct {
	broker *Broker
	wake   chan struct{}

	// Guarded by the mutex of the broker:
	assigned []assignment
	owner    bool
	err      error
}

// assignment is what an owner knows of a partition.
type assignment struct {
	source *async.Source
	claim  *async.Claim
	epoch  int            // of the claim
	cursor int64          // what is received next
	done   map[int64]bool // above the position of the group
	paused bool
}

// delivery is where a message came from.
type delivery struct {
	partition, epoch int
	offset           int64
}

var (
	_ async.Consumer = (*consumer)(nil)
	_ async.Lagger   = (*consumer)(nil)
	_ async.Pauser   = (*consumer)(nil)
	_ async.Seeker   = (*consumer)(nil)
)

// assignLocked adds the next partition.
func (c *consumer) assignLocked() {
	i := len(c.assigned)
	c.assigned = append(c.assigned, assignment{source: &async.Source{System: "log", Name: c.broker.topic, Partition: int32(i), Group: "group"}})
	c.moveLocked(i, 0)
}

// moveLocked begins a new epoch of partition i at offset.
func (c *consumer) moveLocked(i int, offset int64) {
	a := &c.assigned[i]
	a.claim, a.epoch, a.cursor, a.done = async.NewClaim(), a.epoch+1, offset, make(map[int64]bool)
}

func (c *consumer) wakeLocked() {
	select {
	case c.wake <- struct{}{}:
	default: // there is one already
	}
}

// Receive implements async.Consumer.
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		mm, err := c.take(limit)
		if len(mm) > 0 || err != nil {
			return mm, err
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
		}
	}
}

func (c *consumer) take(limit int) ([]*async.Message, error) {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.err != nil || !c.owner {
		return nil, c.err
	}
	var mm []*async.Message
	for i := range c.assigned {
		a := &c.assigned[i]
		for log := b.partitions[i].log; !a.paused && len(mm) < limit && a.cursor < int64(len(log)); a.cursor++ {
			m := log[a.cursor].Clone()
			m.Source, m.Claim, m.Raw = a.source, a.claim, delivery{partition: i, epoch: a.epoch, offset: a.cursor}
			if len(m.Key) > 0 {
				m.Lane = async.LaneOf(a.source, m.Key)
			}
			mm = append(mm, m)
		}
	}
	return mm, nil
}

// Settle implements async.Consumer.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range ss {
		s := &ss[i]
		d, ok := s.Message.Raw.(delivery)
		switch a := &c.assigned[d.partition]; {
		case c.err != nil:
			return c.err
		case !ok || d.epoch != a.epoch && b.fault != SeekKeeps || a.done[d.offset] || d.offset < b.partitions[d.partition].committed && b.fault != SeekKeeps:
			s.Err = async.ErrLost
		case s.Verdict == async.Ack:
			c.doneLocked(d)
		case s.Verdict == async.Reject:
			b.buryLocked(s)
			if s.Written != nil {
				s.Err = b.unlocked(func() error { return s.Written(ctx) })
			}
			if s.Err == nil {
				c.doneLocked(d)
			}
		case s.Verdict == async.Release: // it stays where it is
		default:
			s.Err = errors.New(s.Verdict.String() + ": a log gives nothing again")
		}
	}
	return nil
}

// doneLocked notes that d is done, and moves the group on as far as all is.
func (c *consumer) doneLocked(d delivery) {
	a, p := &c.assigned[d.partition], c.broker.partitions[d.partition]
	a.done[d.offset] = true
	for ; a.done[p.committed]; p.committed++ {
		delete(a.done, p.committed)
	}
}

// Close implements async.Consumer.
func (c *consumer) Close(context.Context) error {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	c.err = cmp.Or(c.err, errClosed)
	if at := slices.Index(b.consumers, c); at >= 0 {
		b.consumers = slices.Delete(b.consumers, at, at+1)
	}
	b.ownLocked()
	return nil
}

// Lag implements async.Lagger.
func (c *consumer) Lag(context.Context) ([]async.Lag, error) {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	lags := make([]async.Lag, len(c.assigned))
	for i, a := range c.assigned {
		end := int64(len(b.partitions[i].log))
		lags[i] = async.Lag{Source: a.source, Messages: end - b.partitions[i].committed}
		if c.owner {
			lags[i].Ready = end - a.cursor
		}
	}
	return lags, nil
}

// Sources implements async.Pauser.
func (c *consumer) Sources() []*async.Source {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	sources := make([]*async.Source, len(c.assigned))
	for i := range c.assigned {
		sources[i] = c.assigned[i].source
		if c.broker.fault == SourcesOfTheirOwn {
			sources[i] = &async.Source{System: "log", Name: sources[i].Name, Partition: sources[i].Partition}
		}
	}
	return sources
}

// Pause implements async.Pauser.
func (c *consumer) Pause(source *async.Source) { c.pause(source, c.broker.fault != PauseNothing) }

// Resume implements async.Pauser.
func (c *consumer) Resume(source *async.Source) { c.pause(source, false) }

func (c *consumer) pause(source *async.Source, paused bool) {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range c.assigned {
		if c.assigned[i].source == source {
			c.assigned[i].paused = paused
		}
	}
	if b.fault != ResumeSilently {
		c.wakeLocked()
	}
}

// claimsLocked returns the claims of the sources that are meant.
func (c *consumer) claimsLocked(meant func(*async.Source) bool) []*async.Claim {
	var claims []*async.Claim
	for _, a := range c.assigned {
		if c.owner && meant(a.source) {
			claims = append(claims, a.claim)
		}
	}
	return claims
}

// Seek implements async.Seeker.
func (c *consumer) Seek(ctx context.Context, p async.Position) error {
	b := c.broker
	b.mu.Lock()
	b.seeks++
	offsets, err := c.offsetsLocked(p)
	claims := c.claimsLocked(p.Selects)
	if b.fault == SeekEnds {
		claims = c.claimsLocked(func(*async.Source) bool { return true })
	}
	b.mu.Unlock()

	if b.fault == SeekNowhere {
		return nil
	}
	if b.fault == SeekLoses {
		for _, claim := range claims {
			claim.Lose(nil)
		}
	}
	if b.fault == SeekWaits {
		ctx = context.WithoutCancel(ctx)
	}
	if err == nil && b.fault != SeekKeeps || b.fault == SeekEnds {
		for _, claim := range claims {
			claim.Revoke(ctx)
		}
	}
	if err != nil {
		return err
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	if c.err != nil {
		return fmt.Errorf("%w: %w", async.ErrLost, c.err)
	}
	for i, offset := range offsets {
		c.moveLocked(i, offset)
		if b.fault != SeekForgets {
			b.partitions[i].committed = offset
		}
	}
	if b.fault != SeekSilently {
		c.wakeLocked()
	}
	return nil
}

// offsetsLocked says where each of the partitions that p selects goes on.
func (c *consumer) offsetsLocked(p async.Position) (map[int]int64, error) {
	offsets := make(map[int]int64)
	for i, a := range c.assigned {
		if !c.owner || !p.Selects(a.source) {
			continue
		}
		log := c.broker.partitions[i].log
		switch p.Kind {
		case async.PositionOldest:
			offsets[i] = 0
		case async.PositionNewest:
			offsets[i] = int64(len(log))
		case async.PositionTime:
			offsets[i] = int64(slices.IndexFunc(append(slices.Clone(log), &async.Message{Time: time.Now().Add(1 << 60)}), func(m *async.Message) bool {
				return m.Time.After(p.Time) || c.broker.fault != SeekLater && m.Time.Equal(p.Time)
			}))
		case async.PositionOffset:
			if p.Offset > int64(len(log)) {
				return nil, fmt.Errorf("offset %d of %s: want at most %d", p.Offset, a.source, len(log))
			}
			offsets[i] = p.Offset
		default:
			return nil, fmt.Errorf("position %v: %w", p, errors.ErrUnsupported)
		}
		if c.broker.fault == SeekOldest {
			offsets[i] = 0
		}
	}
	switch {
	case len(offsets) == 0:
		return nil, fmt.Errorf("source %q: none that this consumer owns", p.Source)
	case p.Kind == async.PositionOffset && len(offsets) > 1:
		return nil, fmt.Errorf("offset %d of %q: want one source, not %d", p.Offset, p.Source, len(offsets))
	}
	return offsets, nil
}
