package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// discoverAll looks for new topics and partitions until the consumer ends. Partitions of topics that a group consumes are found by the client.
func (c *consumer) discoverAll() {
	if c.factory.group != "" && !c.factory.config.regex {
		return
	}
	ticker := time.NewTicker(c.factory.config.discovery)
	defer ticker.Stop()
	for {
		select {
		case <-c.life.Done():
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(c.life, connectTimeout)
		err := c.discover(ctx, false)
		cancel()
		if err != nil && c.life.Err() == nil {
			c.log.Warn("kafka: discovery of topics failed", "error", err.Error())
		}
	}
}

// discover finds topics to consume, makes what belongs to them, and begins to consume those that are new.
func (c *consumer) discover(ctx context.Context, first bool) error {
	s, err := c.factory.survey(ctx, c.admin)
	if err != nil {
		return err
	}
	fresh := c.unknown(s)
	if err := c.factory.furnish(ctx, c.admin, fresh); err != nil {
		return err
	}
	maps.Copy(s.tiers, fresh.tiers)
	if c.memory != nil {
		return c.read(ctx, s, first)
	}
	if first && c.factory.config.start.Kind != async.PositionOldest {
		if err := c.begin(ctx, s.names()); err != nil {
			return err
		}
	}
	c.subscribe(s)
	return nil
}

// unknown returns what of s is not consumed yet, with all of its retry topics.
func (c *consumer) unknown(s *subscription) *subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := &subscription{topics: make(map[string]int32), tiers: maps.Clone(s.tiers)}
	for topic, n := range s.topics {
		if _, ok := c.topics[topic]; !ok {
			fresh.topics[topic] = n
		}
	}
	return fresh
}

// subscribe makes the client consume the topics of s, and forget those that are gone.
func (c *consumer) subscribe(s *subscription) {
	c.mu.Lock()
	var more, gone []string
	for topic := range s.topics {
		if _, ok := c.topics[topic]; !ok {
			more = append(more, topic)
		}
	}
	for name := range s.tiers {
		if _, ok := c.tiers[name]; !ok {
			more = append(more, name)
		}
	}
	for topic := range c.topics {
		if _, ok := s.topics[topic]; !ok {
			gone = append(gone, topic)
		}
	}
	c.topics = s.topics
	maps.Copy(c.tiers, s.tiers)
	c.mu.Unlock()
	if len(gone) > 0 {
		c.log.Warn("kafka: topics are gone", "topics", gone)
		c.client.PurgeTopicsFromConsuming(gone...)
	}
	if len(more) > 0 {
		c.client.AddConsumeTopics(more...)
	}
}

// begin finds out where the group begins in topics of which it has no position at all, if that is not at the oldest, and commits it. While there are
// other members the broker takes no commit from outside of the group: then the place is remembered, and committed when the partition is assigned.
func (c *consumer) begin(ctx context.Context, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	committed, err := c.admin.FetchOffsetsForTopics(ctx, c.factory.group, topics...)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // which has committed nothing
		return fmt.Errorf("fetch committed offsets: %w", err)
	}
	var fresh []string
	for _, topic := range topics {
		if !slices.ContainsFunc(slices.Collect(maps.Values(committed[topic])), func(o kadm.OffsetResponse) bool { return o.Err != nil || o.At >= 0 }) {
			fresh = append(fresh, topic)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	starts, err := c.startsIn(ctx, fresh)
	if err != nil {
		return err
	}
	var offsets kadm.Offsets
	for at, offset := range starts {
		offsets.AddOffset(at.topic, at.partition, offset, ledger.Unknown)
	}
	answers, err := c.admin.CommitOffsets(ctx, c.factory.group, offsets)
	if err == nil {
		err = answers.Error()
	}
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.starts, starts)
	return nil
}

// startsIn returns where the start option is in the partitions of topics.
func (c *consumer) startsIn(ctx context.Context, topics []string) (map[place]int64, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	var starts map[place]int64
	var err error
	switch start := c.factory.config.start; start.Kind {
	case async.PositionNewest:
		starts, err = listed(c.admin.ListEndOffsets(ctx, topics...))
	case async.PositionTime:
		starts, err = listed(c.admin.ListOffsetsAfterMilli(ctx, start.Time.UnixMilli(), topics...))
	case async.PositionOldest, async.PositionOffset:
		starts, err = listed(c.admin.ListStartOffsets(ctx, topics...))
	}
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	return starts, nil
}

// read makes a reader of a broadcast read the partitions of s that it does not read yet: from where the one before it was, from where the start
// option says, or from the oldest message, if the partition came up later.
func (c *consumer) read(ctx context.Context, s *subscription, first bool) error {
	var more []place
	c.mu.Lock()
	for topic, n := range s.topics {
		for number := range n {
			if at := (place{topic, number}); c.parts[at] == nil {
				more = append(more, at)
			}
		}
	}
	c.topics = s.topics
	c.mu.Unlock()
	if len(more) == 0 || c.memory.stopped() {
		return nil
	}
	bounds, err := boundsOf(ctx, c.admin, s.names()...)
	if err != nil {
		return err
	}
	starts := map[place]int64{}
	if first && !c.memory.begun() {
		if starts, err = c.startsIn(ctx, s.names()); err != nil {
			return err
		}
	}
	var parts []*partition
	offsets := make(map[string]map[int32]kgo.Offset)
	for _, at := range more {
		b, ok := bounds[at]
		if !ok {
			return fmt.Errorf("%v: %w", at, errNoBounds)
		}
		position, known := c.memory.position(at)
		if !known {
			if position, known = starts[at]; !known {
				position = b.first
			}
		}
		if position < b.first || position > b.end {
			c.gap(at, position, b)
			position = b.first
		}
		parts = append(parts, c.newPartition(at, ledger.Start{Position: position, Epoch: ledger.Unknown, Fresh: true}))
		if offsets[at.topic] == nil {
			offsets[at.topic] = make(map[int32]kgo.Offset)
		}
		offsets[at.topic][at.partition] = kgo.NewOffset().At(position)
		c.memory.store(at, position)
	}
	c.settleIn(parts, nil)
	c.client.AddConsumePartitions(offsets)
	return nil
}

var errNoBounds = errors.New("the brokers do not know it yet")

// stopped reports whether the end is known.
func (m *memory) stopped() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ends != nil
}
