package async

import (
	"errors"
	"fmt"
	"slices"
	"time"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
)

// settleEvery bounds how long a verdict waits for others while more work is ready, however long the handlers of that take.
const settleEvery = time.Millisecond

// pendLocked queues a verdict for the broker.
func (s *session) pendLocked(settlement Settlement) { s.pending = append(s.pending, settlement) }

// settleSoonLocked is called when work goes on while verdicts are pending: if it takes long, they are settled meanwhile. A timer that is stopped in time costs
// less than a look at the clock after each message.
func (s *session) settleSoonLocked() {
	switch {
	case s.timed || len(s.pending) == 0:
		return
	case s.overdue == nil:
		s.overdue = time.AfterFunc(settleEvery, s.settleOverdue)
	default:
		s.overdue.Reset(settleEvery)
	}
	s.timed = true
}

// settleOverdue settles what has waited for settleEvery.
func (s *session) settleOverdue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timed = false
	s.settleLocked()
}

// settleLocked sends the pending verdicts, and those that come meanwhile, unless somebody is at it. It gives the mutex up while the broker works.
func (s *session) settleLocked() {
	if s.sending {
		return
	}
	s.sending = true
	if s.timed {
		s.timed = false
		s.overdue.Stop()
	}
	for len(s.pending) > 0 {
		batch := s.pending
		s.pending = s.spare[:0]
		all := batch
		if batch = s.oursLocked(batch); s.failed != nil {
			for i := range batch {
				s.goneLocked(batch[i].Message) // the broker gives them again
			}
		} else if len(batch) > 0 {
			s.mu.Unlock()
			err := s.send(batch)
			s.mu.Lock()
			s.settledLocked(batch, err)
		}
		clear(all)
		s.spare = all[:0]
	}
	s.sending = false
	s.changed.Broadcast()
}

// oursLocked lets go of what was lost while its verdict waited, and returns the rest of the batch.
func (s *session) oursLocked(batch []Settlement) []Settlement {
	lost := func(settlement Settlement) bool { return settlement.Message.task.lost }
	if !slices.ContainsFunc(batch, lost) {
		return batch
	}
	for i := range batch {
		if lost(batch[i]) {
			s.lostLocked(batch[i].Message)
		}
	}
	return slices.DeleteFunc(batch, lost)
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
	var run tally
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
			s.tallyLocked(&run, m.Source)
			s.countLocked(settlement, &run)
			if m.task.state != gone {
				s.letGoLocked(m)
				run.held--
			}
		}
	}
	s.tallyLocked(&run, nil)
	s.wentLocked()
}

// countLocked counts a verdict that the broker has taken.
func (s *session) countLocked(settlement *Settlement, run *tally) {
	m := settlement.Message
	o := s.observe(m.Source)
	s.progress.moves++
	switch settlement.Verdict {
	case Ack:
		if settlement.Cause == nil {
			run.processed++
		}
	case Reject:
		o.dead.Inc()
		if l := m.task.lane; l != nil && s.c.config.stopLane {
			l.closeLocked(m)
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
	wait := reconnectPause(s.work, m.ID, m.task.resettle)
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
	s.letGoLocked(m)
	s.observe(m.Source).held.Dec()
	s.countSourceLocked(m.Source, -1)
	s.wentLocked()
}

// letGoLocked is goneLocked without its counting.
func (s *session) letGoLocked(m *Message) {
	m.task.state = gone
	if m.task.timer != nil {
		m.task.timer.Stop()
	}
	s.held.remove(m)
	s.leaveLaneLocked(m)
	s.revokedLocked(m)
}

// wentLocked tells those who wait for messages to go, and starts what they leave room for.
func (s *session) wentLocked() {
	s.changed.Broadcast()
	if s.ready.size > 0 {
		s.startWorkersLocked()
	}
}
