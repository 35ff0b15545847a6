package sarama

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
)

var _ async.Seeker = (*consumer)(nil)

// Seek implements async.Seeker. Retry topics stay where they are: what waits in them was taken off its partition, and comes again when it is due.
//
// The client library cannot move within a session, so the session ends with it: what the member has of other partitions is revoked as in a rebalance, and comes
// again.
func (c *consumer) Seek(ctx context.Context, p async.Position) error {
	sought, entries, err := c.sought(p)
	if err != nil {
		return c.factory.errorf("seek %v: %w", p, err)
	}
	session := sought[0].session
	var wg sync.WaitGroup
	for _, k := range sought {
		wg.Go(func() {
			c.mu.Lock()
			k.ended, k.queue = true, nil
			c.mu.Unlock()
			k.claim.Revoke(ctx)
			c.mu.Lock()
			k.book.End()
			c.set.Remove(k.book) // its position is forgotten
			k.gone = true
			c.changedLocked()
			c.mu.Unlock()
		})
	}
	wg.Wait()
	if err := c.move(ctx, session, entries); err != nil {
		return c.factory.errorf("seek %v: %w: %w", p, async.ErrLost, err)
	}
	return nil
}

// sought returns the claims that p selects, and where they go on.
func (c *consumer) sought(p async.Position) ([]*claim, []entry, error) {
	if p.Kind < async.PositionOldest || p.Kind > async.PositionOffset {
		return nil, nil, fmt.Errorf("position of kind %d: %w", p.Kind, errors.ErrUnsupported)
	}
	c.mu.Lock()
	var sought []*claim
	for _, k := range c.claims {
		if !k.retry && !k.ended && p.Selects(k.source) {
			sought = append(sought, k)
		}
	}
	c.mu.Unlock()
	switch {
	case len(sought) == 0:
		return nil, nil, fmt.Errorf("no partition of %q is owned", p.Source)
	case p.Kind == async.PositionOffset && len(sought) > 1:
		return nil, nil, fmt.Errorf("an offset in %d partitions: want one, as in \"orders/3\"", len(sought))
	}
	entries := make([]entry, len(sought))
	for i, k := range sought {
		offset, err := c.offsetOf(p, k.topic, k.partition)
		if err != nil {
			return nil, nil, err
		}
		if p.Kind == async.PositionOffset {
			if err := c.inRange(k.place, offset); err != nil {
				return nil, nil, err
			}
		}
		entries[i] = entry{k.place, committed{offset: offset, epoch: ledger.Unknown}}
	}
	return sought, entries, nil
}

func (c *consumer) inRange(at place, offset int64) error {
	oldest, err := c.offsetOf(async.Oldest(), at.topic, at.partition)
	if err != nil {
		return err
	}
	newest, err := c.offsetOf(async.Newest(), at.topic, at.partition)
	if err != nil {
		return err
	}
	if offset < oldest || offset > newest {
		return fmt.Errorf("offset %d: want %d to %d", offset, oldest, newest)
	}
	return nil
}

// move commits the new positions, ends the session, and waits until the partitions are received from again.
func (c *consumer) move(ctx context.Context, session sarama.ConsumerGroupSession, entries []entry) error {
	// The time of the caller was for its handlers. The group waits until its slowest member lets go, and then there is a commit and a join to make.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.factory.config.rebalance+commitTimeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	if err := c.quiet(ctx); err != nil {
		return err
	}
	if err := c.commitEntries(session, entries); err != nil {
		return err
	}
	c.mu.Lock()
	c.restart()
	c.mu.Unlock()
	for {
		c.mu.Lock()
		now, tick := c.session, c.tick
		there := now != nil && now != session
		for _, e := range entries {
			there = there && c.hasLocked(e.place, now)
		}
		c.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hasLocked reports whether a partition is ours in a session. Another member may have got it: then it is not ours to wait for.
func (c *consumer) hasLocked(at place, session sarama.ConsumerGroupSession) bool {
	if session == nil {
		return false
	}
	for _, k := range c.claims {
		if k.place == at && !k.ended && k.session == session {
			return true
		}
	}
	return !slices.Contains(session.Claims()[at.topic], at.partition)
}

// quiet waits until no commit is under way that could carry an old position.
func (c *consumer) quiet(ctx context.Context) error {
	for {
		c.mu.Lock()
		flying, tick := c.set.Flying(), c.tick
		c.mu.Unlock()
		if !flying {
			return nil
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
