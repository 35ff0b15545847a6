package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// assigned is called when the group has given partitions to this member, none maybe.
func (c *consumer) assigned(context.Context, *kgo.Client, map[string][]int32) { c.health.assigned() }

// offsetsFetched notes what the group has committed of partitions that are about to come.
func (c *consumer) offsetsFetched(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.fetched)
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 || p.Offset < 0 {
					continue
				}
				s := ledger.Start{Topic: t.Topic, Partition: p.Partition, Position: p.Offset, Epoch: p.LeaderEpoch}
				if p.Metadata != nil {
					s.Metadata = *p.Metadata
				}
				c.fetched[place{t.Topic, p.Partition}] = s
			}
		}
	}
	return nil
}

// place is called when partitions come. It says where each begins, and puts them into place.
func (c *consumer) place(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	if len(offsets) == 0 {
		return offsets, nil
	}
	topics := make([]string, 0, len(offsets))
	for t := range offsets {
		topics = append(topics, t)
	}
	bounds, err := boundsOf(ctx, c.admin, topics...)
	if err != nil {
		return nil, err
	}
	var parts []*partition
	for topic, pp := range offsets {
		for number := range pp {
			at := place{topic, number}
			start, err := c.startOf(at, bounds)
			if err != nil {
				return nil, err
			}
			epoch := start.Epoch
			if start.Fresh {
				epoch = ledger.Unknown // the client would compare it with what it finds there
			}
			pp[number] = kgo.NewOffset().At(start.Position).WithEpoch(epoch)
			parts = append(parts, c.newPartition(at, start))
		}
	}
	c.settleIn(parts, nil)
	return offsets, nil
}

// newPartition returns a partition that begins a claim.
func (c *consumer) newPartition(at place, start ledger.Start) *partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	start.Topic, start.Partition, start.Bound = at.topic, at.partition, c.factory.config.bound
	p := newPartition(at, c.sourceLocked(at), ledger.New(start))
	_, p.retry = c.tiers[at.topic]
	_, p.halted = c.halted[p.source]
	return p
}

// sourceLocked returns the source of the messages at a place, one for the life of the consumer: the engine counts in it.
func (c *consumer) sourceLocked(at place) *async.Source {
	s := c.sources[at]
	if s == nil {
		name := at.topic
		if t, ok := c.tiers[name]; ok {
			name = t.topic
		}
		s = &async.Source{System: system, Name: name, Partition: at.partition, Group: c.factory.group}
		c.sources[at] = s
	}
	return s
}

// startOf says where a claim of a partition begins: at the committed position, if it is within the log.
func (c *consumer) startOf(at place, bounds bounds) (ledger.Start, error) {
	c.mu.Lock()
	start, committed := c.fetched[at]
	first, chosen := c.starts[at]
	c.mu.Unlock()
	b, ok := bounds[at]
	switch {
	case !ok:
		return start, fmt.Errorf("%v: %w", at, kerr.UnknownTopicOrPartition)
	case !committed && chosen:
		return ledger.Start{Position: min(max(first, b.first), b.end), Epoch: ledger.Unknown, Fresh: true}, nil
	case !committed:
		return ledger.Start{Position: b.first, Epoch: ledger.Unknown, Fresh: true}, nil
	case start.Position < b.first || start.Position > b.end:
		c.gap(at, start.Position, b)
		return ledger.Start{Position: b.first, Epoch: ledger.Unknown, Fresh: true}, nil
	}
	return start, nil
}

// settleIn puts parts into place, after what seek does, while no poll is under way: what such a one brings is of the claims before.
func (c *consumer) settleIn(parts []*partition, seek func()) {
	gate := make(chan struct{})
	c.mu.Lock()
	c.gate = gate
	c.wakeLocked()
	c.mu.Unlock()

	c.polling.Lock()
	defer c.polling.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if seek != nil {
		seek()
	}
	for _, p := range parts {
		if old := c.parts[p.place]; old != nil {
			c.dropLocked(old)
		}
		c.parts[p.place] = p
		c.books.Add(p.book)
	}
	c.flushLocked()
	if c.gate == gate {
		c.gate = nil
	}
	close(gate)
}

