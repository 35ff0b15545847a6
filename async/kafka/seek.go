package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Seek implements async.Seeker: by offset, by time (of records), and to both ends. What waits in retry topics stays there: it is still to be done.
func (c *consumer) Seek(ctx context.Context, p async.Position) error {
	parts := c.selected(p)
	if len(parts) == 0 {
		return c.factory.errorf("seek %v: no partition of it is owned, want one of %v", p, c.sourceNames())
	}
	to, err := c.target(ctx, p, parts)
	if err != nil {
		return c.factory.errorf("seek %v: %w", p, err)
	}
	c.endClaims(ctx, parts)
	if err := c.move(ctx, parts, to); err != nil {
		return c.factory.errorf("seek %v: %w: %w", p, async.ErrLost, err)
	}
	return nil
}

// selected returns the partitions that p means.
func (c *consumer) selected(p async.Position) []*partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []*partition
	for _, q := range c.parts {
		if !q.retry && !q.leaving && p.Selects(q.source) {
			parts = append(parts, q)
		}
	}
	return parts
}

// sourceNames names the sources that can be sought.
func (c *consumer) sourceNames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, p := range c.parts {
		if !p.retry {
			names = append(names, p.source.String())
		}
	}
	slices.Sort(names)
	return names
}

// target returns where p is in each of parts.
func (c *consumer) target(ctx context.Context, p async.Position, parts []*partition) (map[place]int64, error) {
	topics := topicsOf(parts)
	bounds, err := boundsOf(ctx, c.admin, topics...)
	if err != nil {
		return nil, err
	}
	var times map[place]int64
	switch p.Kind {
	case async.PositionOldest, async.PositionNewest:
	case async.PositionTime:
		if times, err = listed(c.admin.ListOffsetsAfterMilli(ctx, p.Time.UnixMilli(), topics...)); err != nil {
			return nil, fmt.Errorf("list offsets after %v: %w", p.Time, err)
		}
	case async.PositionOffset:
		if len(parts) != 1 {
			return nil, fmt.Errorf("%d partitions: want one", len(parts))
		}
	default:
		return nil, fmt.Errorf("position of kind %d: %w", p.Kind, errors.ErrUnsupported)
	}
	to := make(map[place]int64, len(parts))
	for _, q := range parts {
		b, ok := bounds[q.place]
		switch {
		case !ok:
			return nil, fmt.Errorf("%v: the brokers do not know it", q.place)
		case p.Kind == async.PositionOldest:
			to[q.place] = b.first
		case p.Kind == async.PositionNewest:
			to[q.place] = b.end
		case p.Kind == async.PositionTime:
			to[q.place] = min(max(times[q.place], b.first), b.end)
		case p.Offset < b.first || p.Offset > b.end:
			return nil, fmt.Errorf("offset %d: want %d to %d", p.Offset, b.first, b.end)
		default:
			to[q.place] = p.Offset
		}
	}
	return to, nil
}

// topicsOf returns the topics of parts.
func topicsOf(parts []*partition) []string {
	topics := make(map[string]struct{}, 1)
	for _, p := range parts {
		topics[p.topic] = struct{}{}
	}
	return slices.Sorted(maps.Keys(topics))
}

var errTaken = errors.New("a partition was taken away meanwhile")

// move makes parts, whose claims have ended, go on at other places, in new claims, and commits those.
func (c *consumer) move(ctx context.Context, parts []*partition, to map[place]int64) error {
	var moved []*partition
	for _, p := range parts {
		start := ledger.Start{Position: to[p.place], Epoch: ledger.Unknown, Fresh: true}
		moved = append(moved, c.newPartition(p.place, start))
	}
	taken := false
	c.settleIn(moved, func() {
		offsets := make(map[string]map[int32]kgo.EpochOffset, 1)
		for _, p := range parts {
			if c.parts[p.place] != p || c.closed {
				taken = true
				continue
			}
			if offsets[p.topic] == nil {
				offsets[p.topic] = make(map[int32]kgo.EpochOffset, 1)
			}
			offsets[p.topic][p.partition] = kgo.EpochOffset{Epoch: ledger.Unknown, Offset: to[p.place]}
		}
		moved = slices.DeleteFunc(moved, func(q *partition) bool { _, ok := offsets[q.topic][q.partition]; return !ok })
		c.setOffsetsLocked(offsets)
	})
	if taken {
		return errTaken
	}
	c.mu.Lock()
	f := c.flushLocked()
	c.mu.Unlock()
	return f.wait(ctx)
}

// setOffsetsLocked makes the client fetch from other offsets. It takes one that is equal to what it believes to be polled last for no change, and
// since it commits nothing by itself it believes in what was there when the partition came: so it is sent elsewhere first.
func (c *consumer) setOffsetsLocked(offsets map[string]map[int32]kgo.EpochOffset) {
	elsewhere := make(map[string]map[int32]kgo.EpochOffset, len(offsets))
	for topic, pp := range offsets {
		elsewhere[topic] = make(map[int32]kgo.EpochOffset, len(pp))
		for number, o := range pp {
			o.Offset++
			elsewhere[topic][number] = o
		}
	}
	c.client.SetOffsets(elsewhere)
	c.client.SetOffsets(offsets)
}
