package ledger

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var errCommit = errors.New("commit refused")

// model is a partition and its owners one after another, in the plainest way: sets of offsets.
type model struct {
	t        *rapid.T
	messages []int64 // the offsets that there are
	epochs   map[int64]int32

	settled map[int64]bool // whatever the broker knows
	known   map[int64]bool // of these, what this owner knows: settled by itself, or found committed
	durable map[int64]bool // settled when the last commit that is done was made
	given   map[int64]int  // how often each was handed out, or was about to be when its owner died
	told    map[int64]bool // counted in given for this claim already, when its start was committed
	stored  Commit         // what the broker keeps

	ledger *Ledger
	set    *Set
	read   int // index of the next message of the client
	out    []int64
	taken  []int64
	atSent map[int64]bool // settled when the commit under way was made
	last   int64          // position
}

// TestNothingIsSkippedThatIsNotSettledAndNothingCommittedComesAgain runs random histories of a partition with holes: taking, settling in any order,
// releasing, commits that fail, crashes between any two of these, and revocations.
func TestNothingIsSkippedThatIsNotSettledAndNothingCommittedComesAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{
			t: rt, epochs: map[int64]int32{}, settled: map[int64]bool{}, durable: map[int64]bool{}, given: map[int64]int{},
			stored: Commit{Position: Unknown, Epoch: Unknown},
		}
		offset := rapid.Int64Range(0, 1<<40).Draw(rt, "first")
		epoch := int32(0)
		for range rapid.IntRange(0, 60).Draw(rt, "messages") {
			m.messages = append(m.messages, offset)
			epoch += rapid.Int32Range(0, 1).Draw(rt, "epoch")
			m.epochs[offset] = epoch
			offset += 1 + rapid.SampledFrom([]int64{0, 0, 0, 1, 1, 2, 300}).Draw(rt, "hole")
		}
		m.begin()
		rt.Repeat(map[string]func(*rapid.T){
			"take":    m.take,
			"settle":  m.settle,
			"release": m.release,
			"commit":  m.commit,
			"done":    m.done,
			"fail":    m.fail,
			"flow":    m.flow,
			"flow on": m.flow, // twice, since without it a history is short
			"trust":   func(*rapid.T) { m.ledger.Trust() },
			"crash":   m.crash,
			"revoke":  m.revoke,
			"":        m.check,
		})
		m.finish()
	})
}

// begin is a new claim.
func (m *model) begin() {
	m.ledger = New(Start{
		Topic: "orders", Position: m.stored.Position, Epoch: m.stored.Epoch, Metadata: m.stored.Metadata, Bound: rapid.SampledFrom([]int{0, 1, 7}).Draw(m.t, "bound"),
	})
	m.set = &Set{}
	m.set.Add(m.ledger)
	m.out, m.taken, m.told, m.atSent = nil, nil, map[int64]bool{}, nil
	m.known = maps.Clone(m.durable)
	m.read = len(m.messages)
	for i, o := range m.messages {
		if o >= m.stored.Position {
			m.read = i
			break
		}
	}
	m.last = m.ledger.Position()
}

func (m *model) take(t *rapid.T) {
	for range rapid.IntRange(1, 8).Draw(t, "n") {
		if m.read == len(m.messages) {
			m.ledger.Advance(m.lastMessage() + 1000)
			return
		}
		o := m.messages[m.read]
		starts, a := m.ledger.Take(o, m.epochs[o])
		switch a {
		case Later:
			return
		case Given:
			if m.durable[o] {
				t.Fatalf("message %d is given, although it was settled in a commit that is done", o)
			}
			if !m.told[o] {
				m.given[o]++
			}
			if starts >= m.given[o] {
				t.Fatalf("message %d: got %d starts before, want at most %d", o, starts, m.given[o]-1)
			}
			m.out = append(m.out, o)
		case Skipped:
			if !m.settled[o] {
				t.Fatalf("message %d is skipped, although nobody settled it", o)
			}
		case Repeated, Ended:
			fallthrough
		default:
			t.Fatalf("message %d: got %v, want given, skipped or later", o, a)
		}
		m.taken = append(m.taken, o)
		m.read++
		if again := o - rapid.Int64Range(0, 5).Draw(t, "again"); again >= 0 {
			if _, a := m.ledger.Take(again, 0); a != Repeated {
				t.Fatalf("message %d after %d: got %v, want repeated", again, o, a)
			}
		}
	}
}

// flow is a consumer at work: it takes, settles some, and commits.
func (m *model) flow(t *rapid.T) {
	m.take(t)
	for range rapid.IntRange(0, len(m.out)).Draw(t, "settled") {
		m.settle(t)
	}
	m.commit(t)
	m.done(t)
}

// lastMessage is the last offset that there is.
func (m *model) lastMessage() int64 {
	if len(m.messages) == 0 {
		return 0
	}
	return m.messages[len(m.messages)-1]
}

func (m *model) pick(t *rapid.T) int64 {
	if len(m.out) == 0 {
		t.Skip("nothing is out")
	}
	i := rapid.IntRange(0, len(m.out)-1).Draw(t, "which")
	o := m.out[i]
	m.out = slices.Delete(m.out, i, i+1)
	return o
}

