package ledger

import (
	"fmt"
	"math"
)

// DefaultBound is how many messages of a partition are taken and not covered by a commit, if nobody says otherwise.
const DefaultBound = 10_000

// Unknown is the start of a partition of which the group has no position, and the epoch of a leader that nobody told.
const Unknown = -1

// Start is what is known of a partition when a claim begins.
type Start struct {
	Topic     string
	Partition int32
	Position  int64  // the committed one, or where to begin; [Unknown]: at the first message that comes
	Epoch     int32  // of the leader, committed with the position; [Unknown]
	Metadata  string // committed with the position; "" after a seek, and where nothing is committed
	Fresh     bool   // Position is not the committed one: it was found out, or sought, and is committed at once
	Bound     int    // see [Ledger.Room]; 0: DefaultBound
}

// Ledger is one partition in one claim. It must not be used concurrently.
type Ledger struct {
	topic     string
	partition int32
	bound     int

	ring     ring
	position int64 // the first that is not settled; Unknown until something is known
	next     int64 // all before it was taken, or is a hole
	epoch    int32 // of the last message before the position

	popped  uint64 // messages that the position has passed
	covered uint64 // of these, those that a commit has covered
	full    bool

	finished []span  // found in the metadata, at next and behind it
	tried    []trial // likewise: messages that were started before
	scratch  notes   // of the next commit

	caution caution

	ended   bool
	changes uint64 // what a commit would say that is new
	sent    uint64 // changes that the commit under way carries
	sentTop uint64 // popped when it was made
	done    uint64 // changes that commits carry which are done
	flying  bool   // a commit is under way
}

// New returns the ledger of a claim that begins.
func New(s Start) *Ledger {
	l := &Ledger{
		topic: s.Topic, partition: s.Partition, bound: s.Bound, position: max(s.Position, Unknown), epoch: max(s.Epoch, Unknown),
		caution: caution{counted: Unknown},
	}
	l.next = l.position
	if l.bound <= 0 {
		l.bound = DefaultBound
	}
	if l.position >= 0 {
		n := parse(s.Metadata, l.position)
		l.finished, l.tried = n.finished, n.tried
		l.caution.begin(n.open, n.window)
		if s.Fresh {
			l.changes++
		}
	}
	return l
}

// Topic returns the name of the topic.
func (l *Ledger) Topic() string { return l.topic }

// Partition returns the number of the partition.
func (l *Ledger) Partition() int32 { return l.partition }

// String returns topic and partition, as in "orders/3".
func (l *Ledger) String() string { return fmt.Sprintf("%s/%d", l.topic, l.partition) }

// Answer says what is to be done with a message that the client brought.
type Answer uint8

// The answers.
const (
	Given    Answer = iota // hand it out; the driver says later what became of it
	Skipped                // finished in an earlier claim: drop it and count it
	Repeated               // taken before in this claim: drop it. A client that really went back needs a new ledger
	Later                  // keep it, and what is behind it, and ask again when a commit is done or a message settled
	Ended                  // the claim has ended: drop it
)

// String returns the name in lower case.
func (a Answer) String() string {
	switch a {
	case Given:
		return "given"
	case Skipped:
		return "skipped"
	case Repeated:
		return "repeated"
	case Later:
		return "later"
	case Ended:
		return "ended"
	default:
		return "unknown answer"
	}
}

// Take says what is to be done with the message at offset, and how often it was started before. The driver asks in the order of the partition, for each message
// before it hands it out. After [Later] it must ask for that same message next, or for one behind it.
func (l *Ledger) Take(offset int64, epoch int32) (starts int, a Answer) {
	switch {
	case l.ended:
		return 0, Ended
	case offset < l.next:
		return 0, Repeated
	case contains(l.finished, offset):
		l.add(entry{offset: offset, epoch: epoch, state: settled})
		return 0, Skipped
	}
	c := &l.caution
	if !c.admits() {
		c.want(offset)
		if l.position == Unknown {
			l.position, l.next = offset, offset // committed before it is given: it does not depend on where a start without a position leads
		}
		return 0, Later
	}
	e := entry{offset: offset, epoch: epoch, starts: startsOf(l.tried, offset), alone: c.alone(offset)}
	l.add(e)
	c.gave()
	return int(e.starts), Given
}

func (l *Ledger) add(e entry) {
	if l.ring.size == 0 {
		l.position = e.offset // past the hole before it, which alone is not worth a commit
	}
	l.ring.push(e)
	l.next = e.offset + 1
	l.finished = behind(l.finished, l.next)
	l.tried = triedBehind(l.tried, l.next)
	if e.state == settled {
		l.changes++
		l.pass()
	}
	l.measure()
}

