package asynctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/reliability"
)

// letterCases are those of [RunDeadLetters].
func letterCases() []conformanceCase {
	return []conformanceCase{
		{name: "dead letters are listed whole, the oldest first", run: lettersListed},
		{name: "a filter chooses letters, and the count is of those", run: lettersFiltered},
		{name: "a letter is found by its ID, and one that is missing is said to be", run: lettersGot},
		{name: "a removed letter is gone, and removing it again is nothing", run: lettersRemoved},
		{name: "a letter that was written anew is not removed with the old one", run: lettersAnew},
		{name: "a listing ends although letters are written and removed meanwhile", run: lettersMoving},
		{name: "a listing ends with its context", run: lettersEnded},
		{name: "a replayed message is processed as if it were new, with its ID and its history", run: lettersReplayed},
		{name: "a message whose replay cannot be sent stays a dead letter", run: lettersUnsent},
		{name: "a replay that is repeated after a failure sends what was sent with the same ID", run: lettersRepeated},
	}
}

// letters returns the dead letters of the source.
func (s *stage) letters() async.DeadLetters {
	s.Helper()
	keeper, ok := s.factory.(async.DeadLetterKeeper)
	if !ok {
		s.Fatalf("the factory is no async.DeadLetterKeeper")
	}
	return keeper.DeadLetters()
}

// bury sends each of mm and rejects it with a cause of its own, "poison" and its ID, after so many attempts as is its place.
func (s *stage) bury(mm ...*async.Message) {
	s.Helper()
	c := s.open()
	for i, m := range mm {
		s.send(m)
		got := c.takeOrdered(m.ID)[0]
		got.Attempt = i + 1
		ss := []async.Settlement{{Message: got, Verdict: async.Reject, Cause: fmt.Errorf("%w %s", errPoison, m.ID)}}
		if err := c.settleAll(ss)[0]; err != nil {
			s.Fatalf("reject message %q: %v", m.ID, err)
		}
	}
	if !s.suite.traits.Volatile {
		c.close()
	} // else it would close the source
	s.await("the dead letters are written", func() bool {
		n, err := s.letters().Count(s.base, async.DeadFilter{})
		return err == nil && n >= int64(len(mm))
	})
}

// list returns the letters that f chooses.
func (s *stage) list(f async.DeadFilter) []*async.DeadLetter {
	s.Helper()
	ctx, cancel := s.limited()
	defer cancel()
	var ll []*async.DeadLetter
	for l, err := range s.letters().List(ctx, f) {
		if err != nil {
			s.Fatalf("list: %v", err)
		}
		ll = append(ll, l)
	}
	return ll
}

func lettersOf(ll []*async.DeadLetter) []string {
	ids := make([]string, len(ll))
	for i, l := range ll {
		ids[i] = l.Message.ID
	}
	return ids
}

func lettersListed(s *stage) {
	mm := []*async.Message{s.message("a"), s.message("b"), s.message("a")}
	mm[0].Headers = async.Headers{{Key: "X-Own", Value: "kept"}}
	mm[1].Data = []byte{0xff, 0, 0xfe}
	mm[2].Key = nil
	sent := make([]*async.Message, len(mm))
	for i, m := range mm {
		sent[i] = m.Clone()
	}
	began := time.Now()
	s.bury(mm...)

	ll := s.list(async.DeadFilter{})

	if got, want := lettersOf(ll), idsOf(mm); !slices.Equal(got, want) {
		s.Fatalf("list: got %v, want %v", got, want)
	}
	for i, l := range ll {
		m, want := l.Message, sent[i]
		if !bytes.Equal(m.Key, want.Key) || !bytes.Equal(m.Data, want.Data) || m.Headers.Get("x-own") != want.Headers.Get("x-own") {
			s.Errorf("letter %q: got key %q, data %q, headers %v, want key %q, data %q, headers %v", m.ID, m.Key, m.Data, m.Headers, want.Key, want.Data, want.Headers)
		}
		if l.Cause != errPoison.Error()+" "+m.ID || l.Attempts != i+1 || l.Origin == "" {
			s.Errorf("letter %q: got cause %q, %d attempts, origin %q, want %q, %d and one", m.ID, l.Cause, l.Attempts, l.Origin, "poison "+m.ID, i+1)
		}
		if age := l.Time.Sub(began); l.Time.IsZero() || age.Abs() > s.suite.patience {
			s.Errorf("letter %q: got time %v, want when it was written", m.ID, l.Time)
		}
		if m.Headers.Has(async.HeaderDeadCause) || m.Headers.Has(async.HeaderDeadTime) {
			s.Errorf("letter %q: got headers %v, want those of the message alone", m.ID, m.Headers)
		}
	}
}

