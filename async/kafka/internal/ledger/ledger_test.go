package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// sealed is payload as metadata, with the checksum that it needs.
func sealed(payload []byte) string {
	b := binary.BigEndian.AppendUint32(append([]byte(nil), payload...), crc32.ChecksumIEEE(payload))
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// opened returns a ledger that gives what it is asked for.
func opened(tb testing.TB, s Start) (*Ledger, *Set) {
	tb.Helper()
	l, set := New(s), &Set{}
	set.Add(l)
	if _, a := l.Take(max(s.Position, 0), 0); a != Later {
		tb.Fatalf("the first message: got %v, want later", a)
	}
	commit(tb, set)
	if !l.caution.calm {
		tb.Fatal("the ledger is careful")
	}
	return l, set
}

// commit carries a commit out.
func commit(tb testing.TB, set *Set) Commit {
	tb.Helper()
	cc := set.Next()
	if len(cc) != 1 {
		tb.Fatalf("got %d commits, want 1", len(cc))
	}
	c := cc[0]
	set.Done()
	return c
}

// take takes a message that must be given, and returns the starts before.
func take(tb testing.TB, l *Ledger, offset int64) int {
	tb.Helper()
	starts, a := l.Take(offset, 0)
	if a != Given {
		tb.Fatalf("message %d: got %v, want given", offset, a)
	}
	return starts
}

func TestThePositionPassesHolesInAndBehindWhatWasTaken(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{Position: 10})
	for _, o := range []int64{10, 11, 20, 25} {
		take(t, l, o)
	}
	l.Advance(30) // while messages are out it changes what follows them, not the position
	for _, step := range []struct{ settle, want int64 }{{11, 10}, {10, 20}, {25, 20}, {20, 30}} {
		if l.Settle(step.settle); l.Position() != step.want {
			t.Errorf("position after %d: got %d, want %d", step.settle, l.Position(), step.want)
		}
	}
	if commit(t, set).Position != 30 || set.Pending() {
		t.Error("the position behind the holes is not committed once")
	}
	l.Advance(29)
	l.Advance(40)
	if got := commit(t, set).Position; got != 40 {
		t.Errorf("position after the client moved on: got %d, want 40", got)
	}
}

func TestACommitCarriesTheLeaderEpochOfTheMessageBeforeThePosition(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{Position: 1, Epoch: 4})
	for o, epoch := range map[int64]int32{1: 4} {
		l.Take(o, epoch)
	}
	l.Take(2, 6)
	l.Settle(1)
	if got := commit(t, set).Epoch; got != 4 {
		t.Errorf("epoch: got %d, want 4", got)
	}
	l.Settle(2)
	if got := commit(t, set).Epoch; got != 6 {
		t.Errorf("epoch: got %d, want 6", got)
	}
}

func TestAPartitionIsFullAtItsBoundUntilHalfOfItIsCommitted(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{Bound: 10})
	for o := range int64(10) {
		if l.Full() || l.Room() != 10-int(o) {
			t.Fatalf("after %d messages: full %v, room %d", o, l.Full(), l.Room())
		}
		take(t, l, o)
	}
	if !l.Full() || l.Room() != 0 {
		t.Fatalf("at its bound: full %v, room %d", l.Full(), l.Room())
	}
	for o := range int64(4) {
		l.Settle(o)
	}
	if l.Room() != 0 {
		t.Errorf("room before a commit: got %d, want 0: a crash repeats these", l.Room())
	}
	if commit(t, set); !l.Full() || l.Room() != 4 {
		t.Errorf("less than half: full %v, room %d", l.Full(), l.Room())
	}
	l.Settle(4)
	if commit(t, set); l.Full() || l.Room() != 5 {
		t.Errorf("half: full %v, room %d", l.Full(), l.Room())
	}
}

func TestOneCommitIsUnderWayAndTheNextCarriesAllSince(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{})
	for o := range int64(5) {
		take(t, l, o)
	}
	l.Settle(0)
	first := set.Next()
	if len(first) != 1 || first[0].Position != 1 {
		t.Fatalf("first commit: got %+v", first)
	}
	l.Settle(1)
	l.Settle(2)
	if got := set.Next(); len(got) != 0 || !set.Pending() {
		t.Fatalf("while one is under way: got %+v, pending %v", got, set.Pending())
	}
	set.Fail(errCommit)
	if c := commit(t, set); c.Position != 3 {
		t.Errorf("after a failure: got position %d, want 3", c.Position)
	}
	if set.Pending() || len(set.Next()) != 0 {
		t.Error("nothing happened, and there is a commit")
	}
}

func TestACommitThatFailsForOnePartitionIsCarriedAgainForThatOne(t *testing.T) {
	t.Parallel()
	set := &Set{}
	var ll []*Ledger
	for i := range int32(3) {
		l := New(Start{Topic: "orders", Partition: i, Position: 7, Fresh: true})
		set.Add(l)
		ll = append(ll, l)
	}
	cc := set.Next()
	if len(cc) != 3 {
		t.Fatalf("fresh positions: got %d commits, want 3", len(cc))
	}
	cc[1].Err = errCommit
	set.Done()
	if cc = set.Next(); len(cc) != 1 || cc[0].Ledger != ll[1] || cc[0].Position != 7 {
		t.Fatalf("after one failed: got %+v, want %v", cc, ll[1])
	}
	set.Done()
	set.Remove(ll[0])
	ll[0].Advance(9)
	if set.Pending() {
		t.Error("a ledger that was removed is committed")
	}
}

