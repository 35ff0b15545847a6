package sarama

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
)

// claim is a partition of ours: of the assigned one until it is revoked, or sought. It is guarded by the mutex of the consumer.
type claim struct {
	place

	claim  *async.Claim
	book   *ledger.Ledger
	source *async.Source // of its messages; of a retry topic none but that of the origin is shown
	retry  bool

	queue   []fetched
	halted  bool             // the client was told not to fetch
	ended   bool             // nothing is taken any more
	gone    bool             // nothing is committed any more
	written map[int64]bool   // offsets whose dead letter or retry is confirmed, and which are not settled yet
	unsure  map[int64]uint64 // marks of offsets that are settled, and of whose commit nobody was told
	session sarama.ConsumerGroupSession
}

// fetched is a record that waits.
type fetched struct {
	record *sarama.ConsumerMessage
	due    time.Time // of a retry; zero: at once
}

// How many records of a partition wait before its fetching is paused, and how many are left when it goes on.
const (
	mostFetched  = 1000
	leastFetched = 250
)

// trustAfter is how long a message that is given alone, because its process died before, keeps the others of its partition waiting.
const trustAfter = 5 * time.Second

var errClosed = fmt.Errorf("%w: the consumer is closed", async.ErrLost)

// ConsumeClaim implements sarama.ConsumerGroupHandler: it runs for as long as the partition is ours.
func (c *consumer) ConsumeClaim(session sarama.ConsumerGroupSession, from sarama.ConsumerGroupClaim) error {
	k, err := c.begin(session, from)
	if err != nil {
		return fmt.Errorf("claim %s/%d: %w", from.Topic(), from.Partition(), err)
	}
	defer c.finish(k)
	for {
		select {
		case r, ok := <-from.Messages():
			if !ok {
				return nil
			}
			c.keep(k, r)
		case <-session.Context().Done():
			return nil
		}
	}
}