func lettersFiltered(s *stage) {
	mm := []*async.Message{s.message("a"), s.message("b"), s.message("b")}
	mm[2].Headers.Set(async.HeaderType, "placed")
	s.bury(mm[:1]...)
	pause(s.base, 20*time.Millisecond) // the broker's clock may be coarse
	s.bury(mm[1:]...)
	ids := idsOf(mm)
	ll := s.list(async.DeadFilter{})
	second := ll[1].Time
	if !second.After(ll[0].Time) {
		s.Fatalf("letters written 20 ms apart have the times %v and %v", ll[0].Time, second)
	}

	for name, tc := range map[string]struct {
		filter async.DeadFilter
		want   []string
	}{
		"nothing":       {async.DeadFilter{}, ids},
		"an ID":         {async.DeadFilter{ID: ids[1]}, ids[1:2]},
		"a key":         {async.DeadFilter{Key: []byte("b")}, ids[1:]},
		"a type":        {async.DeadFilter{Type: "placed"}, ids[2:]},
		"a cause":       {async.DeadFilter{Cause: "POISON " + ids[0]}, ids[:1]},
		"an origin":     {async.DeadFilter{Origin: ll[0].Origin}, ids},
		"no origin":     {async.DeadFilter{Origin: "elsewhere"}, nil},
		"a beginning":   {async.DeadFilter{After: second}, ids[1:]},
		"an end":        {async.DeadFilter{Before: second}, ids[:1]},
		"key and type":  {async.DeadFilter{Key: []byte("a"), Type: "placed"}, nil},
		"key and cause": {async.DeadFilter{Key: []byte("b"), Cause: ids[1]}, ids[1:2]},
	} {
		if got := lettersOf(s.list(tc.filter)); !slices.Equal(got, tc.want) {
			s.Errorf("a filter of %s: got %v, want %v", name, got, tc.want)
		}
		ctx, cancel := s.limited()
		n, err := s.letters().Count(ctx, tc.filter)
		cancel()
		if err != nil || n != int64(len(tc.want)) {
			s.Errorf("count with a filter of %s: got %d, %v, want %d", name, n, err, len(tc.want))
		}
	}
}

func lettersGot(s *stage) {
	mm := s.messages("k", 3)
	s.bury(mm...)
	ctx, cancel := s.limited()
	defer cancel()

	l, err := s.letters().Get(ctx, mm[1].ID)
	if err != nil || l == nil || l.Message.ID != mm[1].ID || l.Attempts != 2 {
		s.Errorf("get %q: got %+v, %v", mm[1].ID, l, err)
	}
	if l, err := s.letters().Get(ctx, "nobody"); !errors.Is(err, async.ErrNoLetter) {
		s.Errorf("get what is not there: got %+v, %v, want ErrNoLetter", l, err)
	}
}

func lettersRemoved(s *stage) {
	mm := s.messages("k", 3)
	s.bury(mm...)
	ll := s.list(async.DeadFilter{})
	ctx, cancel := s.limited()
	defer cancel()

	for range 2 {
		if err := s.letters().Remove(ctx, ll[0], ll[2]); err != nil {
			s.Errorf("remove: %v", err)
		}
		if got := lettersOf(s.list(async.DeadFilter{})); !slices.Equal(got, []string{mm[1].ID}) {
			s.Errorf("after two of three were removed: got %v, want %q", got, mm[1].ID)
		}
	}
	if _, err := s.letters().Get(ctx, mm[0].ID); !errors.Is(err, async.ErrNoLetter) {
		s.Errorf("get what was removed: got %v, want ErrNoLetter", err)
	}
}

// lettersAnew is what lets a replay take a letter off after its message was sent, while a consumer may be faster.
func lettersAnew(s *stage) {
	m := s.message("k")
	s.bury(m.Clone())
	old := s.list(async.DeadFilter{})[0]
	pause(s.base, 20*time.Millisecond) // the broker's clock may be coarse
	s.bury(m.Clone())
	s.await("the letter is written anew", func() bool {
		l, err := s.letters().Get(s.base, m.ID)
		return err == nil && l.Time.After(old.Time)
	})
	ctx, cancel := s.limited()
	defer cancel()

	if err := s.letters().Remove(ctx, old); err != nil {
		s.Errorf("remove: %v", err)
	}

	if l, err := s.letters().Get(ctx, m.ID); err != nil || !l.Time.After(old.Time) {
		s.Errorf("after the old letter was removed: got %+v, %v, want the one that was written after it", l, err)
	}
	if n := len(s.list(async.DeadFilter{})); n != 1 {
		s.Errorf("after the old letter was removed there are %d, want 1", n)
	}
}

func lettersMoving(s *stage) {
	const n = 3
	s.bury(s.messages("k", n)...)
	ctx, cancel := s.limited()
	defer cancel()
	seen := 0
	for l, err := range s.letters().List(ctx, async.DeadFilter{}) {
		if err != nil {
			s.Fatalf("list: %v", err)
		}
		if seen++; seen > n {
			s.Fatalf("list: got letter %q, which was written after the listing began", l.Message.ID)
		}
		if err := s.letters().Remove(ctx, l); err != nil {
			s.Fatalf("remove: %v", err)
		}
		s.bury(s.message("k"))
	}
	if got := len(s.list(async.DeadFilter{})); seen != n || got != n {
		s.Errorf("listed %d letters and wrote as many: %d are left, want %d each", seen, got, n)
	}
}

