package kafka

import (
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
)

// WithRegex says that the topics are regular expressions in the syntax of package regexp, each of which must match the whole name of a topic. Topics
// that come up later are found, see [WithDiscovery], and read from their oldest message. Internal topics, retry topics and dead-letter topics (by
// their names) never match.
func WithRegex() OptionFunc {
	return option("regex", ofConsumers, func(c *config) error {
		c.regex = true
		return nil
	})
}

// WithStart sets where a group begins that has no position in a topic: async.Oldest, which is the default, async.Newest or async.At. The place is
// found out once and committed at once, for the whole topic, so that nothing that is sent from then on is passed over, whatever happens before the
// first message is done. A partition that is added later is read from its oldest message. It is not for a single partition: that is a seek.
//
// A broadcast consumer begins at async.Newest by default, and has no position but that in its process.
func WithStart(p async.Position) OptionFunc {
	return option("start", ofConsumers, func(c *config) error {
		switch {
		case p.Source != "":
			return fmt.Errorf("%v: want a position of no source", p)
		case p.Kind == async.PositionTime && p.Time.IsZero():
			return fmt.Errorf("%v: the time is zero", p)
		case p.Kind != async.PositionOldest && p.Kind != async.PositionNewest && p.Kind != async.PositionTime:
			return fmt.Errorf("%v: want async.Oldest, async.Newest or async.At", p)
		}
		c.start = p
		return nil
	})
}

// WithInstanceID makes the consumer a static member of its group: after a restart it gets its partitions back without a rebalance, if that takes less
// than the session, and nobody else gets them meanwhile. Every instance needs an ID of its own that it keeps over restarts. A crash then costs no
// more than the start of the process in a classic group; under [WithConsumerProtocol] the broker refuses the ID until the session of the one that
// died is over.
func WithInstanceID(id string) OptionFunc {
	return option("instance ID", ofGroup, func(c *config) error { return set(&c.instanceID, id) })
}

// WithConsumerProtocol uses the rebalance protocol of Kafka 4 (KIP-848), by which the broker assigns partitions. The broker then sets session and
// heartbeat. The default is the classic protocol with the cooperative sticky balancer. A group must not mix the two.
func WithConsumerProtocol() OptionFunc {
	return option("consumer protocol", ofGroup, func(c *config) error {
		c.serverSide = true
		return nil
	})
}

// WithSession sets after what time without a heartbeat a member of a classic group is taken for dead, and with it how long a crash holds up its
// partitions. Brokers want at least 6 s, unless group.min.session.timeout.ms says otherwise; that is the default. Handlers may take as long as they
// like.
func WithSession(d time.Duration) OptionFunc {
	return option("session", ofGroup, func(c *config) error { return above(&c.session, d, 100*time.Millisecond) })
}

// WithHeartbeat sets how often a member of a classic group shows that it lives, and how soon it learns of a rebalance. The default is 1 s.
func WithHeartbeat(d time.Duration) OptionFunc {
	return option("heartbeat", ofGroup, func(c *config) error { return above(&c.heartbeat, d, 10*time.Millisecond) })
}

// WithRebalanceTimeout sets how long a member may take to let partitions go. Two thirds of it are for handlers that run: then they are cancelled. The
// default is 30 s.
func WithRebalanceTimeout(d time.Duration) OptionFunc {
	return option("rebalance time-out", ofGroup, func(c *config) error { return above(&c.rebalance, d, 100*time.Millisecond) })
}

// WithRack says where the consumer is, so that it may read from a replica nearby (KIP-392). Otherwise it reads from leaders.
func WithRack(rack string) OptionFunc {
	return option("rack", ofConsumers, func(c *config) error { return set(&c.rack, rack) })
}

// WithReadUncommitted gives messages of transactions that are open, and of those that are aborted. Without it neither is given.
func WithReadUncommitted() OptionFunc {
	return option("read uncommitted", ofConsumers, func(c *config) error {
		c.uncommitted = true
		return nil
	})
}

// WithFetchBytes bounds the bytes that one answer of a broker brings, in all and of one partition. A message that is larger comes all the same, alone. The
// defaults are those of the client library, 50 MiB and 1 MiB.
func WithFetchBytes(all, partition int32) OptionFunc {
	return option("fetch bytes", ofConsumers, func(c *config) error {
		if partition > all {
			return fmt.Errorf("%d of a partition: want at most those in all, %d", partition, all)
		}
		return errors.Join(above(&c.fetch, all, 1), above(&c.partFetch, partition, 1))
	})
}

// WithMaxUncommitted bounds how many messages of a partition are received and not covered by a commit: behind one that is stuck, or while commits fail, the
// partition is paused. The default is 10 000.
func WithMaxUncommitted(n int) OptionFunc {
	return option("uncommitted messages", ofConsumers, func(c *config) error { return above(&c.bound, n, 1) })
}

// WithKeyLanes orders messages by their keys within a partition, and those without a key not at all: messages of one partition are processed
// concurrently. Without it a partition is processed in its order, and the concurrency of a component is bounded by the number of its partitions.
func WithKeyLanes() OptionFunc {
	return option("key lanes", ofConsumers, func(c *config) error {
		c.keyLanes = true
		return nil
	})
}

// WithDiscovery sets how often the consumer looks for topics that match ([WithRegex]), partitions that were added, and retry topics that an earlier
// configuration left. The default is 30 s.
func WithDiscovery(d time.Duration) OptionFunc {
	return option("discovery", ofConsumers, func(c *config) error { return above(&c.discovery, d, 10*time.Millisecond) })
}

// WithDeadLetterTopic names the topic of dead letters, for all topics of the consumer. The default is one for each topic, "<topic>.<group>.dead", or
// "<topic>.dead" for broadcasts.
func WithDeadLetterTopic(name string) OptionFunc {
	return option("dead-letter topic", ofConsumers, func(c *config) error { return set(&c.dead, name) })
}

// WithoutDeadLetters says that there is no topic for dead letters: the strategy of the component decides what becomes of a message that failed for good.
func WithoutDeadLetters() OptionFunc {
	return option("no dead letters", ofConsumers, func(c *config) error {
		c.noDead = true
		return nil
	})
}

// WithDeadLetterRetention sets for how long the dead letters of a topic that this package makes are kept. The default is for ever. It is less than
// the life of a message that nobody looked at, so choose it with those who look in mind.
func WithDeadLetterRetention(d time.Duration) OptionFunc {
	return option("dead-letter retention", ofConsumers, func(c *config) error { return above(&c.retention, d, time.Second) })
}

// WithoutTopicCreation says that topics for retries and dead letters are made by somebody else. Where one is missing, Create says so, and nothing is
// consumed. Without it they are made when they are needed: retry topics with as many partitions as the topic, dead-letter topics with one, which
// keeps the order in which they were written.
func WithoutTopicCreation() OptionFunc {
	return option("no topic creation", ofConsumers, func(c *config) error {
		c.noCreate = true
		return nil
	})
}

// WithReplicationFactor sets that of the topics that are made for retries and dead letters. The default is the broker's (default.replication.factor).
func WithReplicationFactor(n int16) OptionFunc {
	return option("replication factor", ofConsumers, func(c *config) error { return above(&c.replicas, n, 1) })
}
