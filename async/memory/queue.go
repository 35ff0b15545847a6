package memory

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// queue is the messages of one name. Everything in it is guarded by one mutex, which is never held while something waits or while code outside is called.
//
// A message that may be given out is offered in one of two places: fresh, if it never waited for anything; late, if it went back or waited for others of
// its key. Of a key only the oldest message is offered, and only while none of it is in flight. The oldest offer is taken first. What is delayed or not
// yet due is in neither.
type queue struct {
	name   string
	source *async.Source // of copies for callers outside; each consumer has its own
	config *config
	faults *faults

	mu        sync.Mutex // guards everything below, and the items, lanes and consumers of the queue
	seq       uint64
	all       list // what is not settled, in order of arrival
	fresh     list
	late      heap
	delayed   heap
	lanes     map[uint64]*lane
	most      int // lanes there were at a time
	spare     []*lane
	consumers []*consumer // that are open
	going     int         // of them, those that do not stop
	turn      int         // who was woken last
	senders   []*sender   // that wait for room, in order
	notDue    heap        // sent to be given later
	dead      *deadLetters
	closed    bool // drained: no Send is accepted
	down      bool
}

func newQueue(name string, c *config, f *faults, dead *deadLetters, down bool) *queue {
	return &queue{
		name: name, config: c, faults: f, dead: dead, down: down, source: newSource(name),
		all: list{which: inAll}, fresh: list{which: inFresh}, lanes: make(map[uint64]*lane),
	}
}

// storeLocked takes the items of batch in, in their order.
func (q *queue) storeLocked(batch list) {
	q.comeInLocked()
	for it := batch.front; it != nil; {
		next := batch.next(it)
		q.seq++
		it.seq = q.seq
		q.all.pushBack(it)
		if !q.holdBackLocked(it) {
			q.lineUpLocked(it)
		}
		it = next
	}
	q.wakeLocked()
}

// lineUpLocked puts a new item behind those of its key, or offers it if there is none.
func (q *queue) lineUpLocked(it *item) {
	if it.sent.keySize == 0 {
		q.fresh.pushBack(it)
		return
	}
	l, isNew := q.laneLocked(async.LaneOf(nil, it.sent.key()).Hash)
	it.lane = l
	l.line.pushBack(it)
	if isNew {
		q.fresh.pushBack(it)
	}
}

// offerLocked offers it to whoever comes, when it is due.
func (q *queue) offerLocked(it *item) {
	if !it.due.IsZero() && it.due.After(time.Now()) {
		q.delayed.push(it)
	} else {
		it.due = time.Time{}
		q.late.push(it)
	}
	q.wakeLocked() // to take it, or to wait no longer than until it is due
}

// withdrawLocked takes an offer back.
func (q *queue) withdrawLocked(it *item) {
	if it.heap != nil {
		it.heap.remove(it)
	} else {
		q.fresh.remove(it)
	}
}

// takeLocked gives c up to limit messages, into c.out. With hurry what is delayed is due.
func (q *queue) takeLocked(c *consumer, limit int, hurry bool) {
	q.comeInLocked()
	var now time.Time
	if q.delayed.top() != nil || q.config.visibility > 0 {
		now = time.Now()
	}
	for q.delayed.overdue(now) || hurry && q.delayed.top() != nil {
		it := q.delayed.top()
		q.delayed.remove(it)
		it.due = time.Time{}
		q.late.push(it)
	}
	for len(c.out) < limit {
		it := q.oldestLocked()
		if it == nil {
			break
		}
		q.withdrawLocked(it)
		l := it.lane
		if l == nil {
			q.handOutLocked(c, it, now)
			continue
		}
		for it != nil && len(c.out) < limit && l.run.size < q.config.perKey && (hurry || it.due.IsZero() || !it.due.After(time.Now())) {
			l.line.remove(it)
			l.run.pushBack(it)
			q.handOutLocked(c, it, now)
			it = l.line.front
		}
	}
}

// oldestLocked returns the oldest message that is offered, or nil.
func (q *queue) oldestLocked() *item {
	fresh, late := q.fresh.front, q.late.top()
	if fresh == nil || late != nil && late.seq < fresh.seq {
		return late
	}
	return fresh
}

func (q *queue) handOutLocked(c *consumer, it *item, now time.Time) {
	it.due = time.Time{}
	m := it.handOut(c)
	m.Claim = c.claim
	if q.config.visibility > 0 {
		m.Claim = async.NewClaim()
		it.until = now.Add(q.config.visibility)
	}
	c.held.pushBack(it)
	c.out = append(c.out, m)
}

// loosenLocked takes it from its consumer, but gives it to nobody yet.
func (q *queue) loosenLocked(it *item) {
	it.owner.held.remove(it)
	it.owner = nil
}

