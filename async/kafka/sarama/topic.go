package sarama

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async/kafka/internal/record"
)

// tier is a retry topic.
type tier struct {
	topic string // where its messages are from
	index int
}

// deadTopic is where the dead letters of a topic are.
func (f *factory) deadTopic(topic string) string {
	if f.config.dead != "" {
		return f.config.dead
	}
	return record.DeadTopic(topic, f.group)
}

// deadTopics are all of them.
func (f *factory) deadTopics() []string {
	var names []string
	for _, t := range f.topics {
		names = append(names, f.deadTopic(t))
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// retryTopic is where a message of a topic waits for delay: that of the shortest delay that is not less, or of the longest.
func (f *factory) retryTopic(topic string, delay time.Duration) (string, error) {
	if len(f.delays) == 0 {
		return "", fmt.Errorf("retry after %v: no delay was planned: %w", delay, errors.ErrUnsupported)
	}
	i, _ := slices.BinarySearch(f.delays, delay)
	return record.RetryTopic(topic, f.group, min(i, len(f.delays)-1)), nil
}

// prepare looks for the topics, makes those that are ours to make, and finds the retry topics, also those of an earlier configuration.
func (c *consumer) prepare(ctx context.Context, client sarama.Client) error {
	f := c.factory
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	c.admin = admin
	if err := client.RefreshMetadata(f.topics...); err != nil {
		return fmt.Errorf("topics %q: %w", f.topics, err)
	}
	want := make(map[string]int32)
	c.tiers = make(map[string]tier)
	for _, t := range f.topics {
		numbers, err := client.Partitions(t)
		if err != nil {
			return fmt.Errorf("topic %q: %w", t, err)
		}
		if f.letters != nil {
			want[f.deadTopic(t)] = 1
		}
		for i := range f.delays {
			name := record.RetryTopic(t, f.group, i)
			want[name] = int32(len(numbers))
			c.tiers[name] = tier{topic: t, index: i}
		}
	}
	there, err := c.admin.ListTopics()
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	for name := range there {
		if t, i, ok := record.RetryOf(name, f.group); ok && slices.Contains(f.topics, t) {
			c.tiers[name] = tier{topic: t, index: i}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := there[name]; ok {
			continue
		}
		if err := c.make(name, want[name]); err != nil {
			return err
		}
	}
	c.topics = slices.Sorted(maps.Keys(c.tiers))
	c.topics = append(c.topics, f.topics...)
	return known(ctx, client, append(slices.Clone(c.topics), slices.Collect(maps.Keys(want))...))
}

// known waits until the brokers know topics that exist: one that was just made takes a moment to get around.
func known(ctx context.Context, client sarama.Client, topics []string) error {
	for {
		err := client.RefreshMetadata(topics...)
		if err == nil || !errors.Is(err, sarama.ErrUnknownTopicOrPartition) && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
			return err
		}
		timer := time.NewTimer(clientBackoff)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// make makes a topic for retries or dead letters.
func (c *consumer) make(name string, partitions int32) error {
	f := c.factory
	if f.config.noCreate {
		return fmt.Errorf("topic %q: %w", name, sarama.ErrUnknownTopicOrPartition)
	}
	retention := "-1"
	if _, retry := c.tiers[name]; retry {
		retention = strconv.FormatInt((2 * maxDelay).Milliseconds(), 10)
	} else if f.config.retention > 0 {
		retention = strconv.FormatInt(f.config.retention.Milliseconds(), 10)
	}
	policy := "delete"
	err := c.admin.CreateTopic(name, &sarama.TopicDetail{
		NumPartitions: partitions, ReplicationFactor: f.config.replicas,
		ConfigEntries: map[string]*string{"retention.ms": &retention, "cleanup.policy": &policy},
	}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("make topic %q: %w", name, err)
	}
	return nil
}
