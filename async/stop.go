package async

import (
	"errors"
	"fmt"
)

// giveBack ends the starting of messages and gives back what was not started, in the order of its arrival. The intake is over by now: what is given
// back earlier would come straight back.
func (s *session) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.traits.Volatile && s.running > 0 && !s.overLocked() {
		s.changed.Wait() // io.EOF came: nothing is queued or in flight, so what runs has its verdict
	}
	s.closing, s.given = true, true
	if s.gather != nil {
		s.gather.Stop()
	}
	if s.flow.limit != nil {
		s.flow.limit.Stop()
	}
	for m := s.held.first; m != nil; m = m.task.next {
		switch m.task.state {
		case paused:
			m.task.timer.Stop()
			s.releaseLocked(m)
		case waiting:
			s.releaseLocked(m)
		case running, settling, gone:
		}
	}
	if s.failed == nil {
		s.settleLocked()
	}
}

// releaseLocked gives m back: abandoned or never started.
func (s *session) releaseLocked(m *Message) {
	if m.task.begun {
		m.task.work.span.SetErrorType("released")
		m.task.work.span.End(nil)
	}
	m.task.state, m.task.timer = settling, nil
	s.pendLocked(Settlement{Message: m, Verdict: Release})
}

// awaitWorkers waits until nothing runs and everything that can be settled is, or until the settle context ends. Messages of a lost connection are not
// waited for: only their handlers are, so that none runs beside its own repetition.
func (s *session) awaitWorkers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.settle.Err() == nil && (s.running > 0 || s.sending || s.failed == nil && s.held.count > 0) {
		s.changed.Wait()
	}
}

// left counts what remains in a Volatile source, and what still runs.
func (s *session) left() error {
	s.mu.Lock()
	stuck, failed := s.running, s.failed != nil
	s.mu.Unlock()
	var errs []error
	if stuck > 0 {
		errs = append(errs, fmt.Errorf("%d handlers still running after the grace period", stuck))
	}
	if s.traits.Volatile && !failed {
		if n := s.countLeft(); n > 0 {
			errs = append(errs, fmt.Errorf("%d messages left in a source that dies with the process", n))
		}
	}
	return errors.Join(errs...)
}

// countLeft asks the broker, or counts what is held.
func (s *session) countLeft() int64 {
	var n int64
	if s.lagger != nil {
		if lags, err := s.lagger.Lag(s.settle); err == nil {
			for _, l := range lags {
				n += l.Messages + l.NotDue
			}
			return n
		}
	}
	held, _ := s.counts()
	return int64(held)
}

// verdict is how the session ended.
func (s *session) verdict(left, closing error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overdue != nil {
		s.overdue.Stop()
	}
	for m := s.held.first; m != nil; m = m.task.next { // what could not be settled: the broker gives it again
		s.observe(m.Source).held.Dec()
		m.task.state = gone
		if m.task.timer != nil {
			m.task.timer.Stop()
		}
	}
	switch {
	case s.fatal != nil && left != nil:
		return &fatalError{fmt.Errorf("%w; %w", s.fatal, left)}
	case s.fatal != nil:
		return &fatalError{s.fatal}
	case left != nil:
		return &fatalError{left}
	case s.failed != nil:
		return s.failed
	case closing != nil:
		return fmt.Errorf("close: %w", closing)
	default:
		return nil
	}
}

// exitLocked ends the service because of m, which stays where it is: it is given back when the intake is over, and comes first again.
func (s *session) exitLocked(m *Message, cause error) {
	if s.fatal == nil {
		s.fatal = fmt.Errorf("message %q of %s failed at attempt %d: %w", m.ID, m.Source, m.Attempt, cause)
	}
	s.closing = true
	m.task.state = waiting
	s.leave()
	s.exit(s.fatal)
	s.changed.Broadcast()
}
