package async

import "time"

// startWorkersLocked starts workers as long as there are slots and messages for them.
func (s *session) startWorkersLocked() {
	for started := 0; s.running < s.slots && started < s.ready.size && s.startableLocked(); started++ {
		s.startWorkerLocked()
		if s.c.batch != nil {
			started += s.c.config.batchSize - 1
		}
	}
}

// startAnotherLocked starts one worker, if there is a slot and a message for it.
func (s *session) startAnotherLocked() {
	if s.running < s.slots && s.startableLocked() {
		s.startWorkerLocked()
	}
}

// startWorkerLocked takes a slot for a worker and starts it.
func (s *session) startWorkerLocked() {
	s.running++
	go s.worker() // awaitWorkers waits for it
}

// worker holds a slot and works until nothing is ready. Every worker settles what is pending before it goes, unless another one is at it: that one goes
// on until nothing is pending.
func (s *session) worker() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch worked := s.workLocked(); {
		case worked && s.ready.size > 0:
			s.settleSoonLocked()
		case worked, len(s.pending) > 0 && !s.sending:
			s.settleLocked()
		default:
			s.running--
			s.changed.Broadcast()
			return
		}
	}
}

// workLocked works on one message or batch, without the mutex, and reports false if there is none.
func (s *session) workLocked() bool {
	if s.c.batch != nil {
		return s.runBatchLocked()
	}
	m := s.nextLocked()
	if m == nil {
		return false
	}
	s.mu.Unlock()
	r := s.process(m)
	s.mu.Lock()
	s.concludeLocked(m, r)
	return true
}

// nextLocked takes the first message that may be started, or nil. Messages of a busy lane get into its line.
func (s *session) nextLocked() *Message {
	for !s.closing && s.ready.size > 0 && !s.barredLocked() {
		if m := s.ready.pop(); s.startLocked(m, 0) {
			s.startedLocked()
			return m
		}
	}
	return nil
}

// startLocked makes m running and its lane busy, and reports whether that could be done.
func (s *session) startLocked(m *Message, batch uint64) bool {
	t := &m.task
	if t.state != waiting {
		return false
	}
	if s.flow.parking && m.Source.stopped {
		s.flow.parked.pushBack(m)
		return false
	}
	if t.lane != nil {
		t.lane.batch = batch
	} else if !s.lanesOff && m.Lane != (Lane{}) && !s.joinLaneLocked(m, batch) {
		return false
	}
	t.state = running
	return true
}

// startableLocked reports whether a worker would find something to do.
func (s *session) startableLocked() bool {
	if s.closing || s.ready.size == 0 || s.barredLocked() {
		return false
	}
	if s.c.batch == nil || s.c.config.batchWait == 0 || s.gathered || s.draining || s.ready.size >= s.c.config.batchSize {
		return true
	}
	if s.gather == nil {
		s.gather = time.AfterFunc(s.c.config.batchWait, s.gatherOver)
	}
	return false
}

// due is called when the pause of m is over. It works with the slot it may find free.
func (s *session) due(m *Message) {
	s.mu.Lock()
	if m.task.state != paused {
		s.mu.Unlock()
		return
	}
	s.dueLocked(m)
	if s.running >= s.slots || s.closing {
		s.mu.Unlock()
		return
	}
	s.running++
	s.mu.Unlock()
	s.worker()
}

// dueLocked lets m be started again, before everything else.
func (s *session) dueLocked(m *Message) {
	m.task.state, m.task.timer = waiting, nil
	s.ready.pushFront(m)
	s.gathered = true
}
