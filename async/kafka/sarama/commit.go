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

// commitTimeout is how long a settlement waits for its commit before it says that there was none, and how long the last commit of a claim may take.
const commitTimeout = 10 * time.Second

// commitSoon makes the committer look.
func (c *consumer) commitSoon() {
	select {
	case c.kick <- struct{}{}:
	default: // it will
	}
}

// commitAll commits as often as there is something to say, one commit after another, until the consumer ends.
func (c *consumer) commitAll() {
	for failures := 0; ; {
		select {
		case <-c.life.Done():
			return
		case <-c.kick:
		}
		if c.commitNow() {
			failures = 0
			continue
		}
		failures++
		timer := time.NewTimer(min(2*time.Second, 50*time.Millisecond<<min(failures, 6)))
		select {
		case <-timer.C:
			c.commitSoon()
		case <-c.life.Done():
			timer.Stop()
			return
		}
	}
}

// commitNow makes one commit, and reports false if it is to be tried again.
func (c *consumer) commitNow() bool {
	c.mu.Lock()
	commits, session := c.set.Next(), c.session
	c.mu.Unlock()
	if len(commits) == 0 {
		return true
	}
	err := c.commit(session, commits)

	c.mu.Lock()
	c.unsaid = err
	var gone []*claim
	switch {
	case session == nil:
	case session.Context().Err() != nil:
		gone = c.goneLocked(commits)
	case slices.ContainsFunc(commits, thrownOut):
		c.restart() // the client library may learn of it much later, from a connection that does not answer
	}
	c.set.Done()
	for _, k := range gone {
		c.forgetLocked(k)
	}
	c.changedLocked()
	c.wakeUp() // what was kept back may be let out
	if c.set.Pending() {
		c.commitSoon()
	}
	c.mu.Unlock()
	for _, k := range gone {
		k.claim.Lose(err) // the engine may ask something of the consumer meanwhile
	}
	return err == nil
}

// thrownOut reports whether a commit was refused because the group does not know the member any more.
func thrownOut(cm ledger.Commit) bool {
	return errors.Is(cm.Err, sarama.ErrUnknownMemberId) || errors.Is(cm.Err, sarama.ErrFencedInstancedId)
}

// goneLocked returns the claims whose last commit came from a member that the group no longer knows. While the session goes on that says nothing: a cooperative
// rebalance gives the member another generation, which the client library learns of later than the coordinator.
func (c *consumer) goneLocked(commits []ledger.Commit) []*claim {
	var gone []*claim
	for i := range commits {
		if !lost(commits[i].Err) {
			continue
		}
		if at := slices.IndexFunc(c.claims, func(k *claim) bool { return k.book == commits[i].Ledger }); at >= 0 {
			gone = append(gone, c.claims[at])
		}
	}
	return gone
}

// commit carries commits out, sets the error of each, and returns one of them.
func (c *consumer) commit(session sarama.ConsumerGroupSession, commits []ledger.Commit) error {
	if session == nil {
		for i := range commits {
			commits[i].Err = errNotJoined
		}
		return errNotJoined
	}
	entries := make([]entry, len(commits))
	for i := range commits {
		cm := &commits[i]
		entries[i] = entry{
			place{cm.Ledger.Topic(), cm.Ledger.Partition()}, committed{offset: cm.Position, epoch: cm.Epoch, metadata: cm.Metadata},
		}
	}
	errs, err := c.books.commit(session, entries)
	if err == nil {
		c.shorten(session, entries, errs)
	}
	for i := range commits {
		if err != nil && errs == nil {
			commits[i].Err = err
			continue
		}
		commits[i].Err = errs[i]
		if err == nil {
			err = errs[i]
		}
	}
	return err
}

// shorten commits once more, without metadata, what a broker finds too large for it (offset.metadata.max.bytes): a crash repeats more then, but the
// position moves.
func (c *consumer) shorten(session sarama.ConsumerGroupSession, entries []entry, errs []error) {
	var again []entry
	var index []int
	for i, err := range errs {
		if errors.Is(err, sarama.ErrOffsetMetadataTooLarge) {
			e := entries[i]
			e.metadata = ""
			again, index = append(again, e), append(index, i)
		}
	}
	if len(again) == 0 {
		return
	}
	second, err := c.books.commit(session, again)
	for j, i := range index {
		if err != nil {
			errs[i] = err
		} else {
			errs[i] = second[j]
		}
	}
}

var errNotJoined = errors.New("the group is not joined")

// covered blocks until a commit carries mark of k.
func (c *consumer) covered(ctx context.Context, k *claim, mark uint64) error {
	for {
		c.mu.Lock()
		done, gone, tick, unsaid := k.book.Covered(mark), k.gone, c.tick, c.unsaid
		c.mu.Unlock()
		switch {
		case done:
			return nil
		case gone:
			return async.ErrLost
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("commit: %w", context.Cause(ctx)), unsaid)
		}
	}
}
