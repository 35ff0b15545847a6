package asynctest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// seekCases are about consumers that are an async.Seeker; for others they are skipped.
func seekCases() []conformanceCase {
	return []conformanceCase{
		{name: "a seek to the oldest gives everything again", applies: ordered, run: seekOldest},
		{name: "a seek to the newest passes what waits over", applies: ordered, run: seekNewest},
		{name: "a seek to a time begins with the first message that is not older", applies: ordered, run: seekTime},
		{name: "a receive that blocks goes on from the position that was sought", applies: ordered, run: seekBlocked},
		{name: "what was held before a seek is no longer ours, and comes again", applies: ordered, run: seekHeld},
		{name: "a seek that cannot be changes nothing", applies: ordered, run: seekRefused},
		{name: "a seek outlives the connection", applies: ordered, run: seekKept},
		{name: "a seek lets what runs finish and drops what waits", applies: ordered, run: seekRunning},
		{name: "a seek cancels what runs when its time is over", applies: ordered, run: seekCancels},
	}
}

// seeker returns what can seek, or skips the case.
func (c *client) seeker() async.Seeker {
	c.s.Helper()
	seeker, ok := c.consumer.(async.Seeker)
	if !ok {
		c.s.skip("the consumer is no async.Seeker")
	}
	return seeker
}

// seek moves to p, or skips the case if the broker does not know such a position.
func (c *client) seek(p async.Position) {
	c.s.Helper()
	ctx, cancel := c.s.limited()
	defer cancel()
	err := c.seeker().Seek(ctx, p)
	if errors.Is(err, errors.ErrUnsupported) {
		c.s.skip("the consumer does not know the position " + p.Kind.String())
	}
	if err != nil {
		c.s.Fatalf("seek %v: got %v, want it moved", p, err)
	}
}

// comes fails the case unless the next messages are those with ids and no others.
func (c *client) comes(when string, ids ...string) {
	c.s.Helper()
	if got := idsOf(c.work(len(ids))); !slices.Equal(got, ids) {
		c.s.Errorf("%s: got %v, want %v", when, got, ids)
	}
	c.none(when + ": nothing more should come")
}

func seekOldest(s *stage) {
	ids := s.send(s.messages("k", 5)...)
	c := s.open()
	c.seeker()
	c.settle(async.Ack, c.takeOrdered(ids...)...)

	c.seek(async.Oldest())

	c.comes("after a seek to the oldest", ids...)
}

func seekNewest(s *stage) {
	ids := s.send(s.messages("k", 4)...)
	c := s.open()
	c.seeker()
	c.settle(async.Ack, c.takeOrdered(ids[0])...)

	c.seek(async.Newest())

	late := s.send(s.messages("k", 2)...)
	c.comes("after a seek to the newest", late...)
}

func seekTime(s *stage) {
	var mm []*async.Message
	var ids []string
	for range 4 {
		m := s.message("k")
		m.Time = time.Now().Truncate(time.Millisecond) // finer than a millisecond is more than most brokers keep
		mm = append(mm, m)
		ids = append(ids, s.send(m)...)
		pause(s.base, 50*time.Millisecond)
	}
	c := s.open()
	c.seeker()
	c.settle(async.Ack, c.takeOrdered(ids...)...)

	c.seek(async.At(mm[2].Time))
	c.comes("after a seek to the time of the third message", ids[2:]...)
}

func seekBlocked(s *stage) {
	ids := s.send(s.messages("k", 2)...)
	c := s.open()
	c.seeker()
	c.settle(async.Ack, c.takeOrdered(ids...)...)
	c.none("all messages are acknowledged") // and a Receive is under way

	c.seek(async.Oldest())

	c.comes("after a seek during a receive", ids...)
}

func seekHeld(s *stage) {
	ids := s.send(s.messages("k", 4)...)
	c := s.open()
	c.seeker()
	mm := c.takeOrdered(ids[:3]...)
	c.settle(async.Ack, mm[0])
	for _, m := range mm {
		if m.Claim == nil {
			s.Fatalf("message %q has no claim: the engine cannot tell what was received before a seek", m.ID)
		}
	}

	c.seek(async.Oldest())

	for _, m := range mm[1:] {
		if !m.Claim.Lost() {
			s.Errorf("message %q was held before the seek: its claim should have ended", m.ID)
		}
		c.lost(m, "that was held before a seek")
	}
	again := c.take(len(ids))
	for _, m := range again {
		if m.Claim == nil || m.Claim.Lost() {
			s.Errorf("message %q came after the seek: its claim should hold", m.ID)
		}
	}
	if got := idsOf(again); !slices.Equal(got, ids) {
		s.Errorf("after the seek: got %v, want %v", got, ids)
	}
	c.settle(async.Ack, again...)
}

