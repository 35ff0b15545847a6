package memory

import (
	"time"

	"github.com/beatlabs/patron/async"
)

// What is sent to be given later (async.Message.Due) is held back in a heap. When it is due it comes in as if it were sent at that moment: it gets the next
// sequence number, goes to the end of the queue, and gets into line behind those of its key. Every operation that could see the difference lets come in what is
// due before it does anything else.

var _ async.Scheduler = (*producer)(nil)

// MaxPublishDelay implements async.Scheduler.
func (p *producer) MaxPublishDelay() time.Duration { return maxDelay }

// holdBackLocked keeps a new item that is not due yet, and reports whether it did.
func (q *queue) holdBackLocked(it *item) bool {
	if it.sent.due.IsZero() || !it.sent.due.After(time.Now()) {
		return false
	}
	it.due = it.sent.due
	q.notDue.push(it)
	return true
}

// comeInLocked lets in what is due by now.
func (q *queue) comeInLocked() {
	if q.notDue.top() == nil {
		return
	}
	for now := time.Now(); q.notDue.overdue(now); {
		it := q.notDue.top()
		q.notDue.remove(it)
		q.all.remove(it)
		it.due = time.Time{}
		q.seq++
		it.seq = q.seq
		q.all.pushBack(it)
		q.lineUpLocked(it)
	}
}

// nextDueLocked returns the earlier of next and the time at which something will come in; zero is never.
func (q *queue) nextDueLocked(next time.Time) time.Time {
	if it := q.notDue.top(); it != nil && (next.IsZero() || it.due.Before(next)) {
		return it.due
	}
	return next
}

// oldestDueLocked returns the message that has been there for longest, but for those that are not due.
func (q *queue) oldestDueLocked() *item {
	it := q.all.front
	for it != nil && it.heap == &q.notDue {
		it = q.all.next(it)
	}
	return it
}
