package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"strings"
)

// notes is what a commit says beside its position.
type notes struct {
	open     bool    // the claim goes on, or its owner died
	window   int     // messages after the position that the owner was careful with; 0: it was not
	tried    []trial // messages that were started and are not finished
	finished []span  // messages that are finished, above the position
}

// span is a run of offsets, both ends included.
type span struct{ first, last int64 }

// trial is a message that was started before.
type trial struct {
	offset int64
	starts uint16
}

// contains reports whether offset is in ss, which are in order.
func contains(ss []span, offset int64) bool {
	i, _ := slices.BinarySearchFunc(ss, offset, func(s span, o int64) int {
		if s.last < o {
			return -1
		}
		return 1
	})
	return i < len(ss) && ss[i].first <= offset
}

// behind returns what of ss is at next or after it.
func behind(ss []span, next int64) []span {
	for len(ss) > 0 && ss[0].last < next {
		ss = ss[1:]
	}
	if len(ss) == 0 {
		return nil
	}
	ss[0].first = max(ss[0].first, next)
	return ss
}

// triedBehind returns what of tt is at next or after it.
func triedBehind(tt []trial, next int64) []trial {
	for len(tt) > 0 && tt[0].offset < next {
		tt = tt[1:]
	}
	if len(tt) == 0 {
		return nil
	}
	return tt
}

// startsOf returns the starts of offset in tt.
func startsOf(tt []trial, offset int64) uint16 {
	if i, ok := slices.BinarySearchFunc(tt, offset, func(t trial, o int64) int {
		switch {
		case t.offset < o:
			return -1
		case t.offset > o:
			return 1
		default:
			return 0
		}
	}); ok {
		return tt[i].starts
	}
	return 0
}

// The metadata of a commit is prefix and, in base64, the following: flags, position, window, the number of trials and these (distance from the one before,
// starts), finished messages, a CRC-32 of all that. Numbers are unsigned varints. Finished messages are pairs (distance from the end of the pair before,
// length less one), or a bitmap that begins with the position, whichever says more, or is shorter.
//
// The position is there because other tools move offsets and keep the metadata: what is said of one position is not true of another.
const (
	prefix      = "patron1:"
	mostBytes   = 4096                                     // offset.metadata.max.bytes of a broker, as it comes
	mostPayload = (mostBytes-len(prefix))/4*3 - crc32.Size // before it is base64
	mostTrials  = mostPayload / 4                          // bytes of them: the rest is for finished messages

	flagOpen   = 1 << 0
	flagBitmap = 1 << 1

	mostFound = math.MaxUint16 // larger windows are none of ours
)

