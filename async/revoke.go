package async

// revocation is a claim whose messages are on their way out.
type revocation struct {
	claim *Claim
	held  int           // messages of the claim that run or wait for the broker
	done  chan struct{} // closed when there is none
}

var _ claimHolder = (*session)(nil)

// dropClaim drops the messages of c that wait, and returns a channel that is closed when the others are settled.
func (s *session) dropClaim(c *Claim) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := revocation{claim: c, done: make(chan struct{})}
	s.eachOf(c, func(m *Message) {
		switch m.task.state {
		case waiting, paused:
			s.dropLocked(m)
		case running, settling:
			m.task.revoked = true
			r.held++
		case gone:
		}
	})
	if r.held == 0 {
		close(r.done)
	} else {
		s.revoking = append(s.revoking, r)
	}
	s.settleLocked()
	return r.done
}

// loseClaim drops the messages of c that wait, and marks the others: what comes of them is not settled.
func (s *session) loseClaim(c *Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachOf(c, func(m *Message) {
		switch m.task.state {
		case waiting, paused:
			s.dropLocked(m)
		case running, settling:
			m.task.lost = true
		case gone:
		}
	})
	s.flushLocked()
}

// eachOf calls f for each held message of c; f may let go of it. Messages of other claims that wait in the same lanes behind them are given back: they must
// come after those again, wherever they go. What arrives later is in order, because a broker gives no more of a lane while some of it is out.
func (s *session) eachOf(c *Claim, f func(m *Message)) {
	var broken map[Lane]bool
	for m := s.held.first; m != nil; {
		next := m.task.next
		switch {
		case m.Claim == c:
			if !s.lanesOff && m.Lane != (Lane{}) {
				if broken == nil {
					broken = make(map[Lane]bool)
				}
				broken[m.Lane] = true
			}
			f(m)
		case broken[m.Lane] && m.task.state == waiting && s.traits.Redelivers:
			s.releaseLocked(m)
		}
		m = next
	}
}

// lostLocked lets go of a message that is no longer ours, and gives back those that wait behind it in its lane, unless that was done when it became known.
func (s *session) lostLocked(m *Message) {
	if m.task.state == gone {
		return
	}
	if !m.task.lost {
		s.releaseBehindLocked(m)
	}
	s.dropLocked(m)
}

// releaseBehindLocked gives back what waits behind m in its lane. A broker that does not give a message again while its consumer lives keeps it until the claim
// ends, and with it whatever is lost, so there is nothing to put behind: given back, it would not come again.
func (s *session) releaseBehindLocked(m *Message) {
	if s.lanesOff || m.Lane == (Lane{}) || !s.traits.Redelivers {
		return
	}
	for f := m.task.next; f != nil; f = f.task.next {
		if f.Lane == m.Lane && f.task.state == waiting {
			s.releaseLocked(f)
		}
	}
}

// dropLocked lets go of a message that is no longer ours.
func (s *session) dropLocked(m *Message) {
	if m.task.begun {
		m.task.work.span.SetErrorType("lost")
		m.task.work.span.End(nil)
	}
	s.observe(m.Source).lost.Inc()
	s.goneLocked(m)
}

// flushLocked lets a worker settle what is pending, if none is there to do it.
func (s *session) flushLocked() {
	if len(s.pending) > 0 && s.running == 0 {
		s.startWorkerLocked()
	}
}

// revokedLocked counts m off the revocation that waits for it.
func (s *session) revokedLocked(m *Message) {
	if !m.task.revoked {
		return
	}
	for i := range s.revoking {
		r := &s.revoking[i]
		if r.claim != m.Claim {
			continue
		}
		if r.held--; r.held == 0 {
			close(r.done)
			s.revoking = append(s.revoking[:i], s.revoking[i+1:]...)
		}
		return
	}
}
