package async

import (
	"iter"
	"time"
)

// task is what the engine knows of a message that it holds. All of it but begun and work, which belong to the worker that runs the message, is guarded by the
// mutex of the session. The contexts that a handler was given are part of this memory (see trace.Span), and a handler may keep them: no driver may use a
// message again for another delivery.
type task struct {
	state    taskState
	begun    bool // the handler was started for this delivery
	lost     bool // no longer ours: whatever comes of it is not settled
	revoked  bool // a revocation waits for it; it is not tried again
	resettle int  // failed settlements
	drained  int  // pauses while a Volatile source is drained
	trouble  *trouble
	received time.Time
	timer    *time.Timer // ends a pause
	lane     *lane       // set while the message counts among the active ones of its lane
	prev     *Message    // held messages, in the order of their arrival
	next     *Message
	work     unit
}

// taskState is where a message is.
//
//	waiting ──> running ──> settling ──> gone
//	   ^            │
//	   └── paused <─┘
type taskState uint8

const (
	waiting  taskState = iota // received, or due for another try; not started
	running                   // a worker has it
	paused                    // a timer has it
	settling                  // has its verdict, waits for the broker
	gone                      // settled, dropped or lost; a leftover in a queue
)

// held is the list of messages that a session holds, in the order of their arrival.
type held struct {
	first, last *Message
	count       int
}

func (h *held) add(m *Message) {
	m.task.prev = h.last
	if h.last == nil {
		h.first = m
	} else {
		h.last.task.next = m
	}
	h.last = m
	h.count++
}

func (h *held) remove(m *Message) {
	t := &m.task
	if t.prev == nil {
		h.first = t.next
	} else {
		t.prev.task.next = t.next
	}
	if t.next == nil {
		h.last = t.prev
	} else {
		t.next.task.prev = t.prev
	}
	t.prev, t.next = nil, nil
	h.count--
}

// queue is a double-ended queue of messages in a ring that grows and is kept.
type queue struct {
	ring []*Message // a power of two of them
	head int
	size int
}

func (q *queue) pushBack(m *Message) {
	q.grow()
	q.ring[(q.head+q.size)&(len(q.ring)-1)] = m
	q.size++
}

func (q *queue) pushFront(m *Message) {
	q.grow()
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.ring[q.head] = m
	q.size++
}

// pop takes the first message, or gives nil.
func (q *queue) pop() *Message {
	if q.size == 0 {
		return nil
	}
	m := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.size--
	return m
}

// all yields the messages, in order, and leaves them there.
func (q *queue) all() iter.Seq[*Message] {
	return func(yield func(*Message) bool) {
		for i := range q.size {
			if !yield(q.ring[(q.head+i)&(len(q.ring)-1)]) {
				return
			}
		}
	}
}

func (q *queue) grow() {
	if q.size < len(q.ring) {
		return
	}
	ring := make([]*Message, max(16, 2*len(q.ring)))
	for i := range q.size {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}
