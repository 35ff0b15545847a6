package ledger

import "slices"

// Commit is what is to be committed for one partition.
type Commit struct {
	Ledger   *Ledger
	Position int64
	Epoch    int32  // of the leader that wrote the message before the position; [Unknown]
	Metadata string // at most 4 096 bytes
	Err      error  // set by the driver before [Set.Done]: this one did not come to pass, and is carried again
}

// Set is the ledgers that are committed together, of which at most one commit is under way. The zero value is an empty set. It must not be used concurrently.
//
//	idle ──Next──> under way ──Done──> idle
type Set struct {
	ledgers []*Ledger
	flight  []Commit
	flying  bool
}

// Add puts l into the set.
func (s *Set) Add(l *Ledger) { s.ledgers = append(s.ledgers, l) }

// Remove takes l out: its last commit is done, or its claim was lost. What is under way of it goes on, and counts for nothing.
func (s *Set) Remove(l *Ledger) {
	s.ledgers = slices.DeleteFunc(s.ledgers, func(o *Ledger) bool { return o == l })
}

// Pending reports whether something waits for a commit, beyond what is under way.
func (s *Set) Pending() bool { return slices.ContainsFunc(s.ledgers, (*Ledger).Pending) }

// Flying reports whether a commit is under way.
func (s *Set) Flying() bool { return s.flying }

// Next returns what is to be committed, or nothing: there is nothing to say, or a commit is under way. What it returns is under way until [Set.Done] is called;
// the slice is used again after that.
func (s *Set) Next() []Commit {
	if s.flying {
		return nil
	}
	s.flight = s.flight[:0]
	for _, l := range s.ledgers {
		if l.Pending() {
			s.flight = append(s.flight, l.commit())
		}
	}
	s.flying = len(s.flight) > 0
	return s.flight
}

// Done says that the commit under way came back. What has an Err is carried again by the next one, which the driver may hold back for a while. Done without
// a commit under way does nothing.
func (s *Set) Done() {
	if !s.flying {
		return
	}
	s.flying = false
	for i := range s.flight {
		s.flight[i].Ledger.committed(s.flight[i].Err)
	}
	clear(s.flight)
}

// Fail is Done for a commit that failed as a whole.
func (s *Set) Fail(err error) {
	for i := range s.flight {
		s.flight[i].Err = err
	}
	s.Done()
}

// Pending reports whether a commit would say something new of l, beyond what is under way.
func (l *Ledger) Pending() bool {
	if l.position == Unknown {
		return false
	}
	said := l.done
	if l.flying {
		said = l.sent
	}
	return l.changes > said || !l.ended && !l.flying && l.caution.due()
}

// commit is what is to be committed of l, and is under way from now on.
func (l *Ledger) commit() Commit {
	c := &l.caution
	if !l.ended && c.due() {
		c.asked, c.askedAt = true, c.wanted
	}
	l.flying, l.sent, l.sentTop = true, l.changes, l.popped
	l.note()
	return Commit{Ledger: l, Position: l.position, Epoch: l.epoch, Metadata: format(l.position, &l.scratch)}
}

// committed says that the commit under way came back.
func (l *Ledger) committed(err error) {
	l.flying = false
	if err != nil {
		l.caution.asked = false
		return
	}
	l.done, l.covered = l.sent, l.sentTop
	if l.caution.asked {
		l.caution.grant()
	}
	l.measure()
}

// note writes down what the next commit says.
func (l *Ledger) note() {
	c, n := &l.caution, &l.scratch
	n.open, n.window = c.told(l.ended)
	n.tried, n.finished = n.tried[:0], n.finished[:0]
	run := false
	for i := range l.ring.size {
		e := l.ring.at(i)
		switch {
		case e.state != settled:
			run = false
			starts := e.starts
			if e.alone && !l.ended {
				starts = increased(starts)
			}
			if starts > 0 {
				n.tried = append(n.tried, trial{e.offset, starts})
			}
		case run: // the hole between them, if there is one, is passed
			n.finished[len(n.finished)-1].last = e.offset
		default:
			run = true
			n.finished = append(n.finished, span{e.offset, e.offset})
		}
	}
	n.finished = append(n.finished, l.finished...)
	l.noteTried()
}

// noteTried writes down the starts of messages that were not taken yet, and of the one that is about to be given alone.
func (l *Ledger) noteTried() {
	c, n := &l.caution, &l.scratch
	alone := int64(Unknown)
	switch {
	case l.ended:
	case c.asked && c.following() == 1:
		alone = c.askedAt
	case !c.asked && c.counted >= l.next:
		alone = c.counted
	}
	for _, t := range l.tried {
		if alone != Unknown && t.offset >= alone {
			if t.offset > alone {
				n.tried = append(n.tried, trial{alone, 1})
			} else {
				t.starts = increased(t.starts)
			}
			alone = Unknown
		}
		n.tried = append(n.tried, t)
	}
	if alone != Unknown {
		n.tried = append(n.tried, trial{alone, 1})
	}
}

// increased is starts and one more.
func increased(starts uint16) uint16 {
	if starts == ^uint16(0) {
		return starts
	}
	return starts + 1
}
