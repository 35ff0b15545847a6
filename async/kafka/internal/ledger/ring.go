package ledger

import "sort"

// state is what is known of a message that was taken.
type state uint8

const (
	given    state = iota // out, and one that is waited for where there is suspicion
	trusted               // out, and not waited for any more
	released              // given back: of no one in this claim any more
	settled               // acked, rejected, or found finished
)

// entry is one message that was taken. There may be ten thousand for a partition, so it is small.
type entry struct {
	offset int64
	epoch  int32  // of the leader that wrote it; -1: not known
	starts uint16 // before this delivery, or after it if it is released
	state  state
	alone  bool // its start is committed
}

// ring holds entries in the order of their offsets. It grows, and lets go of much memory when it is empty.
type ring struct {
	entries []entry // a power of two of them
	head    int
	size    int
}

// The least and the most memory that a ring keeps while it is empty.
const (
	leastRing = 16
	keptRing  = 1024
)

func (r *ring) at(i int) *entry { return &r.entries[(r.head+i)&(len(r.entries)-1)] }

func (r *ring) push(e entry) {
	if r.size == len(r.entries) {
		entries := make([]entry, max(leastRing, 2*len(r.entries)))
		for i := range r.size {
			entries[i] = *r.at(i)
		}
		r.entries, r.head = entries, 0
	}
	r.size++
	*r.at(r.size - 1) = e
}

func (r *ring) pop() entry {
	e := *r.at(0)
	r.head = (r.head + 1) & (len(r.entries) - 1)
	r.size--
	if r.size == 0 && len(r.entries) > keptRing {
		r.entries, r.head = nil, 0
	}
	return e
}

// find returns the entry of offset, or nil. Without holes it is where it would be guessed.
func (r *ring) find(offset int64) *entry {
	if r.size == 0 {
		return nil
	}
	first := r.at(0).offset
	if offset < first {
		return nil
	}
	if guess := offset - first; guess < int64(r.size) {
		if e := r.at(int(guess)); e.offset == offset {
			return e
		}
	}
	i := sort.Search(r.size, func(i int) bool { return r.at(i).offset >= offset })
	if i == r.size || r.at(i).offset != offset {
		return nil
	}
	return r.at(i)
}