// revoked is called when partitions go: in a rebalance, where two thirds of the time that the group gives are for handlers that run, or because the
// member leaves.
func (c *consumer) revoked(_ context.Context, _ *kgo.Client, revoked map[string][]int32) {
	ctx, cancel := context.WithTimeout(c.life, 2*c.factory.config.rebalance/3)
	defer cancel()
	if err := c.letGo(ctx, c.owned(revoked)); err != nil {
		c.log.WarnContext(ctx, "kafka: last commit of revoked partitions failed, what they settled may come again", "error", err.Error())
	}
}

// owned returns those of partitions that are ours.
func (c *consumer) owned(partitions map[string][]int32) []*partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []*partition
	for topic, numbers := range partitions {
		for _, n := range numbers {
			if p := c.parts[place{topic, n}]; p != nil {
				parts = append(parts, p)
			}
		}
	}
	return parts
}

// letGo ends the claims of parts in good order: running handlers may finish until ctx ends, what they settled is committed.
func (c *consumer) letGo(ctx context.Context, parts []*partition) error {
	if len(parts) == 0 {
		return nil
	}
	c.endClaims(ctx, parts)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil // Close does the rest
	}
	for _, p := range parts {
		p.book.End()
	}
	f := c.flushLocked()
	c.mu.Unlock()

	last, cancel := context.WithTimeout(c.life, c.lastCommit())
	defer cancel()
	err := f.wait(last)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range parts {
		c.dropLocked(p)
	}
	return err
}

// lastCommit is how long the last commit of what was revoked may take: so that the rebalance does not go on without us.
func (c *consumer) lastCommit() time.Duration {
	return min(commitTimeout, c.factory.config.rebalance/6)
}

// endClaims revokes the claims of parts, all at the same time.
func (c *consumer) endClaims(ctx context.Context, parts []*partition) {
	c.mu.Lock()
	for _, p := range parts {
		p.leaving = true
		p.clear()
	}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(func() { p.claim.Revoke(ctx) })
	}
	wg.Wait()
}

// lost is called when partitions are gone already: the group took this member for dead.
func (c *consumer) lost(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	parts := c.owned(lost)
	c.mu.Lock()
	for _, p := range parts {
		p.leaving = true
		c.dropLocked(p)
	}
	c.mu.Unlock()
	for _, p := range parts {
		p.claim.Lose(errLost)
	}
}

var errLost = fmt.Errorf("%w: the group has taken its partition away", async.ErrLost)

// bound is what a partition has: the first offset, and the one after the last.
type bound struct{ first, end int64 }

type bounds map[place]bound

// boundsOf asks what the partitions of topics have.
func boundsOf(ctx context.Context, admin *kadm.Client, topics ...string) (bounds, error) {
	first, err := listed(admin.ListStartOffsets(ctx, topics...))
	if err != nil {
		return nil, fmt.Errorf("list first offsets: %w", err)
	}
	ends, err := listed(admin.ListEndOffsets(ctx, topics...))
	if err != nil {
		return nil, fmt.Errorf("list last offsets: %w", err)
	}
	b := make(bounds, len(first))
	for at, offset := range first {
		b[at] = bound{first: offset, end: max(offset, ends[at])}
	}
	return b, nil
}

// listed returns offsets by their partitions, or the first error among them.
func listed(offsets kadm.ListedOffsets, err error) (map[place]int64, error) {
	if err != nil {
		return nil, err
	}
	if err := offsets.Error(); err != nil {
		return nil, err
	}
	m := make(map[place]int64)
	for topic, pp := range offsets {
		for number, o := range pp {
			m[place{topic, number}] = o.Offset
		}
	}
	return m, nil
}
