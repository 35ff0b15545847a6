package asynctest

import (
	"context"
	"slices"

	"github.com/beatlabs/patron/async"
)

// Broadcaster is needed of a harness whose traits have Broadcasts.
type Broadcaster interface {
	// Broadcast returns a factory of consumers each of which gets every message, and a new producer to them, which the suite closes. All calls are for one topic.
	Broadcast() (async.ConsumerFactory, async.Producer)
}

// broadcastCases are about consumers that each get everything.
func broadcastCases() []conformanceCase {
	return []conformanceCase{
		{name: "every broadcast consumer gets every message that is sent while it lives", applies: broadcasts, run: broadcastAll},
		{name: "a broadcast consumer that stops finishes what it has, and the others go on", applies: broadcasts, run: broadcastStop},
	}
}

func broadcasts(t async.Traits) string {
	if !t.Broadcasts {
		return "the broker cannot broadcast"
	}
	return ""
}

func broadcastAll(s *stage) {
	const n = 6
	factory, producer := need[Broadcaster](s).Broadcast()
	s.later(func() { s.closeProducer(producer) })
	s.sends(producer, s.message("early")) // for nobody
	c1, c2 := s.openFrom(factory), s.openFrom(factory)
	mm := s.messages("k", n)
	s.sends(producer, mm...)

	ids := idsOf(mm)
	for _, c := range []*client{c1, c2} {
		got := c.take(1)
		if s.suite.traits.Redelivers {
			c.settle(async.Release, got...) // which brings it back here, not elsewhere
		} else {
			c.settle(async.Ack, got...)
			ids = ids[1:]
		}
		c.isGiven(ids)
		ids = idsOf(mm)
	}
	c3 := s.openFrom(factory)
	for _, c := range []*client{c1, c2, c3} {
		c.none("all that was sent while it lives is acknowledged")
	}

	c1.close()
	last := s.message("k")
	s.sends(producer, last)
	for _, c := range []*client{c2, c3} {
		c.settle(async.Ack, c.takeOrdered(last.ID)...)
	}
	s.empty() // the shared source has nothing to do with it
}

func broadcastStop(s *stage) {
	factory, producer := need[Broadcaster](s).Broadcast()
	s.later(func() { s.closeProducer(producer) })
	w1, w2 := newWitness(), newWitness()
	entered, leave := newFlag(), newFlag()
	v1 := s.serveFrom(factory, s.grace(), w1.handler(func(ctx context.Context, _ *async.Message) error {
		entered.raise()
		return leave.wait(ctx)
	}))
	v2 := s.serveFrom(s.another(), s.grace(), w2.handler(nil))
	s.await("both are connected", func() bool { return v1.component.Check(s.base) == nil && v2.component.Check(s.base) == nil })
	mm := s.messages("k", 3)
	s.sends(producer, mm...)
	s.await("the first message runs", entered.set.Load)
	s.await("the other component has all", func() bool { return w2.count() == len(mm) })

	v1.cancel()
	pause(s.base, min(s.quiet(), s.grace()/4))
	leave.raise()
	v1.stopWell()
	more := s.message("k")
	s.sends(producer, more)

	s.await("the other component goes on", func() bool { return w2.count() == len(mm)+1 })
	v2.stopWell()
	w1.check(s, idsOf(mm), true)
	w2.check(s, append(idsOf(mm), more.ID), true)
}

// another returns the factory of another instance.
func (s *stage) another() async.ConsumerFactory {
	s.Helper()
	factory, producer := need[Broadcaster](s).Broadcast()
	s.later(func() { s.closeProducer(producer) })
	return factory
}

// isGiven receives and acknowledges the messages with ids and no others, in this order unless the broker has none.
func (c *client) isGiven(ids []string) {
	c.s.Helper()
	got := idsOf(c.work(len(ids)))
	if c.s.suite.traits.Ordered == async.OrderedNone {
		slices.Sort(got)
	}
	if !slices.Equal(got, ids) {
		c.s.Fatalf("received %v, want %v", got, ids)
	}
}
