package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitTimeout bounds one commit; the next one carries what it did not bring there.
const commitTimeout = 10 * time.Second

// flight is one commit, for those who wait for it. Its errors are written before done is closed.
type flight struct {
	done chan struct{}
	errs map[*ledger.Ledger]error // of those that it carried and that failed
}

func newFlight() *flight { return &flight{done: make(chan struct{})} }

// wait blocks until the commit is done, and returns an error of it.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
	case <-ctx.Done():
		return fmt.Errorf("commit: %w", context.Cause(ctx))
	}
	for _, err := range f.errs {
		return err
	}
	return nil
}

// flushLocked returns the commit that carries everything until now.
func (c *consumer) flushLocked() *flight {
	select {
	case c.commits <- struct{}{}:
	default: // it is awake already
	}
	return c.upcoming
}

// commitAll commits as often as there is something to say, one commit after another, until the consumer ends.
func (c *consumer) commitAll() {
	for failures := 0; ; {
		select {
		case <-c.life.Done():
			c.commitNow(c.life) // for those who wait
			return
		case <-c.commits:
		}
		if c.commitNow(c.life) {
			failures = 0
			continue
		}
		failures++
		if sleep(c.life, backoff(failures)) == nil {
			c.mu.Lock()
			c.flushLocked()
			c.mu.Unlock()
		}
	}
}

// commitNow makes one commit, and reports false if some of it failed and is to be tried again.
func (c *consumer) commitNow(ctx context.Context) bool {
	c.mu.Lock()
	commits := c.books.Next()
	f := c.upcoming
	c.upcoming = newFlight()
	c.mu.Unlock()

	if len(commits) > 0 {
		ctx, cancel := context.WithTimeout(ctx, commitTimeout)
		c.commit(ctx, commits)
		cancel()
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	well := true
	for i := range commits {
		err := commits[i].Err
		if err == nil {
			continue
		}
		if f.errs == nil {
			f.errs = make(map[*ledger.Ledger]error)
		}
		f.errs[commits[i].Ledger] = fmt.Errorf("commit %s: %w", commits[i].Ledger, err)
		well = well && errors.Is(err, async.ErrLost)
	}
	c.books.Done()
	for _, p := range c.parts {
		c.pauseLocked(p, byLedger, p.book.Full())
	}
	if len(c.stashed) > 0 {
		c.wakeLocked() // the book may let more out now
	}
	close(f.done)
	return well
}

// commit carries commits out, and sets the error of each.
func (c *consumer) commit(ctx context.Context, commits []ledger.Commit) {
	if c.memory != nil {
		for i := range commits {
			c.memory.store(place{commits[i].Ledger.Topic(), commits[i].Ledger.Partition()}, commits[i].Position)
		}
		return
	}
	offsets := make(map[string]map[int32]kgo.EpochOffset, 1)
	index := make(map[place]*ledger.Commit, len(commits))
	for i := range commits {
		cm := &commits[i]
		at := place{cm.Ledger.Topic(), cm.Ledger.Partition()}
		index[at] = cm
		if offsets[at.topic] == nil {
			offsets[at.topic] = make(map[int32]kgo.EpochOffset, 1)
		}
		offsets[at.topic][at.partition] = kgo.EpochOffset{Epoch: cm.Epoch, Offset: cm.Position}
		cm.Err = errUnanswered
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			t := &req.Topics[i]
			for j := range t.Partitions {
				t.Partitions[j].Metadata = &index[place{t.Topic, t.Partitions[j].Partition}].Metadata
			}
		}
		return nil
	})
	c.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			for i := range commits {
				commits[i].Err = err
			}
			return
		}
		for i := range resp.Topics {
			t := &resp.Topics[i]
			name := t.Topic
			if name == "" { // by its ID only
				name = topicOf(req, t.TopicID)
			}
			for j := range t.Partitions {
				if cm := index[place{name, t.Partitions[j].Partition}]; cm != nil {
					cm.Err = commitError(t.Partitions[j].ErrorCode)
				}
			}
		}
	})
}

var errUnanswered = errors.New("the broker said nothing")

// topicOf returns the name of the topic with an ID in req.
func topicOf(req *kmsg.OffsetCommitRequest, id [16]byte) string {
	for i := range req.Topics {
		if req.Topics[i].TopicID == id {
			return req.Topics[i].Topic
		}
	}
	return ""
}

// commitError is what a code of a partition means: that the partition is no longer ours, or that the commit is to be tried again.
func commitError(code int16) error {
	err := kerr.ErrorForCode(code)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedInstanceID),
		errors.Is(err, kerr.StaleMemberEpoch), errors.Is(err, kerr.FencedMemberEpoch):
		return fmt.Errorf("%w: %w", async.ErrLost, err)
	default:
		return err
	}
}
