package memory

// The places that an item has in lists. Two lists share a place if no item is ever in both.
const (
	inAll  = iota // every message of a queue, in order of arrival
	inLine        // those of a lane that wait
	inHeld        // those in flight with one consumer, the one whose lease ends first in front
	places        // how many there are
)

const (
	inRun   = inLine // those of a lane that are in flight
	inFresh = inHeld // those that never waited for anything, in order of arrival
)

// link is the place of an item in a list.
type link struct{ prev, next *item }

// list is a doubly linked list through the items themselves, so that none of its operations allocates.
type list struct {
	front, back *item
	which       int
	size        int
}

// pushBack adds it at the end.
func (l *list) pushBack(it *item) { l.insertAfter(it, l.back) }

// insertAfter adds it behind at, or in front if at is nil.
func (l *list) insertAfter(it, at *item) {
	next := l.front
	if at != nil {
		next = at.links[l.which].next
		at.links[l.which].next = it
	} else {
		l.front = it
	}
	if next != nil {
		next.links[l.which].prev = it
	} else {
		l.back = it
	}
	it.links[l.which] = link{prev: at, next: next}
	l.size++
}

// insertInOrder adds it at the place of its sequence number. It looks from the front, since what goes back is older than what waits.
func (l *list) insertInOrder(it *item) {
	var at *item
	for n := l.front; n != nil && n.seq < it.seq; n = n.links[l.which].next {
		at = n
	}
	l.insertAfter(it, at)
}

// remove takes it out.
func (l *list) remove(it *item) {
	k := it.links[l.which]
	if k.prev != nil {
		k.prev.links[l.which].next = k.next
	} else {
		l.front = k.next
	}
	if k.next != nil {
		k.next.links[l.which].prev = k.prev
	} else {
		l.back = k.prev
	}
	it.links[l.which] = link{}
	l.size--
}

// replace puts it in the place of old.
func (l *list) replace(old, it *item) {
	at := old.links[l.which].prev
	l.remove(old)
	l.insertAfter(it, at)
}

// next returns the item behind it.
func (l *list) next(it *item) *item { return it.links[l.which].next }
