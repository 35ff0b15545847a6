package asynctest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
)

// stopCases drive the consumer through the engine until it is stopped.
func stopCases() []conformanceCase {
	return []conformanceCase{
		{name: "a stop finishes the message that runs and gives back the others", applies: outlives, run: stopMid},
		{name: "messages that come after the stop are given back", applies: outlives, run: stopLate},
		{name: "a message that is still running after the grace period comes again, its attempt not spent", applies: outlives, run: stopGrace},
		{name: "a stop drains a volatile source to empty, and closes it", applies: volatile, run: stopDrain},
		{name: "a stop cuts the pauses of a volatile source short", applies: volatile, run: stopPauses},
		{name: "what is left in a volatile source after the grace period is counted", applies: volatile, run: stopLeft},
		{name: "a failure that ends the service keeps the message", run: stopExit},
	}
}

func stopMid(s *stage) {
	w := newWitness()
	entered, leave := newFlag(), newFlag()
	ids := s.send(s.messages("k", 10)...)
	v := s.serve(w.handler(func(ctx context.Context, _ *async.Message) error {
		entered.raise()
		return leave.wait(ctx)
	}), async.WithMaxHeld(10))
	s.await("the first message runs", entered.set.Load)

	v.cancel()
	pause(s.base, min(s.quiet(), s.grace()/4))
	leave.raise()
	v.stopWell()

	if n := w.begun(); n != 1 {
		s.Errorf("%d handlers were started, want 1: nothing is started after the stop", n)
	}
	w.check(s, w.orderedOr(s, ids[:1]), true)
	v = s.serve(w.handler(nil))
	s.await("the next component processes the rest", func() bool { return w.count() == len(ids) })
	v.stopWell()
	w.check(s, ids, true)
	w.attemptsAre(s, ids[1], 1)
	w.attemptsAre(s, ids[9], 1)
	s.empty()
}

// lateFactory makes consumers whose first Receive returns messages although its context has ended; calls of other receivers bring nothing.
type lateFactory struct{ async.ConsumerFactory }

func (f lateFactory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.ConsumerFactory.Create(ctx)
	if err != nil {
		return nil, err
	}
	return &lateConsumer{Consumer: c, base: context.WithoutCancel(ctx)}, nil
}

type lateConsumer struct {
	async.Consumer
	base   context.Context //nolint:containedctx // what outlives the stop
	called atomic.Bool
}

func (c *lateConsumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if <-ctx.Done(); c.called.Swap(true) {
		return nil, ctx.Err()
	}
	return c.Consumer.Receive(c.base, limit)
}

func stopLate(s *stage) {
	w := newWitness()
	ids := s.send(s.messages("k", 3)...)
	v := s.serveFrom(lateFactory{s.factory}, s.grace(), w.handler(nil))
	s.await("the component is connected", func() bool { return v.component.Check(s.base) == nil })

	v.stopWell()

	if n := w.begun(); n > 0 {
		s.Errorf("%d messages that came after the stop were started, want none", n)
	}
	v = s.serve(w.handler(nil))
	s.await("the next component processes them", func() bool { return w.count() == len(ids) })
	v.stopWell()
	w.check(s, ids, true)
	for _, id := range ids {
		w.attemptsAre(s, id, 1)
	}
	s.empty()
}

func stopGrace(s *stage) {
	grace := max(200*time.Millisecond, s.suite.traits.StopWait) // a driver may refuse one that is shorter than what it waits for
	w := newWitness()
	entered := newFlag()
	ids := s.send(s.messages("k", 3)...)
	var cause, first atomic.Value
	v := s.serveFrom(s.factory, grace, w.handler(func(ctx context.Context, m *async.Message) error {
		first.Store(m.ID)
		entered.raise()
		<-ctx.Done()
		cause.Store(context.Cause(ctx))
		return ctx.Err()
	}))
	s.await("the first message runs", entered.set.Load)

	began := time.Now()
	v.stopWell()

	if took := time.Since(began); took < grace || took > grace+component.SettleTime+s.slack() {
		s.Errorf("the stop took %v, want the grace period, %v", took, grace)
	}
	if err, _ := cause.Load().(error); !errors.Is(err, component.ErrGraceOver) {
		s.Errorf("the context of the handler ended with %v, want %v", err, component.ErrGraceOver)
	}
	v = s.serve(w.handler(nil))
	s.await("the next component processes them", func() bool { return w.count() == len(ids) })
	v.stopWell()
	w.check(s, ids, true)
	running, _ := first.Load().(string)
	w.attemptsAre(s, running, 1, 1)
	s.empty()
}

