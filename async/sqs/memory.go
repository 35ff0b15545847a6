package sqs

import (
	"sync"
	"time"
)

// memory is what outlives the consumers of a process: the attempts at messages that were given back, which SQS cannot keep, and the receive calls to FIFO
// queues whose answers were lost. It is bounded, and what it forgets is only less exact.
type memory struct {
	mu         sync.Mutex         // guards everything below
	young, old map[string]attempt // by message ID of SQS
	calls      []lostCall
}

// attempt is how often the handler had been started at a delivery.
type attempt struct{ attempts, deliveries int }

// lostCall is a receive call without an answer.
type lostCall struct {
	id   string
	upTo time.Time
}

const (
	// mostAttempts bounds each of two generations of attempts.
	mostAttempts = 10_000
	// lostCallTime is for how long SQS repeats its answer to a call with the same ID.
	lostCallTime = 5 * time.Minute
)

func newMemory() *memory {
	return &memory{young: make(map[string]attempt), old: make(map[string]attempt)}
}

// remember keeps the attempts at a message that goes back.
func (m *memory) remember(id string, a attempt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.young) >= mostAttempts {
		m.young, m.old = m.old, m.young
		clear(m.young)
	}
	m.young[id] = a
}

// recall returns how often the handler was started at a message before a delivery. A delivery of which nothing is known, to another process, counts as a start.
func (m *memory) recall(id string, deliveries int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.young[id]
	if !ok {
		a, ok = m.old[id]
	}
	if !ok {
		return deliveries - 1
	}
	delete(m.young, id)
	delete(m.old, id)
	return a.attempts + max(0, deliveries-a.deliveries-1)
}

// lose keeps the ID of a receive call whose answer did not come, and until when SQS repeats that.
func (m *memory) lose(id string, upTo time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const most = 100 // as many as there can be receivers
	if len(m.calls) < most {
		m.calls = append(m.calls, lostCall{id: id, upTo: upTo})
	}
}

// find returns the ID of such a call, to be made again.
func (m *memory) find(now time.Time) (id string, upTo time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.calls) > 0 {
		c := m.calls[0]
		m.calls = m.calls[1:]
		if now.Before(c.upTo) {
			return c.id, c.upTo, true
		}
	}
	return "", time.Time{}, false
}
