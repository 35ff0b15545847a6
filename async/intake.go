package async

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/beatlabs/patron/reliability"
)

// receiveAll receives until the intake is over.
func (s *session) receiveAll() {
	for {
		limit, ok := s.room()
		if !ok {
			return
		}
		mm, err := s.receiveSome(limit)
		s.admit(mm)
		switch over := s.receive.Err(); {
		case err == nil:
		case over != nil && (!s.traits.Volatile || errors.Is(err, io.EOF)):
			return
		case over == nil, !errors.Is(err, over): // also while a Volatile source is drained: the connection is lost, and made again
			s.fail(fmt.Errorf("receive: %w", err))
			return
		}
	}
}

// receiveSome calls the driver; a panic of it is an error of the connection.
func (s *session) receiveSome(limit int) (mm []*Message, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = reliability.Recovered(r)
		}
	}()
	return s.consumer.Receive(s.receive, limit)
}

// room waits until more may be held, and says how much. It reports false when the intake is over.
func (s *session) room() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for (s.held.count >= s.c.config.maxHeld || s.flow.halted) && !s.overLocked() {
		s.changed.Wait()
	}
	if s.overLocked() {
		return 0, false
	}
	limit := s.c.config.maxHeld - s.held.count
	if s.traits.MaxBatch > 0 {
		limit = min(limit, s.traits.MaxBatch)
	}
	return limit, true
}

// overLocked reports whether nothing more is to be received. A Volatile source is received from until it is empty or the grace period is over.
func (s *session) overLocked() bool {
	return s.failed != nil || s.fatal != nil || s.work.Err() != nil || s.receive.Err() != nil && !s.traits.Volatile
}

// admit takes over what was received.
func (s *session) admit(mm []*Message) {
	if len(mm) == 0 {
		return
	}
	now := time.Now()
	s.mu.Lock()
	if s.receive.Err() != nil && !s.traits.Volatile {
		s.closing = true // the goroutine that calls intakeOver may come later than these messages
	}
	var claim *Claim // the last one that is ours; it cannot end before the mutex is free
	var run tally
	for _, m := range mm {
		m.task = task{received: now}
		if m.Source == nil {
			m.Source = s.unknown
		}
		s.tallyLocked(&run, m.Source)
		run.received++
		if m.Claim != nil && m.Claim != claim {
			if !m.Claim.attach(s) {
				run.lost++ // it ended while the message was on its way
				continue
			}
			claim = m.Claim
		}
		s.held.add(m)
		run.held++
		if s.flow.parking {
			s.meetLocked(m.Source)
		}
		s.ready.pushBack(m)
	}
	s.tallyLocked(&run, nil)
	if s.inline && s.running == 0 && s.startableLocked() {
		s.running++
		s.mu.Unlock()
		s.worker()
		return
	}
	s.startWorkersLocked()
	s.mu.Unlock()
}

// intakeOver is called when the receive context ends. The pauses of a Volatile source are cut short; of any other source nothing is started any more.
func (s *session) intakeOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.traits.Volatile && s.failed == nil && s.fatal == nil {
		s.draining = true
		s.liftLocked()
		for m := s.held.first; m != nil; m = m.task.next {
			if m.task.state == paused && m.task.timer.Stop() {
				s.dueLocked(m)
			}
		}
		s.startWorkersLocked()
	} else {
		s.closing = true
	}
	s.changed.Broadcast()
}