// goBackLocked puts it back where it was, for another delivery after delay.
func (q *queue) goBackLocked(it *item, attempt int, delay time.Duration) {
	if it.owner != nil {
		it.owner.held.remove(it)
		it.owner = nil
	}
	n := it.again(attempt)
	if delay > 0 {
		n.due = time.Now().Add(delay)
	}
	q.all.replace(it, n)
	if l := it.lane; l != nil {
		l.run.remove(it)
		l.line.insertInOrder(n)
		q.runOverLocked(l)
	} else {
		q.offerLocked(n)
	}
	q.settledLocked()
}

// doneLocked takes it off for good.
func (q *queue) doneLocked(it *item) {
	it.owner.held.remove(it)
	it.owner = nil
	q.all.remove(it)
	if l := it.lane; l != nil {
		l.run.remove(it)
		it.lane = nil
		q.runOverLocked(l)
	}
	q.admitLocked()
	q.settledLocked()
}

// settledLocked wakes the consumers that wait for the queue to become empty.
func (q *queue) settledLocked() {
	if q.going < len(q.consumers) {
		q.wakeAllLocked()
	}
}

// receive fills c.out with up to limit messages. If there is none it returns the time at which that may change by itself (zero: never), and c is woken when it
// changes by the doing of others.
func (q *queue) receive(c *consumer, limit int, stopping bool) (time.Time, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.waiting = false
	clear(c.out)
	c.out = c.out[:0]
	if c.err != nil {
		return time.Time{}, c.err
	}
	if stopping && !c.stopping {
		c.stopping = true
		q.goingLocked(-1)
	}
	if c.mayTakeLocked() {
		q.takeLocked(c, limit, stopping)
	}
	switch {
	case len(c.out) > 0:
		q.passLocked()
		return time.Time{}, nil
	case stopping && q.leaveLocked(c):
		return time.Time{}, io.EOF
	}
	if !c.mayTakeLocked() {
		q.passLocked() // it may have been woken for something
	}
	c.waiting = true
	return q.nextLocked(c), nil
}

// quit ends a Receive of c that returns nothing.
func (q *queue) quit(c *consumer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.waiting = false
	q.passLocked()
}

// leaveLocked lets a consumer go that stops, if there is nothing left for it to do. If others go on, that is when it holds nothing any more. The last ones
// empty the queue, and close it in the same step in which it is found empty.
func (q *queue) leaveLocked(c *consumer) bool {
	switch {
	case c.held.size > 0:
		return false
	case q.going == 0 && q.all.size > len(q.notDue.items):
		return false
	case q.going == 0:
		q.closed = true
	}
	c.err = io.EOF
	q.removeLocked(c)
	return true
}

// removeLocked takes c off the open consumers.
func (q *queue) removeLocked(c *consumer) {
	at := slices.Index(q.consumers, c)
	if at < 0 {
		return
	}
	q.consumers = slices.Delete(q.consumers, at, at+1)
	if !c.stopping {
		q.goingLocked(-1)
	}
}

// nextLocked returns when something will be due for c or a lease will end. What c must not take now is no reason to wake it: it would be due for ever.
func (q *queue) nextLocked(c *consumer) time.Time {
	var next time.Time
	if c.mayTakeLocked() {
		if it := q.delayed.top(); it != nil {
			next = it.due
		}
		next = q.nextDueLocked(next)
	}
	if q.config.visibility == 0 {
		return next
	}
	for _, c := range q.consumers {
		if it := c.held.front; it != nil && (next.IsZero() || it.until.Before(next)) {
			next = it.until
		}
	}
	return next
}

// goingLocked counts consumers that do not stop. When the last one is gone, those that stop must do the rest.
func (q *queue) goingLocked(n int) {
	q.going += n
	if q.going == 0 {
		q.wakeAllLocked()
	}
}

// wakeLocked wakes one consumer that waits, in turn.
func (q *queue) wakeLocked() {
	for i := range q.consumers {
		at := (q.turn + 1 + i) % len(q.consumers)
		if c := q.consumers[at]; c.waiting && c.mayTakeLocked() {
			q.turn = at
			c.wakeLocked()
			return
		}
	}
}

func (q *queue) wakeAllLocked() {
	for _, c := range q.consumers {
		c.wakeLocked()
	}
}

// passLocked wakes another consumer if there is something to take or a time to wait for: the one that was woken for it may have taken something else, or
// have gone.
func (q *queue) passLocked() {
	if q.fresh.front != nil || q.late.top() != nil || q.delayed.top() != nil || q.notDue.top() != nil || q.config.visibility > 0 {
		q.wakeLocked()
	}
}

// errorf names the queue in an error.
func (q *queue) errorf(operation string, err error) error {
	return fmt.Errorf("memory: %s %s: %w", operation, q.name, err)
}
