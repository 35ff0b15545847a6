package async

import (
	"errors"
	"fmt"
	"time"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
)

// pendLocked queues a verdict for the broker.
func (s *session) pendLocked(settlement Settlement) {
	if len(s.pending) == 0 && !s.sending {
		s.sent = time.Now()
	}
	s.pending = append(s.pending, settlement)
}

// settleLocked sends the pending verdicts, and those that come meanwhile, unless somebody is at it. It gives the mutex up while the broker works.
func (s *session) settleLocked() {
	if s.sending {
		return
	}
	s.sending = true
	for len(s.pending) > 0 {
		batch := s.pending
		s.pending = s.spare[:0]
		if s.failed != nil {
			for i := range batch {
				s.goneLocked(batch[i].Message) // the broker gives them again
			}
		} else {
			s.mu.Unlock()
			err := s.send(batch)
			s.mu.Lock()
			s.settledLocked(batch, err)
		}
		clear(batch)
		s.spare = batch[:0]
		s.sent = time.Now()
	}
	s.sending = false
	s.changed.Broadcast()
}

// send calls the driver; a panic of it is an error of the connection.
func (s *session) send(batch []Settlement) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = reliability.Recovered(r)
		}
	}()
	return s.consumer.Settle(s.settle, batch)
}

// settledLocked takes note of what the broker said to each verdict.
func (s *session) settledLocked(batch []Settlement, err error) {
	if err != nil {
		s.failLocked(fmt.Errorf("settle: %w", err))
	}
	for i := range batch {
		settlement := &batch[i]
		m := settlement.Message
		switch {
		case errors.Is(settlement.Err, ErrLost) || m.task.lost:
			s.lostLocked(m)
		case err != nil:
			s.goneLocked(m)
		case settlement.Err != nil:
			s.settleAgainLocked(*settlement)
		default:
			s.countLocked(settlement)
			s.goneLocked(m)
		}
	}
}

// countLocked counts a verdict that the broker has taken.
func (s *session) countLocked(settlement *Settlement) {
	m := settlement.Message
	o := s.observe(m.Source)
	s.flow.moves++
	switch settlement.Verdict {
	case Ack:
		if settlement.Cause == nil {
			o.processed.Inc()
		}
	case Reject:
		o.dead.Inc()
		if l := m.task.lane; l != nil && s.c.config.stopLane {
			l.closed = true
		}
	case Release:
		o.released.Inc()
	case Retry:
	}
}

// settleAgainLocked tries a settlement again after a pause, until the settle context ends. The lane of a dead letter waits for it.
func (s *session) settleAgainLocked(settlement Settlement) {
	m := settlement.Message
	cause := settlement.Err
	settlement.Err = nil
	m.task.resettle++
	if s.settle.Err() != nil {
		s.goneLocked(m) // too late: the broker gives it again
		return
	}
	wait := reconnectPause(m.task.resettle)
	plog.Slog(s.work).WarnContext(s.settle, "settlement failed", "component", s.c.name, "source", m.Source.String(), "message", m.ID,
		"verdict", settlement.Verdict.String(), "tries", m.task.resettle, "wait", wait, "error", cause.Error())
	m.task.timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if m.task.state != settling {
			return
		}
		s.pendLocked(settlement)
		s.settleLocked()
	})
}

// goneLocked lets go of m: it is settled, dropped or lost. Its lane goes on.
func (s *session) goneLocked(m *Message) {
	if m.task.state == gone {
		return
	}
	m.task.state = gone
	if m.task.timer != nil {
		m.task.timer.Stop()
	}
	s.held.remove(m)
	s.observe(m.Source).held.Dec()
	s.countSourceLocked(m.Source, -1)
	s.leaveLaneLocked(m)
	s.revokedLocked(m)
	s.changed.Broadcast()
	if s.ready.size > 0 {
		s.startWorkersLocked()
	}
}
