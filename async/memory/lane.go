package memory

// lane is the messages of one key: those that wait, in order, and those in flight with the one consumer that has the key. It exists while it has any. Two keys
// whose hashes collide share a lane.
//
// What is given out of a lane is one run, by one Receive, and nothing more until all of it is settled: what goes back then has nothing in flight behind it, not
// even in a Receive that has not returned yet, and so is never overtaken.
type lane struct {
	hash uint64
	line list // waiting, in order; while run is empty its head is offered
	run  list // in flight, in order
}

// roomy is the size above which what has become empty is given to the garbage collector instead of being kept.
const roomy = 1024

// laneLocked returns the lane of hash, and whether it is new.
func (q *queue) laneLocked(hash uint64) (*lane, bool) {
	if l := q.lanes[hash]; l != nil {
		return l, false
	}
	var l *lane
	if n := len(q.spare); n > 0 {
		l, q.spare = q.spare[n-1], q.spare[:n-1]
	} else {
		l = &lane{line: list{which: inLine}, run: list{which: inRun}}
	}
	l.hash = hash
	q.lanes[hash] = l
	q.most = max(q.most, len(q.lanes))
	return l, true
}

// dropLocked forgets a lane without messages. A map never shrinks, so one that was large is replaced when it is empty.
func (q *queue) dropLocked(l *lane) {
	delete(q.lanes, l.hash)
	if len(q.spare) < roomy {
		q.spare = append(q.spare, l)
	}
	if len(q.lanes) == 0 && q.most > roomy {
		q.lanes, q.most = make(map[uint64]*lane), 0
	}
}

// runOverLocked is called when something of l is no longer in flight: after the last one the next head is offered.
func (q *queue) runOverLocked(l *lane) {
	switch {
	case l.run.size > 0:
	case l.line.front == nil:
		q.dropLocked(l)
	default:
		q.offerLocked(l.line.front)
	}
}
