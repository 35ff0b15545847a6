package simtest

import (
	"maps"
	"slices"
)

// Ledger keeps what is finished of a partition while one consumer has it, and says how much of that can be committed.
type Ledger interface {
	// Finish notes that the message at offset is done with.
	Finish(offset int64)
	// Position returns the offset at which another consumer is to begin, and the finished ones above it, which it need not process.
	Position() (next int64, finished []int64)
}

// contiguous is the right ledger: its position never passes a message that is not finished.
type contiguous struct {
	next     int64
	finished map[int64]bool // from next on
}

// NewLedger returns a ledger that begins at a committed position.
func NewLedger(next int64, finished []int64) Ledger {
	l := &contiguous{next: next, finished: make(map[int64]bool)}
	for _, offset := range finished {
		l.finished[offset] = true
	}
	return l
}

func (l *contiguous) Finish(offset int64) {
	if offset < l.next {
		return
	}
	l.finished[offset] = true
	for l.finished[l.next] {
		delete(l.finished, l.next)
		l.next++
	}
}

func (l *contiguous) Position() (int64, []int64) {
	return l.next, slices.Sorted(maps.Keys(l.finished))
}
