package asynctest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// failureCases drive the consumer through the engine while handlers, settlements and dead letters fail.
func failureCases() []conformanceCase {
	return []conformanceCase{
		{name: "a message that fails is tried again, and its key waits", run: failRetry},
		{name: "a message that panics is tried again, and others go on", run: failPanic},
		{name: "a message is tried again off its lane after a delay", applies: delays, run: failDelayed},
		{name: "poison goes to the dead letter, and its key goes on", applies: deadLetters, run: failPoison},
		{name: "a permanent error goes to the dead letter at once", applies: deadLetters, run: failPermanent},
		{name: "a message stays until its dead letter can be written", applies: deadLetters, run: failNoTarget},
		{name: "a message stays until its dead letter was told of", applies: deadLetters, run: failUntold},
		{name: "nothing is lost when one of ten settlements fails", run: failSettlements},
	}
}

var errFlaky = errors.New("not yet")

func failRetry(s *stage) {
	w := newWitness()
	ids := s.send(s.messages("k", 3)...)

	v := s.serve(w.handler(func(_ context.Context, m *async.Message) error {
		if m.ID == ids[0] && m.Attempt < 3 {
			return errFlaky
		}
		return nil
	}), async.WithConcurrency(2), async.WithTries(3))
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })

	v.stopWell()
	w.check(s, ids, true)
	w.attemptsAre(s, ids[0], 1, 2, 3)
	w.attemptsAre(s, ids[1], 1)
	s.empty()
}

func failPanic(s *stage) {
	w := newWitness()
	ids := s.spread(6, 3)

	v := s.serve(w.handler(func(_ context.Context, m *async.Message) error {
		if m.ID == ids[0] && m.Attempt == 1 {
			panic("a bug")
		}
		return nil
	}))
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })

	v.stopWell()
	w.check(s, ids, true)
	w.attemptsAre(s, ids[0], 1, 2)
	s.empty()
}

func failDelayed(s *stage) {
	delay := s.delay(2 * time.Second)
	w := newWitness()
	ids := s.send(s.messages("k", 3)...)

	v := s.serve(w.handler(func(_ context.Context, m *async.Message) error {
		if m.ID == ids[0] && m.Attempt < 4 {
			return errFlaky
		}
		return nil
	}), async.WithTries(2), async.WithDelays(delay, delay), async.Unordered())
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })

	v.stopWell()
	w.attemptsAre(s, ids[0], 1, 2, 3, 4)
	starts := w.startsOf(ids[0])
	for i := 2; i < len(starts); i++ {
		if waited, least := starts[i].at.Sub(starts[i-1].at), delay-delay/10; waited < least {
			s.Errorf("attempt %d came %v after the one before it, want %v", starts[i].attempt, waited, delay)
		}
	}
	s.empty()
}

func failPoison(s *stage) {
	w := newWitness()
	ids := s.send(s.messages("k", 4)...)
	seen := make(chan *async.Message, 2)

	v := s.serve(w.handler(func(_ context.Context, m *async.Message) error {
		if m.ID == ids[1] {
			seen <- m.Clone()
			return errPoison
		}
		return nil
	}), async.WithTries(2))
	s.await("the other messages are processed", func() bool { return w.count() == 3 })
	letter := s.awaitDead()

	v.stopWell()
	w.attemptsAre(s, ids[1], 1, 2)
	w.check(s, slices.Delete(slices.Clone(ids), 1, 2), true)
	poison := <-seen
	s.isLetter(letter, poison, errPoison.Error(), 2)
	if s.suite.traits.Ordered != async.OrderedNone && w.effectAt(ids[2]).Before(w.startsOf(ids[1])[1].at) {
		s.Errorf("the follower of a message was processed before its last try")
	}
	s.empty()
}

func failPermanent(s *stage) {
	w := newWitness()
	ids := s.send(s.message("k"), s.message("k"))

	v := s.serve(w.handler(func(_ context.Context, m *async.Message) error {
		if m.ID == ids[0] {
			return reliability.Permanent(errPoison)
		}
		return nil
	}), async.WithTries(5))
	s.await("the other message is processed", func() bool { return w.count() == 1 })
	letter := s.awaitDead()

	v.stopWell()
	w.attemptsAre(s, ids[0], 1)
	if got := letter.Headers.Get(async.HeaderDeadAttempt); got != "1" {
		s.Errorf("dead letter: header %s: got %q, want 1", async.HeaderDeadAttempt, got)
	}
	s.empty()
}

func failNoTarget(s *stage) {
	breaker := need[DeadLetterBreaker](s)
	breaker.BreakDeadLetters()
	w := newWitness()
	ids := s.send(s.message("k"), s.message("k"), s.message("other"))
	v := s.serve(w.handler(func(_ context.Context, m *async.Message) error {
		if m.ID == ids[0] {
			return reliability.Permanent(errPoison)
		}
		return nil
	}), async.WithConcurrency(2))
	s.await("the message of another key is processed", func() bool { return !w.effectAt(ids[2]).IsZero() })
	pause(s.base, s.quiet())
	v.runs()
	if n := len(s.deadLetters()); n > 0 {
		s.Errorf("got %d dead letters while there is no target", n)
	}
	if s.suite.traits.Ordered != async.OrderedNone && len(w.startsOf(ids[1])) > 0 {
		s.Errorf("the follower was started while the dead letter before it could not be written")
	}

	breaker.MendDeadLetters()

	s.awaitDead()
	s.await("the follower is processed", func() bool { return w.count() == 2 })
	v.stopWell()
	w.attemptsAre(s, ids[0], 1)
	s.empty()
}

func failUntold(s *stage) {
	w := newWitness()
	var told atomic.Int64
	id := s.send(s.message("k"))[0]
	v := s.serve(w.handler(func(context.Context, *async.Message) error { return reliability.Permanent(errPoison) }),
		async.WithOnDead(func(_ context.Context, m *async.Message, cause error) error {
			if m.ID != id || !errors.Is(cause, errPoison) {
				s.Errorf("told of message %q, %v, want %q, %v", m.ID, cause, id, errPoison)
			}
			if told.Add(1) < 3 {
				return errFlaky
			}
			return nil
		}))

	s.await("the dead letter is told of", func() bool { return told.Load() == 3 })

	v.stopWell()
	s.awaitDead()
	w.attemptsAre(s, id, 1)
	s.empty()
	if n := told.Load(); n != 3 {
		s.Errorf("told %d times, want 3: twice it failed", n)
	}
}

func failSettlements(s *stage) {
	failer := need[SettlementFailer](s)
	w := newWitness()
	failer.FailSettlements(10)
	v := s.serve(w.handler(nil), async.WithConcurrency(4))

	ids := s.spread(200, 10)
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })

	v.stopWell()
	failer.FailSettlements(0)
	w.check(s, ids, true) // the engine settles again, so nothing comes twice
	s.empty()
}