func (m *model) settle(t *rapid.T) {
	o := m.pick(t)
	if !m.ledger.Settle(o) {
		t.Fatalf("settle %d: got false", o)
	}
	m.settled[o], m.known[o] = true, true
	if m.ledger.Settle(o) || m.ledger.Release(o, 0) {
		t.Fatalf("settle %d twice: got true", o)
	}
}

func (m *model) release(t *rapid.T) {
	o := m.pick(t)
	if !m.ledger.Release(o, m.given[o]) {
		t.Fatalf("release %d: got false", o)
	}
	if m.ledger.Settle(o) || m.ledger.Release(o, 0) {
		t.Fatalf("settle %d after its release: got true", o)
	}
}

func (m *model) commit(t *rapid.T) {
	flying := m.set.Flying()
	cc := m.set.Next()
	switch {
	case flying && len(cc) > 0:
		t.Fatalf("two commits are under way")
	case len(cc) == 0:
		return
	}
	if c := cc[0]; len(c.Metadata) > mostBytes || c.Position != m.ledger.Position() {
		t.Fatalf("commit: got position %d and %d bytes of metadata, want %d and at most %d", c.Position, len(c.Metadata), m.ledger.Position(), mostBytes)
	}
	m.atSent = map[int64]bool{}
	for o := range m.known {
		m.atSent[o] = true
	}
}

// done is also what a commit does whose answer got lost: the broker has it.
func (m *model) done(*rapid.T) {
	if m.set.Flying() {
		m.store()
		m.set.Done()
	}
}

func (m *model) store() {
	c := m.set.flight[0]
	if c.Position < m.stored.Position {
		m.t.Fatalf("position %d is committed after %d", c.Position, m.stored.Position)
	}
	for _, o := range m.messages {
		if o < c.Position && !m.settled[o] {
			m.t.Fatalf("position %d is committed, and %d is not settled", c.Position, o)
		}
	}
	m.stored, m.durable = c, m.atSent
	if a := &m.ledger.caution; a.asked && a.following() == 1 && !m.ledger.ended && !m.told[a.askedAt] {
		m.told[a.askedAt] = true
		m.given[a.askedAt]++
	}
}

func (m *model) fail(t *rapid.T) {
	if !m.set.Flying() {
		return
	}
	if rapid.Bool().Draw(t, "arrived") {
		m.store()
	}
	m.set.Fail(errCommit)
	if !m.set.Pending() {
		t.Fatalf("a commit that failed is not carried again")
	}
}

func (m *model) crash(t *rapid.T) {
	if m.set.Flying() && rapid.Bool().Draw(t, "arrived") {
		m.store()
	}
	m.begin()
}

func (m *model) revoke(t *rapid.T) {
	if m.set.Flying() {
		m.done(t)
	}
	old := m.ledger
	old.End()
	for _, o := range m.out {
		if old.Settle(o) || old.Release(o, 1) {
			t.Fatalf("settle %d after the end: got true", o)
		}
	}
	if _, a := old.Take(1<<50, 0); a != Ended {
		t.Fatalf("take after the end: got %v", a)
	}
	m.commit(t)
	m.done(t)
	if m.set.Pending() {
		t.Fatalf("the last commit is not the last")
	}
	m.begin()
}

// check compares the position and what is out with those of the sets.
func (m *model) check(t *rapid.T) {
	want := m.ledger.Next()
	for _, o := range m.taken {
		if !m.known[o] {
			want = o
			break
		}
	}
	got := m.ledger.Position()
	if got != want {
		t.Fatalf("position: got %d, want %d", got, want)
	}
	if got < m.last {
		t.Fatalf("position: got %d after %d", got, m.last)
	}
	m.last = got
	if m.ledger.Out() != len(m.out) {
		t.Fatalf("out: got %d, want %d", m.ledger.Out(), len(m.out))
	}
	epoch := int32(Unknown)
	for _, o := range m.messages {
		if o < got {
			epoch = m.epochs[o]
		}
	}
	if m.ledger.epoch > epoch || m.ledger.ring.size == 0 && len(m.taken) > 0 && m.ledger.epoch != epoch {
		t.Fatalf("epoch at position %d: got %d, want %d", got, m.ledger.epoch, epoch)
	}
}

// finish lets one more owner work everything off: each message is settled in the end.
func (m *model) finish() {
	m.begin()
	for range 100 * (len(m.messages) + 10) {
		m.take(m.t)
		for _, o := range m.out {
			m.settled[o], m.known[o] = true, true
			m.ledger.Settle(o)
		}
		m.out = nil
		m.check(m.t)
		m.commit(m.t)
		m.done(m.t)
	}
	for _, o := range m.messages {
		if !m.settled[o] {
			m.t.Fatalf("message %d is never settled", o)
		}
	}
	if m.set.Pending() || m.ledger.Room() != m.ledger.bound || m.ledger.Full() {
		m.t.Fatalf("when all is done: pending %v, room %d of %d, full %v", m.set.Pending(), m.ledger.Room(), m.ledger.bound, m.ledger.Full())
	}
}
