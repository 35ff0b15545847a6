package memory

import (
	"time"

	"github.com/beatlabs/patron/async"
)

// system is what the spans and metrics of this broker are called.
const system = "memory"

func newSource(queue string) *async.Source {
	return &async.Source{System: system, Name: queue, Partition: -1}
}

// item is one delivery of a message: what is queued, handed out, and then settled. What goes back is a new item in the place of the old one, so that
// whoever still has the old one can neither read what the next delivery changes nor settle it.
type item struct {
	msg        async.Message // what is handed out; its Raw is the item
	seq        uint64        // order of arrival; kept when it goes back
	lane       *lane         // nil: no key
	owner      *consumer     // who holds it; nil: nobody
	links      [places]link
	due        time.Time // not given out before; zero: at once
	until      time.Time // end of its lease; zero: it has none
	attempt    int       // starts of the handler before this delivery
	deliveries int
	letter     *letter // nil: it was not written to the dead letters

	heap  *heap // that it is in
	index int   // there
}

// newItem copies m. The key and the body share one allocation.
func newItem(m *async.Message) *item {
	it := &item{}
	it.msg.ID, it.msg.Time, it.msg.Raw = m.ID, m.Time, it
	it.msg.Due, it.msg.Expires = m.Due, m.Expires
	kept := make([]byte, len(m.Key)+len(m.Data))
	n := copy(kept, m.Key)
	copy(kept[n:], m.Data)
	if n > 0 {
		it.msg.Key = kept[:n:n]
	}
	it.msg.Data = kept[n:]
	if len(m.Headers) > 0 {
		it.msg.Headers = append(make(async.Headers, 0, len(m.Headers)), m.Headers...)
	}
	return it
}

// again returns the item of the next delivery. It shares key, body and headers, which are for reading only.
func (it *item) again(attempt int) *item {
	n := &item{seq: it.seq, lane: it.lane, attempt: attempt, deliveries: it.deliveries, letter: it.letter}
	n.msg.ID, n.msg.Time, n.msg.Raw = it.msg.ID, it.msg.Time, n
	n.msg.Due, n.msg.Expires = it.msg.Due, it.msg.Expires
	n.msg.Key, n.msg.Data, n.msg.Headers = it.msg.Key, it.msg.Data, it.msg.Headers
	return n
}

// handOut makes it a delivery to c.
func (it *item) handOut(c *consumer) *async.Message {
	it.owner = c
	it.deliveries++
	m := &it.msg
	m.Source, m.Attempt, m.Deliveries = c.source, it.attempt, it.deliveries
	if it.lane != nil {
		m.Lane = async.Lane{Source: c.source, Hash: it.lane.hash}
	}
	return m
}

// itemOf returns the item behind a message that was received.
func itemOf(m *async.Message) *item {
	if m == nil {
		return nil
	}
	it, _ := m.Raw.(*item)
	return it
}

// copyOf returns a copy of the message for a caller outside, with what the broker knows of it.
func (q *queue) copyOf(it *item) *async.Message {
	m := it.msg.Clone()
	m.Source, m.Raw = q.source, nil
	m.Attempt, m.Deliveries = it.attempt, it.deliveries
	return m
}