// begin makes the claim of a partition that begins at the position that the client library has found.
func (c *consumer) begin(session sarama.ConsumerGroupSession, from sarama.ConsumerGroupClaim) (*claim, error) {
	at := place{from.Topic(), from.Partition()}
	start := ledger.Start{Topic: at.topic, Partition: at.partition, Position: ledger.Unknown, Epoch: ledger.Unknown, Bound: c.factory.config.bound}
	if from.InitialOffset() >= 0 {
		start.Position = from.InitialOffset()
		committed, err := c.books.fetch(map[string][]int32{at.topic: {at.partition}})
		if err != nil {
			return nil, err
		}
		if found := committed[at]; found.offset == start.Position {
			start.Epoch, start.Metadata = found.epoch, found.metadata
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claimLocked(session, at, start), nil
}

func (c *consumer) claimLocked(session sarama.ConsumerGroupSession, at place, start ledger.Start) *claim {
	k := &claim{
		place: at, claim: async.NewClaim(), book: ledger.New(start), session: session, written: make(map[int64]bool), unsure: make(map[int64]uint64),
	}
	t, retry := c.tiers[at.topic]
	k.retry = retry
	if retry {
		at.topic = t.topic
	}
	k.source = c.sourceLocked(at)
	c.claims = append(c.claims, k)
	c.set.Add(k.book)
	c.changedLocked()
	return k
}

// keep puts a record into the queue of its claim. It never blocks, since the end of a claim comes the same way.
func (c *consumer) keep(k *claim, r *sarama.ConsumerMessage) {
	f := fetched{record: r}
	if k.retry {
		_, reader := read(r)
		f.due = reader.Due
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.ended {
		return
	}
	k.queue = append(k.queue, f)
	if len(k.queue) >= mostFetched && !k.halted {
		k.halted = true
		c.group.Pause(k.list())
	}
	if len(k.queue) == 1 {
		c.wakeUp()
	}
}

func (p place) list() map[string][]int32 { return map[string][]int32{p.topic: {p.partition}} }

// takeLocked takes up to limit messages of k, and returns when the next one is due, if it is not.
func (c *consumer) takeLocked(k *claim, limit int, now time.Time) time.Time {
	if k.ended || !k.retry && c.paused[k.source] {
		return time.Time{}
	}
	taken := 0
	defer func() { c.takenLocked(k, taken) }()
	for given := 0; given < limit && taken < len(k.queue) && !k.book.Full(); {
		f := &k.queue[taken]
		if f.due.After(now) {
			return f.due
		}
		var m *async.Message
		if k.retry {
			if m = c.messageLocked(k, f.record); c.paused[m.Source] {
				return time.Time{}
			}
		}
		starts, a := k.book.Take(f.record.Offset, ledger.Unknown)
		switch a {
		case ledger.Given:
			if m == nil {
				m = c.messageLocked(k, f.record)
			}
			m.Attempt += starts
			c.out = append(c.out, m)
			given++
		case ledger.Later:
			c.waitLocked(k)
			return time.Time{}
		case ledger.Skipped:
			c.commitSoon()
		case ledger.Repeated, ledger.Ended:
		}
		taken++
	}
	return time.Time{}
}

// takenLocked removes the first n records of the queue, and lets the client fetch if there are few.
func (c *consumer) takenLocked(k *claim, n int) {
	if n == 0 {
		return
	}
	left := copy(k.queue, k.queue[n:])
	clear(k.queue[left:])
	k.queue = k.queue[:left]
	if k.halted && left <= leastFetched && !k.ended {
		k.halted = false
		c.group.Resume(k.list())
	}
}

// waitLocked is called when the ledger keeps a message back: a commit lets it out, or time does.
func (c *consumer) waitLocked(k *claim) {
	c.commitSoon()
	if k.book.Waits() && c.trust == nil && !c.closing {
		c.trust = time.AfterFunc(trustAfter, c.trustAll)
	}
}

// trustAll does not wait any more for what was given alone.
func (c *consumer) trustAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trust = nil
	for _, k := range c.claims {
		k.book.Trust()
	}
	c.commitSoon()
	c.wakeUp()
}

// messageLocked makes the message of a record.
func (c *consumer) messageLocked(k *claim, r *sarama.ConsumerMessage) *async.Message {
	m, reader := read(r)
	m.Claim, m.Source = k.claim, k.source
	if k.retry {
		if reader.Position.Topic != r.Topic {
			m.Source = c.sourceLocked(place{reader.Position.Topic, reader.Position.Partition})
		}
		m.Attempt = reader.Attempts
		return m // it has left the order of its lane
	}
	switch {
	case !c.factory.config.keyLanes:
		m.Lane = async.Lane{Source: m.Source}
	case len(m.Key) > 0:
		m.Lane = async.LaneOf(m.Source, m.Key)
	}
	return m
}

// finish ends a claim: the partition was revoked or lost, or the consumer closes. It returns within the time that the group gives.
func (c *consumer) finish(k *claim) {
	c.mu.Lock()
	closing, gone := c.closing, k.gone
	k.ended = true
	k.queue = nil
	c.mu.Unlock()
	if gone { // it was sought, or a commit said that it is lost
		c.forget(k)
		return
	}
	if !closing {
		if err := c.ours(k.session); err != nil {
			k.claim.Lose(err)
			c.forget(k)
			return
		}
		ctx, cancel := context.WithTimeout(c.life, 2*c.factory.config.rebalance/3)
		k.claim.Revoke(ctx)
		cancel()
	}
	c.conclude(k)
	if closing {
		k.claim.Lose(errClosed) // nothing of it is settled after the close
	}
}

// ours returns why what a session had is no longer ours, or nil: it may be revoked in good order. The client library does not always tell why a session ended,
// so the coordinator is asked.
func (c *consumer) ours(session sarama.ConsumerGroupSession) error {
	if session.Context().Err() == nil {
		return nil // it goes on, without one partition
	}
	if cause := context.Cause(session.Context()); lost(cause) {
		return cause
	}
	if err := c.books.heartbeat(session); lost(err) {
		return err
	}
	return nil
}

// conclude makes the last commit of a claim.
func (c *consumer) conclude(k *claim) {
	ctx, cancel := context.WithTimeout(c.life, c.lastCommit())
	defer cancel()
	c.mu.Lock()
	k.book.End()
	mark := k.book.Mark()
	c.commitSoon()
	c.mu.Unlock()
	if err := c.covered(ctx, k, mark); err != nil && !errors.Is(err, async.ErrLost) {
		c.log.Warn("sarama: the last commit of a partition failed, what it settled may come again", "topic", k.topic, "partition", k.partition,
			"error", err.Error())
	}
	c.forget(k)
}

// lastCommit is how long the last commit of a claim may take.
func (c *consumer) lastCommit() time.Duration {
	return min(commitTimeout, c.factory.config.rebalance/6)
}

// forget takes a claim off the books.
func (c *consumer) forget(k *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetLocked(k)
}

func (c *consumer) forgetLocked(k *claim) {
	k.ended, k.gone, k.queue = true, true, nil
	k.book.End()
	c.set.Remove(k.book)
	c.claims = slices.DeleteFunc(c.claims, func(o *claim) bool { return o == k })
	c.changedLocked()
}

// lost reports whether err says that the group has taken this member's partitions away.
func lost(err error) bool {
	return errors.Is(err, sarama.ErrUnknownMemberId) || errors.Is(err, sarama.ErrIllegalGeneration) || errors.Is(err, sarama.ErrFencedInstancedId)
}

// ofLocked returns the claim of a message, or nil.
func (c *consumer) ofLocked(m *async.Message) (*claim, *sarama.ConsumerMessage) {
	r, ok := m.Raw.(*sarama.ConsumerMessage)
	if !ok {
		return nil, nil
	}
	for _, k := range c.claims {
		if k.claim == m.Claim {
			return k, r
		}
	}
	return nil, r
}