// Settle says that the message at offset is acked or rejected. It reports false if it is none that is out: it was not taken in this claim, is settled or
// released already, or the claim has ended. To the engine that is ErrLost.
func (l *Ledger) Settle(offset int64) bool {
	e := l.out(offset)
	if e == nil {
		return false
	}
	l.returned(e)
	e.state = settled
	l.changes++
	l.pass()
	l.measure()
	return true
}

// Release says that the message at offset is given back, after so many starts in all. It stays unsettled, for the next claim, and with it the position. The
// result is that of [Ledger.Settle].
func (l *Ledger) Release(offset int64, starts int) bool {
	e := l.out(offset)
	if e == nil {
		return false
	}
	l.returned(e)
	e.state, e.alone = released, false
	e.starts = uint16(min(max(starts, 0), math.MaxUint16))
	l.changes++
	return true
}

// out returns the entry of a message that is out.
func (l *Ledger) out(offset int64) *entry {
	if l.ended {
		return nil
	}
	e := l.ring.find(offset)
	if e == nil || e.state == settled || e.state == released {
		return nil
	}
	return e
}

// returned counts e off those that are waited for.
func (l *Ledger) returned(e *entry) {
	if e.state == trusted {
		l.caution.trusted--
		return
	}
	l.caution.out--
}

// pass takes the position past what is settled.
func (l *Ledger) pass() {
	for l.ring.size > 0 && l.ring.at(0).state == settled {
		e := l.ring.pop()
		l.epoch = max(l.epoch, e.epoch)
		l.popped++
	}
	if l.ring.size > 0 {
		l.position = l.ring.at(0).offset
	} else {
		l.position = l.next
	}
}

// Advance says that every message before next was taken or never comes: the client's own position has moved on past holes. It never goes back, and never
// passes a message that [Ledger.Take] answered with Later.
func (l *Ledger) Advance(next int64) {
	if l.caution.wanting {
		next = min(next, l.caution.wanted)
	}
	if l.ended || next <= l.next {
		return
	}
	l.next = next
	l.finished = behind(l.finished, next)
	l.tried = triedBehind(l.tried, next)
	if l.ring.size == 0 && l.position != next {
		l.position = next
		l.changes++
	}
}

// Trust says that what is out has run for long enough: the next message is not kept back for it any more. It does nothing where nothing is kept back.
func (l *Ledger) Trust() {
	if l.caution.out == 0 || !l.caution.wanting {
		return
	}
	for i := range l.ring.size {
		if e := l.ring.at(i); e.state == given {
			e.state = trusted
		}
	}
	l.caution.trusted += l.caution.out
	l.caution.out = 0
}

// Waits reports whether a message is kept back because of what is out: then the driver lets some seconds pass and calls [Ledger.Trust].
func (l *Ledger) Waits() bool { return l.caution.wanting && l.caution.out > 0 && !l.ended }

// Position returns the position that would be committed now, or [Unknown].
func (l *Ledger) Position() int64 { return l.position }

// Next returns the offset after the last one that was taken or is known to be a hole, or [Unknown]: where the client should go on.
func (l *Ledger) Next() int64 { return l.next }

// Out returns how many messages are out: given, and neither settled nor released.
func (l *Ledger) Out() int { return l.caution.out + l.caution.trusted }

// Unsettled returns how many messages were taken and are not settled, those that were released included.
func (l *Ledger) Unsettled() int { return l.unsettled() }

// Mark returns a number that stands for everything that has happened until now, see [Ledger.Covered].
func (l *Ledger) Mark() uint64 { return l.changes }

// Covered reports whether a commit that is done has carried what [Ledger.Mark] stands for.
func (l *Ledger) Covered(mark uint64) bool { return l.done >= mark }

// Room returns how many more messages may be taken before the bound is reached. What the client brings beyond it may be taken as well.
func (l *Ledger) Room() int { return max(0, l.bound-l.uncovered()) }

// Full reports whether the partition must be paused: from the moment when there is no room until half of it is free again.
func (l *Ledger) Full() bool { return l.full }

// uncovered is the number of messages that were taken and not covered by a commit.
func (l *Ledger) uncovered() int { return l.ring.size + int(l.popped-l.covered) }

func (l *Ledger) measure() {
	switch n := l.uncovered(); {
	case n >= l.bound:
		l.full = true
	case n <= l.bound/2:
		l.full = false
	}
}

// End says that the claim ends in good order: the partition was revoked or sought, or the consumer closes. Nothing is taken or settled any more, and what
// is out gets its start back. What follows is the last commit, which says so. A second call does nothing. A claim that was lost is not ended, but thrown
// away.
func (l *Ledger) End() {
	if l.ended {
		return
	}
	l.ended = true
	if l.caution.granted || l.flying || l.changes > l.done {
		l.changes++
	}
}
