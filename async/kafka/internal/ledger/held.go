package ledger

// Holds reports whether [Ledger.Settle] would take a verdict on the message at offset: a driver asks before it writes a dead letter.
func (l *Ledger) Holds(offset int64) bool { return l.out(offset) != nil }

// Finished returns how many messages above the position are settled, as far as they were taken in this claim.
func (l *Ledger) Finished() int { return l.ring.size - l.unsettled() }

// unsettled counts what was taken and is not settled.
func (l *Ledger) unsettled() int {
	n := 0
	for i := range l.ring.size {
		if l.ring.at(i).state != settled {
			n++
		}
	}
	return n
}
