package async

import "sync"

// mostStarts bounds what Starts remembers.
const mostStarts = 100_000

// Starts is the memory of a driver whose broker counts deliveries and nothing else (Traits.ExactAttempts is false): by how much the starts of a message that
// goes back differ from its deliveries. Tries in place are starts without a delivery, and what is released is a delivery without a start. K is what the
// broker knows a message by. Another process does not have the memory, so there a message may be started once more, or once less, than the policy says.
// The zero value is ready. Methods may be called concurrently.
type Starts[K comparable] struct {
	mu   sync.Mutex // guards more
	more map[K]int
}

// Before returns the starts before a delivery, for Message.Attempt: deliveries counts this one, too.
func (s *Starts[K]) Before(key K, deliveries int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	more := s.more[key]
	delete(s.more, key)
	return max(0, deliveries-1+more)
}

// Keep remembers Attempt and Deliveries of a message that is about to go back (Retry, Release).
func (s *Starts[K]) Keep(key K, m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil || len(s.more) >= mostStarts { // what is in it then went to other processes
		s.more = make(map[K]int)
	}
	s.more[key] = m.Attempt - m.Deliveries
}
