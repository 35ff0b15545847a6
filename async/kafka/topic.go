package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/beatlabs/patron/async/kafka/internal/record"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// tier is a retry topic.
type tier struct {
	topic string // where its messages are from
	index int
}

// subscription is what a factory consumes, as the brokers have it.
type subscription struct {
	topics map[string]int32 // partitions of each
	tiers  map[string]tier
}

func (s *subscription) names() []string {
	return slices.Sorted(maps.Keys(s.topics))
}

// matches reports whether the consumer is meant for a topic.
func (f *factory) matches(topic string) bool {
	if !f.config.regex {
		return slices.Contains(f.topics, topic)
	}
	if record.Ours(topic) {
		return false
	}
	for _, p := range f.patterns {
		if p.MatchString(topic) {
			return true
		}
	}
	return false
}

// survey asks the brokers which topics there are to consume. One that is named and missing is an error.
func (f *factory) survey(ctx context.Context, admin *kadm.Client) (*subscription, error) {
	s := &subscription{topics: make(map[string]int32), tiers: make(map[string]tier)}
	all, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	for _, d := range all {
		if d.Err != nil {
			continue
		}
		if f.matches(d.Topic) {
			s.topics[d.Topic] = int32(len(d.Partitions))
		}
		if f.group == "" {
			continue
		}
		if topic, index, ok := record.RetryOf(d.Topic, f.group); ok && f.matches(topic) {
			s.tiers[d.Topic] = tier{topic: topic, index: index}
		}
	}
	return s, f.missing(ctx, admin, s)
}

// missing says which topics that are named cannot be consumed, and why.
func (f *factory) missing(ctx context.Context, admin *kadm.Client, s *subscription) error {
	if f.config.regex {
		return nil
	}
	var names []string
	for _, t := range f.topics {
		if _, ok := s.topics[t]; !ok {
			names = append(names, t)
		}
	}
	if len(names) == 0 {
		return nil
	}
	details, err := admin.ListTopics(ctx, names...) // a list of all leaves out what one may not see
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	var errs []error
	for _, name := range names {
		switch d, ok := details[name]; {
		case !ok:
			errs = append(errs, fmt.Errorf("topic %q: %w", name, kerr.UnknownTopicOrPartition))
		case d.Err != nil:
			errs = append(errs, fmt.Errorf("topic %q: %w", name, d.Err))
		default: // it came up meanwhile
			s.topics[name] = int32(len(d.Partitions))
		}
	}
	return errors.Join(errs...)
}

// kept is for how long a retry topic keeps what nobody takes, beyond its delay.
const kept = 30 * 24 * time.Hour

// furnish sees to it that every topic has its retry topics and its dead-letter topic.
func (f *factory) furnish(ctx context.Context, admin *kadm.Client, s *subscription) error {
	var errs []error
	for _, topic := range s.names() {
		for i, delay := range f.delays {
			name := record.RetryTopic(topic, f.group, i)
			if _, ok := s.tiers[name]; ok {
				continue
			}
			if err := f.makeTopic(ctx, admin, name, design{of: topic, partitions: s.topics[topic], retention: delay + kept}); err != nil {
				errs = append(errs, fmt.Errorf("topic %q for retries after %v: %w", name, delay, err))
				continue
			}
			s.tiers[name] = tier{topic: topic, index: i}
		}
	}
	if f.letters == nil {
		return errors.Join(errs...)
	}
	for _, topic := range s.names() {
		name := f.deadTopic(topic)
		if err := f.makeTopic(ctx, admin, name, f.deadDesign(topic)); err != nil {
			errs = append(errs, fmt.Errorf("topic %q for dead letters: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

const forever = -time.Millisecond

// design is what a topic is made with that belongs to another one.
type design struct {
	of         string
	partitions int32
	retention  time.Duration
}

// deadDesign is that of a dead-letter topic: one partition keeps the order in which letters are written.
func (f *factory) deadDesign(topic string) design {
	d := design{of: topic, partitions: 1, retention: f.config.retention}
	if d.retention == 0 {
		d.retention = forever
	}
	return d
}

// headroom is what a retry or a dead letter may be larger than its message, for the headers that say why.
const headroom = 64 << 10

// configs returns the configuration of a topic: it takes what the topic takes that it belongs to.
func (d design) configs(ctx context.Context, admin *kadm.Client) map[string]*string {
	retention, policy := strconv.FormatInt(d.retention.Milliseconds(), 10), "delete"
	configs := map[string]*string{"retention.ms": &retention, "cleanup.policy": &policy}
	of, err := admin.DescribeTopicConfigs(ctx, d.of)
	if err != nil {
		return configs // who may not know takes the broker's default
	}
	for _, r := range of {
		for _, c := range r.Configs {
			if n, err := strconv.Atoi(c.MaybeValue()); c.Key == "max.message.bytes" && err == nil {
				most := strconv.Itoa(n + headroom)
				configs[c.Key] = &most
			}
		}
	}
	return configs
}

// deadTopics returns the dead-letter topics of topics.
func (f *factory) deadTopics(topics []string) []string {
	if f.config.dead != "" {
		return []string{f.config.dead}
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = f.deadTopic(t)
	}
	return names
}

func (f *factory) deadTopic(topic string) string {
	if f.config.dead != "" {
		return f.config.dead
	}
	return record.DeadTopic(topic, f.group)
}

// makeTopic makes a topic if there is none, or says that it is missing if it must not.
func (f *factory) makeTopic(ctx context.Context, admin *kadm.Client, name string, d design) error {
	details, err := admin.ListTopics(ctx, name)
	if err != nil {
		return err
	}
	found := details[name]
	switch {
	case found.Err == nil && len(found.Partitions) > 0:
		return nil
	case found.Err != nil && !errors.Is(found.Err, kerr.UnknownTopicOrPartition):
		return found.Err
	case f.config.noCreate:
		return fmt.Errorf("%w: it must be made, because WithoutTopicCreation says that somebody else does", kerr.UnknownTopicOrPartition)
	}
	r, err := admin.CreateTopic(ctx, d.partitions, f.config.replicas, d.configs(ctx, admin), name)
	switch {
	case errors.Is(err, kerr.TopicAlreadyExists):
		return nil
	case err != nil && r.ErrMessage != "":
		return fmt.Errorf("create: %w: %s", err, r.ErrMessage)
	case err != nil:
		return fmt.Errorf("create: %w", err)
	}
	return f.awaitTopic(ctx, admin, name)
}

// awaitTopic waits until a new topic can be seen, so that nothing that follows finds it missing.
func (f *factory) awaitTopic(ctx context.Context, admin *kadm.Client, name string) error {
	for {
		details, err := admin.ListTopics(ctx, name)
		if err != nil {
			return err
		}
		if d, ok := details[name]; ok && d.Err == nil && len(d.Partitions) > 0 {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// sleep blocks for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
