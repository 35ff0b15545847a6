package async

// lane exists while messages of it are running, paused or waiting for their dead letter: those are its active ones. Further messages wait in line. A
// lane that is empty costs nothing: it is not there.
type lane struct {
	active int
	line   queue
	batch  uint64   // the batch that started it; messages of it may join
	closed bool     // by StopLaneOnDead
	dead   []string // the IDs of what closed it
}

// joinLaneLocked makes m an active message of its lane, or puts it into the line and reports false. With one slot a lane is made only when a message
// must hold it, since whoever has the slot is alone.
func (s *session) joinLaneLocked(m *Message, batch uint64) bool {
	var l *lane
	if len(s.lanes) > 0 {
		l = s.lanes[m.Lane]
	}
	switch {
	case l == nil && s.slots == 1:
		return true
	case l == nil:
		l = s.newLaneLocked(m.Lane)
		l.batch = batch
	case batch == 0 || l.batch != batch || l.line.size > 0:
		l.line.pushBack(m)
		return false
	}
	l.active++
	m.task.lane = l
	return true
}

// holdLaneLocked makes sure that m is an active message of its lane, so that its followers wait.
func (s *session) holdLaneLocked(m *Message) {
	if s.lanesOff || m.task.lane != nil || m.Lane == (Lane{}) {
		return
	}
	l := s.lanes[m.Lane]
	if l == nil {
		l = s.newLaneLocked(m.Lane)
	}
	l.active++
	m.task.lane = l
}

// leaveLaneLocked ends m's hold on its lane. The next in line becomes ready before everything else; a lane without a line vanishes.
func (s *session) leaveLaneLocked(m *Message) {
	l := m.task.lane
	if l == nil {
		return
	}
	m.task.lane = nil
	l.active--
	s.advanceLocked(m.Lane, l)
}

// advanceLocked makes the next in line of l ready, unless an active message or a dead letter holds it.
func (s *session) advanceLocked(key Lane, l *lane) {
	for l.active == 0 && !l.closed {
		next := l.line.pop()
		if next == nil {
			s.endLaneLocked(key, l)
			return
		}
		if next.task.state != waiting {
			continue
		}
		l.active++
		next.task.lane = l
		s.ready.pushFront(next)
	}
}

// newLaneLocked makes the lane of key.
func (s *session) newLaneLocked(key Lane) *lane {
	var l *lane
	if n := len(s.unused); n > 0 {
		l, s.unused = s.unused[n-1], s.unused[:n-1]
	} else {
		l = &lane{}
	}
	s.lanes[key] = l
	return l
}

// endLaneLocked forgets a lane without messages. As many as there are slots are kept for others, with the memory of their lines.
func (s *session) endLaneLocked(key Lane, l *lane) {
	delete(s.lanes, key)
	if len(s.unused) < s.slots {
		*l = lane{line: l.line}
		s.unused = append(s.unused, l)
	}
}
