package kafka

import (
	"context"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Member is what a test may see of a consumer.
type Member struct{ c *consumer }

// MemberOf returns what is behind a consumer of this package.
func MemberOf(c async.Consumer) Member { return Member{c: c.(*consumer)} }

// Client returns the client.
func (m Member) Client() *kgo.Client { return m.c.client }

// Owned returns how many partitions it has.
func (m Member) Owned() int {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return len(m.c.parts)
}

// Subscribed returns how many partitions the topics have that it consumes, those for retries with them.
func (m Member) Subscribed() int {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	n := 0
	for _, p := range m.c.topics {
		n += int(p)
	}
	for _, t := range m.c.tiers {
		n += int(m.c.topics[t.topic])
	}
	return n
}

// Closed reports whether it was closed.
func (m Member) Closed() bool {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return m.c.closed
}

// Resubscribe makes the group take all partitions away, and give them again.
func (m Member) Resubscribe() {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	topics := m.c.client.GetConsumeTopics()
	m.c.client.PurgeTopicsFromConsuming(topics...)
	for m.Owned() > 0 && !m.Closed() {
		if sleep(ctx, 5*time.Millisecond) != nil {
			break
		}
	}
	m.c.client.AddConsumeTopics(topics...)
}

// Kill ends the client as the death of its process does: nothing more is committed.
func (m Member) Kill(ctx context.Context) {
	m.c.mu.Lock()
	m.c.closed = true
	for _, p := range m.c.parts {
		m.c.books.Remove(p.book)
	}
	m.c.mu.Unlock()
	_ = m.c.client.LeaveGroupContext(ctx) // so that the next one need not wait for the end of the session
	m.c.client.Close()
	m.c.cancel()
	m.c.aside.Wait()
}

// Truncated is what the consumer does when the client says that the log of a source ends at an offset now.
func (m Member) Truncated(ctx context.Context, source *async.Source, end int64) error {
	m.c.mu.Lock()
	p := m.c.parts[place{source.Name, source.Partition}]
	m.c.mu.Unlock()
	return m.c.relocate(ctx, relocation{part: p, to: end})
}

// Stashed returns how many messages were fetched and wait until they can be given.
func (m Member) Stashed() int {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	n := 0
	for _, p := range m.c.parts {
		n += len(p.stash)
	}
	return n
}
