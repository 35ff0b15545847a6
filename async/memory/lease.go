package memory

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// errLeaseOver is why a claim is lost whose message was neither settled nor extended in time.
var errLeaseOver = errors.New("memory: visibility over")

// endLeases takes back what was neither settled nor extended in time. Every operation on the queue calls it first, and a Receive that waits does so at the
// right time, so no timer and no goroutine is needed.
func (q *queue) endLeases() {
	if q.config.visibility == 0 {
		return
	}
	q.mu.Lock()
	now := time.Now()
	var loose []*item
	for _, c := range q.consumers {
		for it := c.held.front; it != nil && !it.until.After(now); it = c.held.front {
			loose = q.loosenRunLocked(it, loose)
		}
	}
	q.mu.Unlock()
	q.takeBack(loose, errLeaseOver)
}

// loosenRunLocked takes it from its consumer, and those of its key that are in flight behind it, which must come again after it.
func (q *queue) loosenRunLocked(it *item, loose []*item) []*item {
	if it.lane == nil {
		q.loosenLocked(it)
		return append(loose, it)
	}
	run := &it.lane.run
	for ; it != nil; it = run.next(it) {
		if it.owner != nil {
			q.loosenLocked(it)
			loose = append(loose, it)
		}
	}
	return loose
}

// takeBack puts back what was loosened, after its claims were told, so that no message is given to somebody else before its holder could know.
func (q *queue) takeBack(loose []*item, cause error) {
	if len(loose) == 0 {
		return
	}
	for _, it := range loose {
		if it.msg.Claim != nil {
			it.msg.Claim.Lose(cause)
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range loose {
		q.goBackLocked(it, it.attempt, 0)
	}
}

// extendLocked gives it its visibility time anew.
func (q *queue) extendLocked(c *consumer, it *item, now time.Time) error {
	if it == nil || it.owner != c {
		return async.ErrLost
	}
	if q.config.visibility > 0 {
		it.until = now.Add(q.config.visibility)
		c.held.remove(it)
		c.held.pushBack(it)
	}
	return nil
}

// Lose ends the claims of the consumers of queue, as a rebalance without notice or a closed channel does: messages in flight go back in order, and their
// late settlements get async.ErrLost. It returns how many messages went back. Messages without a claim stay (see [WithClaims] and [WithVisibility]).
func (b *Broker) Lose(queue string, cause error) int {
	q := b.queue(queue)
	q.mu.Lock()
	loose := q.loosenClaimedLocked(nil)
	for _, c := range q.consumers {
		c.renewClaimLocked()
	}
	q.mu.Unlock()
	if cause == nil {
		cause = async.ErrLost
	}
	q.takeBack(loose, cause)
	return len(loose)
}

// loosenClaimedLocked takes from their consumers the messages under one of claims; nil: under any.
func (q *queue) loosenClaimedLocked(claims map[*async.Claim]bool) []*item {
	var loose []*item
	for _, c := range q.consumers {
		for it := c.held.front; it != nil; {
			next := c.held.next(it)
			if claim := it.msg.Claim; claim != nil && (claims == nil || claims[claim]) {
				q.loosenLocked(it)
				loose = append(loose, it)
			}
			it = next
		}
	}
	return loose
}

// Revoke takes the claims of the consumers of queue away in good order, as a rebalance does: they receive nothing, may finish and settle what runs until
// ctx ends, and what is then unsettled goes back in order. It returns how many messages went back. Afterwards the consumers receive again, under new
// claims.
func (b *Broker) Revoke(ctx context.Context, queue string) int {
	q := b.queue(queue)
	q.mu.Lock()
	revoked := append([]*consumer(nil), q.consumers...)
	claims := make(map[*async.Claim]bool)
	for _, c := range revoked {
		c.revoking++
		for it := c.held.front; it != nil; it = c.held.next(it) {
			if it.msg.Claim != nil {
				claims[it.msg.Claim] = true
			}
		}
	}
	q.mu.Unlock()

	var wg sync.WaitGroup
	for claim := range claims {
		wg.Go(func() { claim.Revoke(ctx) })
	}
	wg.Wait()

	q.mu.Lock()
	defer q.mu.Unlock()
	loose := q.loosenClaimedLocked(claims) // a consumer that came meanwhile keeps what it has
	for _, it := range loose {
		q.goBackLocked(it, it.attempt, 0)
	}
	for _, c := range revoked {
		c.revoking--
		c.renewClaimLocked()
	}
	q.wakeAllLocked()
	return len(loose)
}
