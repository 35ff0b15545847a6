package asynctest

import (
	"errors"
	"time"

	"github.com/beatlabs/patron/async"
)

// leaseCases are about messages that come back when nobody extends them, and about claims, without the engine.
func leaseCases() []conformanceCase {
	return []conformanceCase{
		{name: "a message comes back after its visibility time, and then cannot be settled late", applies: leases, run: leaseOver},
		{name: "a message that is extended stays", applies: leases, run: leaseExtended},
		{name: "a message that came back cannot be extended", applies: leases, run: leaseTooLate},
		{name: "a lost claim gives its messages back, and they cannot be settled late", run: claimLost},
	}
}

// over is when a lease has surely ended.
func (s *stage) over() time.Duration {
	return s.suite.traits.Visibility + s.slack()
}

// followed returns a message to watch and, where there is order, one that must come behind it.
func (s *stage) followed() []*async.Message {
	if s.suite.traits.Ordered == async.OrderedNone {
		return s.messages("k", 1)
	}
	return s.messages("k", 2)
}

func leaseOver(s *stage) {
	ids := s.send(s.followed()...)
	c := s.open()
	m := c.takeOrdered(ids[0])[0]

	pause(s.base, s.over())
	again := c.takeOrdered(ids[0])[0]

	s.isAgain(again, 0, 2)
	c.lost(m, "after its visibility time")
	if m.Claim != nil && !m.Claim.Lost() {
		s.Errorf("message %q came back, but its claim is not lost", m.ID)
	}
	c.settle(async.Ack, again)
	c.settle(async.Ack, c.takeOrdered(ids[1:]...)...)
	c.none("all messages are acknowledged")
}

// extender returns the consumer as what a consumer with leases must be.
func (c *client) extender() async.Extender {
	c.s.Helper()
	extender, ok := c.consumer.(async.Extender)
	if !ok {
		c.s.Fatalf("Traits.Visibility is %v, but the consumer is no async.Extender", c.s.suite.traits.Visibility)
	}
	return extender
}

func leaseExtended(s *stage) {
	id := s.send(s.message("k"))[0]
	c := s.open()
	extender := c.extender()
	m := c.takeOrdered(id)[0]

	for range 6 { // three times the visibility time
		pause(s.base, s.suite.traits.Visibility/2)
		ctx, cancel := s.limited()
		if err := extender.Extend(ctx, []*async.Message{m}); err != nil {
			s.Fatalf("extend: %v", err)
		}
		cancel()
	}

	c.none("its message is extended")
	c.settle(async.Ack, m)
	c.none("its message is acknowledged")
}

func leaseTooLate(s *stage) {
	ids := s.send(s.message("a"), s.message("b"))
	c := s.open()
	extender := c.extender()
	byID := make(map[string]*async.Message)
	for _, m := range c.take(2) {
		byID[m.ID] = m
	}
	pause(s.base, s.over())
	again := c.take(2)

	ctx, cancel := s.limited()
	defer cancel()
	err := extender.Extend(ctx, []*async.Message{again[0], byID[ids[0]], again[1]})

	batch, ok := errors.AsType[*async.BatchError](err)
	switch {
	case !ok:
		s.Errorf("extend a message that came back: got %v, want a *BatchError", err)
	case len(batch.Errors) != 1 || !errors.Is(batch.Errors[1], async.ErrLost):
		s.Errorf("extend a message that came back between two that are held: got %v, want ErrLost at index 1 alone", batch.Errors)
	}
	c.settle(async.Ack, again...)
	c.none("both messages are acknowledged")
}

func claimLost(s *stage) {
	loser := need[Loser](s)
	ids := s.send(s.followed()...)
	c := s.open()
	m := c.takeOrdered(ids[0])[0]
	if m.Claim == nil {
		s.Fatalf("message %q has no claim, but the harness is a Loser", m.ID)
	}

	loser.Lose()

	if !m.Claim.Lost() {
		s.Errorf("the claim of message %q is not lost", m.ID)
	}
	c.lost(m, "after its claim was lost")
	again := c.takeOrdered(ids[0])[0]
	if again.Claim == nil || again.Claim.Lost() {
		s.Errorf("message %q came back without a claim that holds", again.ID)
	}
	c.settle(async.Ack, again)
	c.settle(async.Ack, c.takeOrdered(ids[1:]...)...)
	c.none("both messages are acknowledged")
}
