package asynctest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
)

// outageCases drive the consumer through the engine while the broker or the claims are gone.
func outageCases() []conformanceCase {
	return []conformanceCase{
		{name: "a broker that goes and comes back loses nothing", run: outageBack},
		{name: "a volatile source is drained although its broker goes meanwhile", applies: volatile, run: outageDrain},
		{name: "a broker that never was there is waited for, and the check says why", run: outageNever},
		{name: "a broker that never was there ends a service that fails fast", run: outageFailFast},
		{name: "a revoked claim lets running messages finish and drops those that wait", run: revokeFinished},
		{name: "a revoked claim cancels a message that does not finish in time", run: revokeRunning},
		{name: "a lost claim cancels what runs, and its late result is not settled", run: loseRunning},
		{name: "a message is kept while its handler runs longer than its visibility time", applies: leases, run: leaseKept},
	}
}

func outageBack(s *stage) {
	outage := need[Outage](s)
	w := newWitness()
	ids := s.spread(60, 6)
	v := s.serve(w.handler(func(ctx context.Context, _ *async.Message) error {
		pause(ctx, 5*time.Millisecond)
		return ctx.Err()
	}), async.WithConcurrency(2), async.WithMaxHeld(20))
	s.await("messages are processed", func() bool { return w.count() >= 10 })

	outage.Down()
	s.await("the check says that the broker is gone", func() bool { return v.component.Check(s.base) != nil })
	pause(s.base, s.quiet())
	v.runs()
	outage.Up()

	s.await("all messages are processed", func() bool { return w.count() == len(ids) })
	s.await("the check says that the broker is back", func() bool { return v.component.Check(s.base) == nil })
	more := s.spread(6, 6)
	s.await("new messages are processed", func() bool { return w.count() == len(ids)+len(more) })
	v.stopWell()
	w.check(s, append(ids, more...), false)
	s.empty()
}

// outageDrain takes the broker away while nothing but a Receive looks at it: the handlers that run take longer than the outage.
func outageDrain(s *stage) {
	const outageTime = 100 * time.Millisecond
	outage := need[Outage](s)
	w := newWitness()
	entered := newFlag()
	ids := s.spread(12, 6)
	v := s.serve(w.handler(func(ctx context.Context, _ *async.Message) error {
		entered.raise()
		pause(ctx, 2*outageTime)
		return ctx.Err()
	}), async.WithConcurrency(4))
	s.await("messages are processed", entered.set.Load)

	v.cancel()
	pause(s.base, outageTime/2)
	outage.Down()
	pause(s.base, outageTime)
	outage.Up()

	v.stopWell()
	w.check(s, ids, false)
	s.refuses(s.raw)
}

func outageNever(s *stage) {
	absence := need[Absence](s)
	v := s.serveFrom(absence.Absent(), time.Second, newWitness().handler(nil))

	var cause error
	s.await("the check says why there is no connection", func() bool {
		cause = v.component.Check(s.base)
		return cause != nil && strings.Contains(cause.Error(), "connect: ")
	})
	pause(s.base, s.quiet())
	v.runs()

	// Run may say that it never got a connection, but it must return.
	if err := v.stop(); err != nil && !strings.Contains(err.Error(), "connect: ") {
		s.Errorf("Run: got %v, want nil or the cause", err)
	}
}

func outageFailFast(s *stage) {
	absence := need[Absence](s)
	v := s.serveFrom(absence.Absent(), time.Second, newWitness().handler(nil), async.WithFailFast())

	if err := v.end(); err == nil || !strings.Contains(err.Error(), "connect: ") {
		s.Errorf("Run: got %v, want why there is no connection", err)
	}
}

func revokeFinished(s *stage) {
	revoker := need[Revoker](s)
	w := newWitness()
	entered, leave := newFlag(), newFlag()
	ids := s.send(s.messages("k", 5)...)
	v := s.serve(w.handler(func(ctx context.Context, _ *async.Message) error {
		entered.raise()
		return leave.wait(ctx)
	}))
	s.await("the first message runs", entered.set.Load)

	revoked := newFlag()
	go func() {
		ctx, cancel := s.limited()
		defer cancel()
		revoker.Revoke(ctx)
		revoked.raise()
	}()
	pause(s.base, min(s.quiet(), s.suite.patience/10))
	if revoked.set.Load() {
		s.Errorf("the revocation did not wait for the message that runs")
	}
	if n := w.begun(); n != 1 {
		s.Errorf("%d handlers were started, want 1: nothing is started under a revoked claim", n)
	}
	leave.raise()
	s.await("the revocation ends", revoked.set.Load)

	s.await("all messages are processed", func() bool { return w.count() == len(ids) })
	v.stopWell()
	w.check(s, ids, true) // the first one was settled before the claim went
	for _, id := range ids {
		w.attemptsAre(s, id, 1)
	}
	s.empty()
}

func revokeRunning(s *stage) {
	revoker := need[Revoker](s)
	s.cancelled(func() {
		ctx, cancel := context.WithTimeout(s.base, 100*time.Millisecond)
		defer cancel()
		revoker.Revoke(ctx)
	})
}

func loseRunning(s *stage) {
	s.cancelled(need[Loser](s).Lose)
}

// cancelled takes the claim of a running message away, by take. Its handler must be cancelled with ErrLost, and that it returns nil all the same must
// settle nothing.
func (s *stage) cancelled(take func()) {
	s.Helper()
	w := newWitness()
	entered := newFlag()
	causes := make(chan error, 100)
	var blocked atomic.Pointer[string] // without order it need not be the first
	ids := s.send(s.messages("k", 3)...)
	v := s.serve(w.handler(func(ctx context.Context, m *async.Message) error {
		if id := m.ID; !blocked.CompareAndSwap(nil, &id) {
			return nil
		}
		entered.raise()
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil // too late
	}), async.WithConcurrency(2))
	s.await("the first message runs", entered.set.Load)

	take()

	var cause error
	s.await("the handler is cancelled", func() bool {
		select {
		case cause = <-causes:
			return true
		default:
			return false
		}
	})
	if !errors.Is(cause, async.ErrLost) {
		s.Errorf("the context of the handler ended with %v, want ErrLost", cause)
	}
	s.await("all messages are processed", func() bool { return w.count() == len(ids) && len(w.startsOf(*blocked.Load())) == 2 })
	v.stopWell()
	w.check(s, ids, false)
	s.empty()
}

func leaseKept(s *stage) {
	w := newWitness()
	ids := s.send(s.messages("k", 2)...)
	v := s.serve(w.handler(func(ctx context.Context, m *async.Message) error {
		if m.ID == ids[0] {
			pause(ctx, 3*s.suite.traits.Visibility)
		}
		return ctx.Err()
	}))

	s.await("both messages are processed", func() bool { return w.count() == len(ids) })

	v.stopWell()
	w.check(s, ids, true)
	w.attemptsAre(s, ids[0], 1)
	w.attemptsAre(s, ids[1], 1) // which waited, extended like the one that ran
	s.empty()
}
