package asynctest

import (
	"slices"
	"strconv"
	"time"

	"github.com/beatlabs/patron/async"
)

// orderCases are about the order of messages of one key, without the engine.
func orderCases() []conformanceCase {
	return []conformanceCase{
		{name: "messages of a key come in the order in which they were sent", applies: ordered, run: orderKept},
		{name: "a retried message is not overtaken by its key", applies: all(ordered, delaysInOrder), run: orderRetry},
		{name: "released messages come back in order", applies: all(ordered, redelivers), run: orderRelease},
		{name: "nothing more of a key is given while some of it may go back", applies: all(orderedGroup, redelivers), run: orderRun},
		{name: "one consumer at a time has a key", applies: orderedGroup, run: orderExclusive},
	}
}

func orderKept(s *stage) {
	const keys, each = 5, 20
	want := make(map[string][]string)
	for i, id := range s.spread(keys*each, keys) {
		key := "k" + strconv.Itoa(i%keys)
		want[key] = append(want[key], id)
	}

	got := make(map[string][]string)
	for _, m := range s.open().work(keys * each) {
		got[string(m.Key)] = append(got[string(m.Key)], m.ID)
	}

	for key, ids := range want {
		if !slices.Equal(got[key], ids) {
			s.Errorf("key %q: got %v, want %v", key, got[key], ids)
		}
	}
}

func orderRetry(s *stage) {
	delay := s.delay(3 * time.Second)
	ids := s.send(s.messages("k", 4)...)
	c := s.open()
	mm := c.receive(3) // 1 to 3 of them

	began := time.Now()
	ss := []async.Settlement{{Message: mm[0], Verdict: async.Retry, Delay: delay}}
	for _, m := range mm[1:] {
		ss = append(ss, async.Settlement{Message: m, Verdict: async.Release})
	}
	for i, err := range c.settleAll(ss) {
		if err != nil {
			s.Fatalf("%s message %q: %v", ss[i].Verdict, mm[i].ID, err)
		}
	}
	got := idsOf(c.work(4))

	if !slices.Equal(got, ids) {
		s.Errorf("the first message was retried: got %v, want %v", got, ids)
	}
	if waited, least := time.Since(began), delay-delay/10; waited < least {
		s.Errorf("the first message was retried with a delay of %v: all came within %v", delay, waited)
	}
}

func orderRelease(s *stage) {
	ids := s.send(s.messages("k", 6)...)
	c := s.open()
	c.settle(async.Ack, c.takeOrdered(ids[0])...)
	mm := c.receive(4)

	slices.Reverse(mm) // in which order they are released must not matter
	c.settle(async.Release, mm...)

	if got := idsOf(c.work(5)); !slices.Equal(got, ids[1:]) {
		s.Errorf("after a release: got %v, want %v", got, ids[1:])
	}
}

// orderRun is what lets the engine give back a message whose followers it does not have yet.
func orderRun(s *stage) {
	ids := s.send(s.messages("k", 3)...)
	c := s.open()
	mm := c.receive(1)
	if got := idsOf(mm); !slices.Equal(got, ids[:1]) {
		s.Fatalf("received %v, want %v", got, ids[:1])
	}
	other := s.send(s.message("other")) // now, because keys have no order among each other

	c.settle(async.Ack, c.takeOrdered(other...)...)
	c.none("the first message of the key is in flight")

	c.settle(async.Release, mm...)
	if got := idsOf(c.work(3)); !slices.Equal(got, ids) {
		s.Errorf("after a release: got %v, want %v", got, ids)
	}
}

func orderExclusive(s *stage) {
	c1, c2 := s.open(), s.open()
	ids := s.send(s.messages("k", 3)...)
	c1.start(1)
	c2.start(1)

	var holder, other *client
	var first received
	s.await("one of two consumers gets the first message", func() bool {
		for i, c := range []*client{c1, c2} {
			if c.pending == nil {
				continue
			}
			if r, ok := c.wait(time.Millisecond); ok {
				holder, other, first = c, []*client{c2, c1}[i], r
				return true
			}
		}
		return false
	})
	if first.err != nil || len(first.mm) != 1 || first.mm[0].ID != ids[0] {
		s.Fatalf("got %v, %v, want the first message, %q", idsOf(first.mm), first.err, ids[0])
	}
	other.none("the other consumer has a message of the key")

	holder.settle(async.Ack, first.mm...)

	// Now either may have the key.
	got := []string{ids[0]}
	s.await("the rest of the key", func() bool {
		for _, c := range []*client{holder, other} {
			c.start(1)
			if r, ok := c.wait(time.Millisecond); ok {
				got = append(got, idsOf(r.mm)...)
				c.settle(async.Ack, r.mm...)
			}
		}
		return len(got) >= len(ids)
	})
	if !slices.Equal(got, ids) {
		s.Errorf("two consumers got %v, want %v", got, ids)
	}
}