// format returns the metadata of a commit at position.
func format(position int64, n *notes) string {
	if !n.open && len(n.tried) == 0 && len(n.finished) == 0 {
		return ""
	}
	var flags byte
	if n.open {
		flags |= flagOpen
	}
	b := append(make([]byte, 0, 64), flags)
	b = binary.AppendUvarint(b, uint64(position))
	b = binary.AppendUvarint(b, uint64(min(max(n.window, 0), mostFound)))
	b = appendTrials(b, position, n.tried)
	switch runs, all := appendRuns(b, position, n.finished); {
	case len(n.finished) == 0:
	case all && len(runs)-len(b) <= bitmapSize(position, n.finished, math.MaxInt64):
		b = runs
	default:
		room := int64(mostPayload - len(b))
		bits := bitmapSize(position, n.finished, room)
		if all || saidByBits(position+8*room, n.finished) >= saidByRuns(b, runs, position) {
			b[0] |= flagBitmap
			b = appendBitmap(b, position, n.finished, bits)
		} else {
			b = runs
		}
	}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// appendTrials appends the number of the nearest trials that fit, and these.
func appendTrials(b []byte, position int64, tt []trial) []byte {
	var list []byte
	n, before := uint64(0), position
	for _, t := range tt {
		more := binary.AppendUvarint(list, uint64(t.offset-before))
		more = binary.AppendUvarint(more, uint64(t.starts))
		if len(more) > mostTrials {
			break
		}
		list, before = more, t.offset
		n++
	}
	return append(binary.AppendUvarint(b, n), list...)
}

// appendRuns appends the nearest finished messages that fit, as pairs, and reports whether that is all of them.
func appendRuns(b []byte, position int64, ss []span) ([]byte, bool) {
	before := position
	out := b
	for _, s := range ss {
		more := binary.AppendUvarint(out, uint64(s.first-before))
		more = binary.AppendUvarint(more, uint64(s.last-s.first))
		if len(more) > mostPayload {
			return out, false
		}
		out, before = more, s.last+1
	}
	return out, true
}

// bitmapSize is the number of bytes of a bitmap of ss, at most room.
func bitmapSize(position int64, ss []span, room int64) int {
	return int(min((ss[len(ss)-1].last-position)/8+1, room, math.MaxInt32))
}

func appendBitmap(b []byte, position int64, ss []span, size int) []byte {
	at := len(b)
	b = append(b, make([]byte, size)...)
	for _, s := range ss {
		for o := s.first; o <= s.last; o++ {
			i := o - position
			if i/8 >= int64(size) {
				return b
			}
			b[at+int(i/8)] |= 1 << (i % 8)
		}
	}
	return b
}

// saidByBits is how many offsets of ss are before end.
func saidByBits(end int64, ss []span) int64 {
	var n int64
	for _, s := range ss {
		if s.first >= end {
			break
		}
		n += min(s.last, end-1) - s.first + 1
	}
	return n
}

// saidByRuns is how many offsets the pairs say that runs has beyond b.
func saidByRuns(b, runs []byte, position int64) int64 {
	var n int64
	for _, s := range parseRuns(runs[len(b):], position) {
		n += s.last - s.first + 1
	}
	return n
}

// parse reads the metadata of a commit at position. What is foreign, damaged or of another position says nothing, and is no error: the messages come again.
func parse(metadata string, position int64) notes {
	text, ours := strings.CutPrefix(metadata, prefix)
	if !ours || len(metadata) > mostBytes {
		return notes{}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+crc32.Size {
		return notes{}
	}
	payload, sum := b[:len(b)-crc32.Size], binary.BigEndian.Uint32(b[len(b)-crc32.Size:])
	if crc32.ChecksumIEEE(payload) != sum {
		return notes{}
	}
	r := reader{rest: payload[1:]}
	if r.number() != position {
		return notes{}
	}
	n := notes{open: payload[0]&flagOpen != 0, window: int(min(r.number(), mostFound))}
	n.tried = r.trials(position)
	if r.bad {
		return notes{}
	}
	if payload[0]&flagBitmap != 0 {
		n.finished = parseBitmap(r.rest, position)
	} else {
		n.finished = parseRuns(r.rest, position)
	}
	return n
}

// reader reads numbers from the front of rest. After the first that cannot be read, or is too large for an offset, it is bad and gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) number() int64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > math.MaxInt64 || r.bad {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return int64(v)
}

// step reads a number and returns base plus it.
func (r *reader) step(base int64) int64 {
	d := r.number()
	if base > math.MaxInt64-d {
		r.bad = true
		return base
	}
	return base + d
}

func (r *reader) trials(position int64) []trial {
	n := r.number()
	if n > int64(len(r.rest)) {
		r.bad = true
	}
	var tt []trial
	offset := position
	for i := int64(0); i < n && !r.bad; i++ {
		next := r.step(offset)
		starts := r.number()
		if i > 0 && next == offset || starts > math.MaxUint16 {
			r.bad = true
			break
		}
		offset = next
		tt = append(tt, trial{offset: offset, starts: uint16(starts)})
	}
	return tt
}

func parseRuns(b []byte, position int64) []span {
	r := reader{rest: b}
	var ss []span
	next := position
	for len(r.rest) > 0 {
		first := r.step(next)
		last := r.step(first)
		if r.bad || last == math.MaxInt64 {
			return nil
		}
		ss = append(ss, span{first, last})
		next = last + 1
	}
	return ss
}

func parseBitmap(b []byte, position int64) []span {
	if position > math.MaxInt64-8*int64(len(b))-1 {
		return nil
	}
	var ss []span
	for i := range 8 * int64(len(b)) {
		if b[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		if o := position + i; len(ss) > 0 && ss[len(ss)-1].last == o-1 {
			ss[len(ss)-1].last = o
		} else {
			ss = append(ss, span{o, o})
		}
	}
	return ss
}