func TestAClosedClaimLeavesNoMetadataButWhatTheNextOneNeeds(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{})
	for o := range int64(6) {
		take(t, l, o)
	}
	l.Settle(0)
	l.Settle(3)
	l.Release(1, 2) // started twice
	l.Release(2, 0) // never
	l.End()
	c := commit(t, set)
	if set.Pending() {
		t.Error("there is a commit after the last one")
	}

	next, set := opened(t, Start{Position: c.Position, Metadata: c.Metadata})
	if got := take(t, next, 1); got != 2 {
		t.Errorf("starts of what was released: got %d, want 2", got)
	}
	if got := take(t, next, 2); got != 0 {
		t.Errorf("starts of what was never started: got %d, want 0", got)
	}
	if _, a := next.Take(3, 0); a != Skipped {
		t.Errorf("what was finished: got %v, want skipped", a)
	}
	for o := int64(4); o < 6; o++ {
		if got := take(t, next, o); got != 0 {
			t.Errorf("starts of what was in flight: got %d, want 0: it was abandoned", got)
		}
	}
	for _, o := range []int64{1, 2, 4, 5} {
		next.Settle(o)
	}
	next.End()
	if c := commit(t, set); c.Position != 6 || c.Metadata != "" {
		t.Errorf("at the end: got position %d, metadata %q, want 6 and none", c.Position, c.Metadata)
	}
}

func TestAClaimThatEndsBeforeItGaveAnythingChangesNothing(t *testing.T) {
	t.Parallel()
	l := New(Start{Position: 3, Metadata: format(3, &notes{open: true, window: 8})})
	set := &Set{}
	set.Add(l)
	l.Take(3, 0)
	l.End()
	if set.Pending() {
		t.Errorf("got a commit: %+v", set.Next())
	}
}

func TestWhatWasFinishedIsSkippedAfterTwoCrashesToo(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{})
	for o := range int64(10) {
		take(t, l, o)
	}
	l.Settle(8)
	c := commit(t, set)

	l, set = New(Start{Position: c.Position, Metadata: c.Metadata}), &Set{}
	set.Add(l)
	l.Take(0, 0)
	c = commit(t, set) // before 8 was seen again
	l = New(Start{Position: c.Position, Metadata: c.Metadata})
	l.Advance(8)
	if _, a := l.Take(8, 0); a != Skipped {
		t.Errorf("got %v, want skipped", a)
	}
}

func TestAfterACrashTheFirstMessageIsAloneAndItsStartCounted(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{})
	take(t, l, 0)
	take(t, l, 1)
	l.Settle(0)
	c := commit(t, set)

	for crashes := range 4 {
		l, set = New(Start{Position: c.Position, Metadata: c.Metadata}), &Set{}
		set.Add(l)
		if _, a := l.Take(1, 0); a != Later {
			t.Fatalf("before its start is committed: got %v, want later", a)
		}
		c = commit(t, set)
		if got := take(t, l, 1); got != crashes {
			t.Fatalf("starts: got %d, want %d", got, crashes)
		}
		if _, a := l.Take(2, 0); a != Later || l.Pending() {
			t.Fatalf("beside it: got %v, commit %v, want later and none", a, l.Pending())
		}
	}
	if !l.Waits() {
		t.Fatal("nothing waits")
	}
	l.Trust()
	if l.Waits() {
		t.Error("what is trusted is waited for")
	}
	c = commit(t, set)
	take(t, l, 2)
	take(t, l, 3)
	if n := parse(c.Metadata, 1); n.window != 3 {
		t.Errorf("suspects beside one that is trusted: got %d, want 3", n.window)
	}
	if !l.Settle(1) || l.Out() != 2 {
		t.Errorf("what is trusted cannot be settled, or %d are out, want 2", l.Out())
	}
}

func TestAMarkIsCoveredWhenACommitThatCarriesItIsDone(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{})
	take(t, l, 0)
	take(t, l, 1)
	if l.Unsettled() != 2 || !l.Holds(1) || l.Holds(2) {
		t.Errorf("two are out: got %d unsettled, holds 1: %v, holds 2: %v", l.Unsettled(), l.Holds(1), l.Holds(2))
	}
	l.Settle(0)
	first := l.Mark()
	set.Next()
	l.Settle(1)
	second := l.Mark()
	if l.Covered(first) {
		t.Error("a commit that is under way covers a mark")
	}
	if set.Done(); !l.Covered(first) || l.Covered(second) {
		t.Errorf("after the first commit: covers the first %v, the second %v, want true and false", l.Covered(first), l.Covered(second))
	}
	if commit(t, set); !l.Covered(second) || l.Unsettled() != 0 || l.Holds(1) {
		t.Errorf("after the second commit: covers it %v, %d unsettled, holds 1: %v", l.Covered(second), l.Unsettled(), l.Holds(1))
	}
}

func TestMemoryIsBoundedAndGivenBack(t *testing.T) {
	t.Parallel()
	l, set := opened(t, Start{})
	next := int64(0)
	for range 20 {
		for !l.Full() {
			take(t, l, next)
			next++
		}
		if got := len(l.ring.entries); got > 1<<14 {
			t.Fatalf("got %d entries for a bound of %d", got, DefaultBound)
		}
		for o := l.Position(); o < next; o++ {
			l.Settle(o)
		}
		commit(t, set)
	}
	if got := len(l.ring.entries); got > keptRing {
		t.Errorf("got %d entries for an empty ledger, want at most %d", got, keptRing)
	}
}

func TestAnswersHaveNames(t *testing.T) {
	t.Parallel()
	for a, want := range []string{"given", "skipped", "repeated", "later", "ended", "unknown answer"} {
		if got := Answer(a).String(); got != want {
			t.Errorf("answer %d: got %q, want %q", a, got, want)
		}
	}
	if got := New(Start{Topic: "orders", Partition: 3}).String(); got != "orders/3" {
		t.Errorf("got %q", got)
	}
}