func seekRefused(s *stage) {
	ids := s.send(s.messages("k", 3)...)
	c := s.open()
	seeker := c.seeker()
	mm := c.takeOrdered(ids[:2]...)

	ctx, cancel := s.limited()
	defer cancel()
	for _, p := range []async.Position{async.Oldest().Of("no such source"), {Kind: 99}} {
		switch err := seeker.Seek(ctx, p); {
		case err == nil:
			s.Errorf("seek %v (kind %d): got nil, want an error", p, p.Kind)
		case errors.Is(err, async.ErrLost):
			s.Errorf("seek %v (kind %d): got %v, want nothing lost for it", p, p.Kind, err)
		}
	}

	for _, m := range mm {
		if m.Claim != nil && m.Claim.Lost() {
			s.Errorf("message %q: its claim ended for a seek that could not be", m.ID)
		}
	}
	c.settle(async.Ack, mm...)
	c.comes("after a seek that could not be", ids[2:]...)
}

func seekKept(s *stage) {
	ids := s.send(s.messages("k", 3)...)
	c := s.open()
	c.seeker()
	c.settle(async.Ack, c.takeOrdered(ids...)...)

	c.seek(async.Oldest())
	c.close()

	s.open().comes("the next consumer, after a seek to the oldest", ids...)
}

// sought runs a component whose first handler does hold, and seeks to the oldest within d as soon as it runs.
// during is called when the claim of the message that runs has ended, so the seek is past what it may refuse.
func (s *stage) sought(w *witness, d time.Duration, n int, hold async.ProcessorFunc, during func()) (ids []string, err error) {
	s.Helper()
	c := s.open()
	c.seeker() // or skip
	c.close()
	ids = s.send(s.messages("k", n)...)
	entered := newFlag()
	var claim *async.Claim
	v := s.serve(w.handler(func(ctx context.Context, m *async.Message) error {
		if entered.set.Load() {
			return nil
		}
		claim = m.Claim
		entered.raise()
		return hold(ctx, m)
	}))
	s.await("the first message runs", entered.set.Load)
	ctx, cancel := context.WithTimeout(s.base, d)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- v.component.Seek(ctx, async.Oldest()) }()
	s.await("the claim of the first message ends", claim.Lost)
	during()
	var over bool
	s.await("the seek is over", func() bool {
		select {
		case err = <-done:
			over = true
		default:
		}
		return over
	})
	s.await("all messages are processed", func() bool { return w.count() == n })
	v.stopWell()
	return ids, err
}

func seekRunning(s *stage) {
	w := newWitness()
	leave := newFlag()
	var cause error
	ids, err := s.sought(w, s.grace(), 3, func(ctx context.Context, _ *async.Message) error {
		cause = leave.wait(ctx)
		return cause
	}, func() {
		pause(s.base, s.quiet()/4)
		if n := w.begun(); n != 1 {
			s.Errorf("%d handlers were started during a seek, want 1: what waits is dropped", n)
		}
		leave.raise()
	})
	if err != nil {
		s.Errorf("seek: %v", err)
	}
	if cause != nil {
		s.Errorf("the handler that ran was cancelled with %v, want it to finish", cause)
	}
	w.attemptsAre(s, ids[0], 1, 1) // once before and once after, as what was asked for
	w.attemptsAre(s, ids[1], 1)
	w.attemptsAre(s, ids[2], 1)
	w.check(s, ids, false)
	s.empty()
}

func seekCancels(s *stage) {
	w := newWitness()
	var cause error
	ids, err := s.sought(w, 100*time.Millisecond+s.slack(), 2, func(ctx context.Context, _ *async.Message) error {
		<-ctx.Done()
		cause = context.Cause(ctx)
		return ctx.Err()
	}, func() {})

	if !errors.Is(cause, async.ErrLost) {
		s.Errorf("the handler that ran was cancelled with %v, want ErrLost", cause)
	}
	if err == nil {
		w.attemptsAre(s, ids[0], 1, 1)
	}
	s.empty()
}
