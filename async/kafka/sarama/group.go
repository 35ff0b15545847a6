package sarama

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
)

var _ sarama.ConsumerGroupHandler = (*consumer)(nil)

// run is the membership of the group, one session after another, until ctx ends. The error of what comes before the first session is told once.
func (c *consumer) run(ctx context.Context, failed chan<- error) {
	for failures := 0; ctx.Err() == nil; {
		session, cancel := context.WithCancel(ctx)
		c.mu.Lock()
		c.restart = cancel
		c.mu.Unlock()
		err := c.group.Consume(session, c.topics, c)
		cancel()
		c.mu.Lock()
		c.session = nil
		if err != nil && ctx.Err() == nil {
			if dial := c.net.failure(); dial != nil {
				err = fmt.Errorf("%w: %w", err, dial)
			}
			c.fault = fmt.Errorf("join the group: %w", err)
		}
		fault := c.fault
		c.mu.Unlock()
		if fault == nil || ctx.Err() != nil {
			failures = 0
			continue // a rebalance, or a seek
		}
		select {
		case failed <- fault:
		default: // nobody waits for it any more
		}
		failures++
		timer := time.NewTimer(min(2*time.Second, 50*time.Millisecond<<min(failures, 6)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// Setup implements sarama.ConsumerGroupHandler: it runs when a session begins, before its claims.
func (c *consumer) Setup(session sarama.ConsumerGroupSession) error {
	if err := c.place(session); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.fault = session, nil
	c.changedLocked()
	select {
	case <-c.joined:
	default:
		close(c.joined)
	}
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler: it runs when the claims of a session have ended.
func (c *consumer) Cleanup(session sarama.ConsumerGroupSession) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == session {
		c.session = nil
	}
	cause := context.Cause(session.Context())
	if cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, sarama.ErrRebalanceInProgress) &&
		!c.closing {
		c.fault = fmt.Errorf("the session ended: %w", cause)
	}
	return nil
}

// place sees to it that every partition of the session begins where it should: at what is committed, which must be in range, or where an option says.
func (c *consumer) place(session sarama.ConsumerGroupSession) error {
	claims := session.Claims()
	if err := c.placeFirst(session, claims); err != nil {
		return err
	}
	return c.placeInvalid(session, claims)
}

// placeFirst finds out where a group begins that has no position in a topic. Whoever has its first partition does it for all of them, and the others wait
// for that.
func (c *consumer) placeFirst(session sarama.ConsumerGroupSession, claims map[string][]int32) error {
	if c.factory.config.start.Kind == async.PositionOldest {
		return nil
	}
	for _, topic := range c.factory.topics {
		if len(claims[topic]) == 0 {
			continue
		}
		if err := c.placeTopic(session, topic, claims[topic]); err != nil {
			return fmt.Errorf("start of %s: %w", topic, err)
		}
	}
	return nil
}

func (c *consumer) placeTopic(session sarama.ConsumerGroupSession, topic string, ours []int32) error {
	numbers, err := c.link.client.Partitions(topic)
	if err != nil {
		return err
	}
	first := false
	for _, n := range ours {
		first = first || n == numbers[0]
	}
	for {
		found, err := c.books.fetch(map[string][]int32{topic: numbers})
		if err != nil {
			return err
		}
		some := false
		for _, f := range found {
			some = some || f.offset >= 0
		}
		if some {
			c.markFound(session, topic, ours, found)
			return nil
		}
		if first {
			return c.resolve(session, topic, numbers)
		}
		timer := time.NewTimer(clientBackoff)
		select {
		case <-timer.C:
		case <-session.Context().Done():
			timer.Stop()
			return context.Cause(session.Context())
		}
	}
}

// markFound tells the client of positions that were committed after it had asked.
func (*consumer) markFound(session sarama.ConsumerGroupSession, topic string, ours []int32, found map[place]committed) {
	for _, n := range ours {
		if f := found[place{topic, n}]; f.offset >= 0 {
			session.MarkOffset(topic, n, f.offset, f.metadata) // nothing, if the client knows it
		}
	}
}

// resolve finds out where a topic begins for the group, and commits that.
func (c *consumer) resolve(session sarama.ConsumerGroupSession, topic string, numbers []int32) error {
	entries := make([]entry, 0, len(numbers))
	for _, n := range numbers {
		offset, err := c.offsetOf(c.factory.config.start, topic, n)
		if err != nil {
			return err
		}
		entries = append(entries, entry{place{topic, n}, committed{offset: offset, epoch: -1}})
	}
	if err := c.commitEntries(session, entries); err != nil {
		return err
	}
	for _, e := range entries {
		session.MarkOffset(e.topic, e.partition, e.offset, "")
	}
	return nil
}

// commitEntries commits positions that are not in the books.
func (c *consumer) commitEntries(session sarama.ConsumerGroupSession, entries []entry) error {
	errs, err := c.books.commit(session, entries)
	if err = errors.Join(err, errors.Join(errs...)); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// offsetOf asks where p is in a partition.
func (c *consumer) offsetOf(p async.Position, topic string, n int32) (int64, error) {
	when := sarama.OffsetOldest
	switch p.Kind {
	case async.PositionOldest:
	case async.PositionNewest:
		when = sarama.OffsetNewest
	case async.PositionTime:
		when = p.Time.UnixMilli()
	case async.PositionOffset:
		return p.Offset, nil
	}
	offset, err := c.link.client.GetOffset(topic, n, when)
	if err == nil && offset < 0 { // nothing is as late as that
		offset, err = c.link.client.GetOffset(topic, n, sarama.OffsetNewest)
	}
	if err != nil {
		return 0, fmt.Errorf("offset of %s/%d: %w", topic, n, err)
	}
	return offset, nil
}

// placeInvalid moves positions that were found out of range to the oldest message that is there, and says so.
func (c *consumer) placeInvalid(session sarama.ConsumerGroupSession, claims map[string][]int32) error {
	for topic, numbers := range claims {
		for _, n := range numbers {
			at := place{topic, n}
			c.mu.Lock()
			invalid := c.invalid[at]
			c.mu.Unlock()
			if !invalid {
				continue
			}
			if err := c.placeAgain(session, at); err != nil {
				return err
			}
			c.mu.Lock()
			delete(c.invalid, at)
			c.mu.Unlock()
		}
	}
	return nil
}

func (c *consumer) placeAgain(session sarama.ConsumerGroupSession, at place) error {
	found, err := c.books.fetch(at.list())
	if err != nil {
		return err
	}
	oldest, err := c.offsetOf(async.Oldest(), at.topic, at.partition)
	if err != nil {
		return err
	}
	newest, err := c.offsetOf(async.Newest(), at.topic, at.partition)
	if err != nil {
		return err
	}
	was := found[at].offset
	if was < 0 || was >= oldest && was <= newest {
		return nil
	}
	if err := c.commitEntries(session, []entry{{at, committed{offset: oldest, epoch: -1}}}); err != nil {
		return err
	}
	session.MarkOffset(at.topic, at.partition, oldest, "")
	session.ResetOffset(at.topic, at.partition, oldest, "")
	missing := oldest - was
	what := fmt.Sprintf("offset out of range: messages were deleted before they were received, the position is %d, the first message %d", was, oldest)
	if was > newest {
		missing = was - newest
		what = fmt.Sprintf("offset out of range: messages were lost or the topic was made anew, the position is %d, the end %d", was, newest)
	}
	async.ReportMissing(c.life, &async.Source{System: system, Name: at.topic, Partition: at.partition, Group: c.factory.group}, missing, what)
	return nil
}

// drainErrors reads the errors of the client library until the group is closed.
func (c *consumer) drainErrors() {
	for err := range c.group.Errors() {
		var of *sarama.ConsumerError
		if errors.As(err, &of) && errors.Is(of.Err, sarama.ErrOffsetOutOfRange) {
			c.mu.Lock()
			c.invalid[place{of.Topic, of.Partition}] = true
			c.mu.Unlock()
		}
		c.log.Warn("sarama: client", "group", c.factory.group, "error", err.Error())
	}
}