func lettersEnded(s *stage) {
	s.bury(s.messages("k", 3)...)
	ctx, cancel := context.WithCancel(s.base)
	defer cancel()
	seen, failed := 0, false
	for _, err := range s.letters().List(ctx, async.DeadFilter{}) {
		if err != nil {
			failed = true
			if !errors.Is(err, context.Canceled) {
				s.Errorf("list with an ended context: got %v, want the error of the context", err)
			}
			continue
		}
		seen++
		cancel()
	}
	if !failed && seen == 3 {
		s.Errorf("list with an ended context: got all letters and no error")
	}
	for _, err := range s.letters().List(s.base, async.DeadFilter{}) {
		if err != nil {
			s.Errorf("list: %v", err)
		}
		break // which must not be resented
	}
}

func lettersReplayed(s *stage) {
	w := newWitness()
	m := s.message("k")
	m.Headers = async.Headers{{Key: "X-Own", Value: "kept"}, {Key: async.HeaderType, Value: "placed"}}
	sent := m.Clone()
	mended := newFlag()
	var again *async.Message
	var id string
	v := s.serve(w.handler(func(ctx context.Context, m *async.Message) error {
		if !mended.set.Load() {
			return reliability.Permanent(errPoison)
		}
		again, id = m.Clone(), correlation.IDFromContext(ctx)
		return nil
	}))
	ctx, cancel := s.limited()
	defer cancel()
	p := s.produce()
	s.await("it is sent", func() bool { return p.Send(correlation.ContextWithID(ctx, "conformance-2"), m) == nil })
	s.await("it is dead", func() bool { return len(s.list(async.DeadFilter{ID: m.ID})) == 1 })

	mended.raise()
	result, err := async.Replay(ctx, s.letters(), p, async.ReplayFilter(async.DeadFilter{Cause: "poison"}))

	if want := (async.ReplayResult{Matched: 1, Sent: 1, Removed: 1}); err != nil || result != want {
		s.Fatalf("replay: got %+v, %v, want %+v", result, err, want)
	}
	s.await("it is processed", func() bool { return w.count() == 1 })
	v.stopWell()
	w.attemptsAre(s, m.ID, 1, 1)
	if again.ID != sent.ID || !bytes.Equal(again.Data, sent.Data) || !bytes.Equal(again.Key, sent.Key) || again.Headers.Get("x-own") != "kept" ||
		async.TypeOf(again) != "placed" || id != "conformance-2" {
		s.Errorf("replayed: got ID %q, key %q, data %q, headers %v, correlation ID %q, want those of the message", again.ID, again.Key, again.Data, again.Headers, id)
	}
	if again.Headers.Has(async.HeaderDeadCause) || again.Headers.Has(async.HeaderDeadOrigin) {
		s.Errorf("replayed: got headers of a dead letter: %v", again.Headers)
	}
	if deaths, err := async.History(again); err != nil || len(deaths) != 1 || !strings.Contains(deaths[0].Cause, errPoison.Error()) || deaths[0].Attempts != 1 {
		s.Errorf("replayed: got history %+v, %v, want one death, of poison after one attempt", deaths, err)
	}
	if got := lettersOf(s.list(async.DeadFilter{})); len(got) > 0 {
		s.Errorf("after the replay the dead letters are %v, want none", got)
	}
	s.empty()
}

func lettersUnsent(s *stage) {
	failer := need[SendFailer](s)
	m := s.message("k")
	s.bury(m)
	p := s.produce()
	ctx, cancel := s.limited()
	defer cancel()

	failer.FailSend(0)
	if result, err := async.Replay(ctx, s.letters(), p); err == nil || result.Sent > 0 {
		s.Errorf("replay of what cannot be sent: got %+v, %v, want an error", result, err)
	}
	if got := lettersOf(s.list(async.DeadFilter{})); !slices.Equal(got, []string{m.ID}) {
		s.Fatalf("after a replay that could not send the dead letters are %v, want %q", got, m.ID)
	}

	if _, err := async.Replay(ctx, s.letters(), p); err != nil {
		s.Errorf("the replay once more: %v", err)
	}
	s.holds(m.ID)
}

// lettersRepeated has a replay that is interrupted when a message is sent and its letter not yet removed.
func lettersRepeated(s *stage) {
	m := s.message("k")
	s.bury(m)
	p := s.produce()
	ctx, cancel := s.limited()
	defer cancel()

	if _, err := async.Replay(ctx, unremovable{s.letters()}, p); !errors.Is(err, errFlaky) {
		s.Fatalf("replay: got %v, want the error of the removal", err)
	}
	if _, err := async.Replay(ctx, s.letters(), p); err != nil {
		s.Fatalf("the replay once more: %v", err)
	}

	s.holds(m.ID, m.ID)
	if got := lettersOf(s.list(async.DeadFilter{})); len(got) > 0 {
		s.Errorf("after the replay the dead letters are %v, want none", got)
	}
}

// unremovable keeps its letters.
type unremovable struct{ async.DeadLetters }

func (unremovable) Remove(context.Context, ...*async.DeadLetter) error { return errFlaky }
