package sqs

import (
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// memory is what outlives the consumers of a process: the starts of messages that were given back, by message ID of SQS, which SQS cannot keep, and the receive
// calls to FIFO queues whose answers were lost. It is bounded, and what it forgets is only less exact. The zero value is ready.
type memory struct {
	starts async.Starts[string]
	mu     sync.Mutex // guards calls
	calls  []lostCall
}

// lostCall is a receive call without an answer.
type lostCall struct {
	id   string
	upTo time.Time
}

// lostCallTime is for how long SQS repeats its answer to a call with the same ID.
const lostCallTime = 5 * time.Minute

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