func stopDrain(s *stage) {
	w := newWitness()
	entered := newFlag()
	ids := s.spread(300, 30)
	v := s.serve(w.handler(func(ctx context.Context, _ *async.Message) error {
		entered.raise()
		pause(ctx, time.Millisecond)
		return nil
	}), async.WithConcurrency(2), async.WithMaxHeld(20))
	s.await("messages are processed", entered.set.Load)

	v.stopWell()

	w.check(s, ids, true)
	s.refuses(s.raw)
}

func stopPauses(s *stage) {
	w := newWitness()
	ids := s.send(s.messages("k", 3)...)
	v := s.serve(w.handler(func(_ context.Context, m *async.Message) error {
		if m.ID == ids[0] && m.Attempt < 3 {
			return errFlaky
		}
		return nil
	}), async.WithBackoff(time.Hour, time.Hour))
	s.await("the first message failed", func() bool { return len(w.startsOf(ids[0])) == 1 })

	began := time.Now()
	v.stopWell()

	if took := time.Since(began); took > s.slack()+3*s.suite.traits.StopWait {
		s.Errorf("the stop took %v, want no pause of an hour", took)
	}
	w.check(s, ids, true)
	w.attemptsAre(s, ids[0], 1, 2, 3)
}

func stopLeft(s *stage) {
	const n = 7
	w := newWitness()
	entered := newFlag()
	ids := s.send(s.messages("k", n)...)
	v := s.serveFrom(s.factory, 200*time.Millisecond, w.handler(func(ctx context.Context, m *async.Message) error {
		if m.ID == ids[0] {
			return nil
		}
		entered.raise()
		<-ctx.Done()
		return ctx.Err()
	}), async.WithMaxHeld(3))
	s.await("the second message runs", entered.set.Load)

	err := v.stop()

	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(n-1)+" messages left") {
		s.Errorf("Run: got %v, want an error that counts the %d messages that are left", err, n-1)
	}
	w.check(s, ids[:1], true)
	if n := w.begun(); n != 2 {
		s.Errorf("%d handlers were started, want 2: after the grace period none is, least of all behind a message that was given back", n)
	}
	s.refuses(s.raw)
}

func stopExit(s *stage) {
	w := newWitness()
	ids := s.send(s.messages("k", 3)...)
	v := s.serveFrom(noDeadLetter{s.factory}, s.grace(), w.handler(func(_ context.Context, m *async.Message) error {
		if m.ID == ids[1] {
			return errPoison
		}
		return nil
	}), async.WithTries(1))

	err := v.end()

	if err == nil || !errors.Is(err, errPoison) || !strings.Contains(err.Error(), ids[1]) {
		s.Errorf("Run: got %v, want the error of the handler and the ID of the message, %q", err, ids[1])
	}
	w.check(s, w.orderedOr(s, ids[:1]), true)
	v = s.serve(w.handler(nil))
	s.await("the next component processes what was kept", func() bool { return w.count() == len(ids) })
	v.stopWell()
	w.check(s, ids, true)
	s.empty()
}

// noDeadLetter hides the dead letter of a broker, so that the strategy decides.
type noDeadLetter struct{ async.ConsumerFactory }

func (f noDeadLetter) Traits() async.Traits {
	t := f.ConsumerFactory.Traits()
	t.DeadLetters = false
	return t
}
