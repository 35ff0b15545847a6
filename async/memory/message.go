package memory

import (
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// system is what the spans and metrics of this broker are called.
const system = "memory"

func newSource(queue string) *async.Source {
	return &async.Source{System: system, Name: queue, Partition: -1}
}

// content is what was sent. Nobody changes it: what its bytes and headers share with a delivery is for reading only.
type content struct {
	id      string
	bytes   []byte // the key and the body, in one allocation
	keySize int
	headers async.Headers
	time    time.Time
	due     time.Time
	expires time.Time
}

// newContent copies what is sent of m.
func newContent(m *async.Message) content {
	c := content{id: m.ID, keySize: len(m.Key), time: m.Time, due: m.Due, expires: m.Expires}
	c.bytes = make([]byte, len(m.Key)+len(m.Data))
	copy(c.bytes, m.Key)
	copy(c.bytes[c.keySize:], m.Data)
	if len(m.Headers) > 0 {
		c.headers = append(make(async.Headers, 0, len(m.Headers)), m.Headers...)
	}
	return c
}

// key returns the key, or nil.
func (c *content) key() []byte {
	if c.keySize == 0 {
		return nil
	}
	return c.bytes[:c.keySize:c.keySize]
}

// data returns the body.
func (c *content) data() []byte { return c.bytes[c.keySize:] }

// item is one delivery of a message: what is queued, handed out, and then settled. What goes back is a new item in the place of the old one, so that
// whoever still has the old one can neither read what the next delivery changes nor settle it.
type item struct {
	sent       content
	msg        async.Message // what is handed out, and from then on not the queue's to read, but for its Claim; its Raw is the item
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

// newItem returns the item of the first delivery of a copy of m.
func newItem(m *async.Message) *item { return itemWith(newContent(m)) }

// again returns the item of the next delivery.
func (it *item) again(attempt int) *item {
	n := itemWith(it.sent)
	n.seq, n.lane, n.attempt, n.deliveries, n.letter = it.seq, it.lane, attempt, it.deliveries, it.letter
	return n
}

// itemWith returns an item that delivers c.
func itemWith(c content) *item {
	it := &item{sent: c}
	m := &it.msg
	m.ID, m.Key, m.Data, m.Headers = c.id, c.key(), c.data(), c.headers
	m.Time, m.Due, m.Expires, m.Raw = c.time, c.due, c.expires, it
	return it
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

// copyOf returns a copy of the message for a caller outside, with what the broker knows of it. The delivery may be at work meanwhile.
func (q *queue) copyOf(it *item) *async.Message {
	c := &it.sent
	return &async.Message{
		ID: c.id, Key: slices.Clone(c.key()), Source: q.source, Data: slices.Clone(c.data()), Headers: slices.Clone(c.headers),
		Time: c.time, Due: c.due, Expires: c.expires, Attempt: it.attempt, Deliveries: it.deliveries,
	}
}
