package async

import (
	"fmt"
	"time"
)

// trouble is what a message has that is tried without end: no policy will ever say that it failed, so somebody must be told.
type trouble struct {
	since time.Time // the first failure
	cause error     // the last one
}

// patience is how long such a message may fail before Check tells of it.
const patience = 5 * time.Second

// noteTrouble notes one more failure.
func (t *task) noteTrouble(cause error) {
	if t.trouble == nil {
		t.trouble = &trouble{since: time.Now()}
	}
	t.trouble.cause = cause
}

// troubled returns what the message says that has failed for longest, if that is for long, and how many others there are.
func (c *Component) troubled() error {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var first *Message
	n := 0
	for m := s.held.first; m != nil; m = m.task.next {
		tr := m.task.trouble
		if tr == nil || m.task.state == settling || m.task.state == gone || now.Sub(tr.since) < patience {
			continue
		}
		if n++; first == nil || tr.since.Before(first.task.trouble.since) {
			first = m
		}
	}
	if first == nil {
		return nil
	}
	tr := first.task.trouble
	return fmt.Errorf("%s%s failed for %v, and is tried again: %w", name(first), others(n), now.Sub(tr.since).Round(time.Second), tr.cause)
}
