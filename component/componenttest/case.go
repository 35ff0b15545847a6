package componenttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/component"
)

const (
	longGrace  = time.Minute           // work that should be finished has all the time it needs
	shortGrace = 50 * time.Millisecond // work that is not finished is given up soon
	stillTime  = 20 * time.Millisecond // how long is looked at something that should not happen
)

// cases returns all ways, in the order of the comment of Run.
func cases() []testCase {
	return []testCase{
		{"stopped before it runs", stoppedBeforeRun},
		{"stopped while starting", stoppedWhileStarting},
		{"runs until it is stopped", runsUntilStopped},
		{"stopped while busy", stoppedWhileBusy},
		{"grace period over", graceOver},
		{"forced to stop", forced},
		{"twice in a row", twice},
		{"started and stopped again and again", againAndAgain},
		{"describes itself", describesItself},
	}
}

func stoppedBeforeRun(_ testing.TB, s *subject) error {
	if err := s.start(context.Background()); err != nil {
		return err
	}
	if err := s.runStopped(); err != nil {
		return fmt.Errorf("stopped before Run: %w", err)
	}
	return s.wholeLife()
}

func stoppedWhileStarting(tb testing.TB, s *subject) error {
	if _, ok := s.component.(component.Starter); !ok {
		tb.Skip("it has no Start")
	}
	if err := s.abortedStart(ended()); err != nil {
		return fmt.Errorf("Start with a context that has ended: %w", err)
	}
	for i := range 20 {
		ctx, end := context.WithCancelCause(context.Background())
		stopper := time.AfterFunc(time.Duration(i)*50*time.Microsecond, func() { end(errStop) })
		err := s.abortedStart(ctx)
		stopper.Stop()
		end(errStop)
		if err != nil {
			return fmt.Errorf("Start with a context that ends soon: %w", err)
		}
	}
	return s.wholeLife()
}

// abortedStart calls Start with a context that ends. If Start returned nil all the same, Run must be called to release what it took.
func (s *subject) abortedStart(ctx context.Context) error {
	err := s.start(ctx)
	if err == nil {
		return s.runStopped()
	}
	if stuck, ok := errors.AsType[*stuckError](err); ok {
		return stuck
	}
	return nil
}

func runsUntilStopped(_ testing.TB, s *subject) error {
	l, err := s.running(longGrace)
	if err != nil {
		return err
	}
	defer l.release()
	if err := l.runs(stillTime); err != nil {
		return err
	}
	l.stop()
	return l.returned(s.config.timeout)
}

func stoppedWhileBusy(tb testing.TB, s *subject) error {
	if s.config.busy == nil {
		tb.Skip("nobody said how to keep it busy: see WithBusy")
	}
	return s.busyLife(tb)
}

// busyLife starts the component, stops it while it works, and looks whether the work is finished.
func (s *subject) busyLife(tb testing.TB) error {
	l, err := s.running(longGrace)
	if err != nil {
		return err
	}
	defer l.release()
	finish := s.config.busy(tb, s.component)
	l.stop()
	early := l.runs(stillTime)
	unfinished := finish()
	if early != nil {
		return errors.New("Run: returned while work was in flight")
	}
	if unfinished != nil {
		return fmt.Errorf("work in flight was not finished: %w", unfinished)
	}
	return l.returned(s.config.timeout)
}

func graceOver(tb testing.TB, s *subject) error {
	l, err := s.running(shortGrace)
	if err != nil {
		return err
	}
	defer l.release()
	defer s.keepBusy(tb)()
	l.stop()
	return l.ended(shortGrace + component.SettleTime + s.config.timeout)
}

func forced(tb testing.TB, s *subject) error {
	l, err := s.running(longGrace)
	if err != nil {
		return err
	}
	defer l.release()
	defer s.keepBusy(tb)()
	l.stop()
	l.forceEnd()
	return l.ended(component.SettleTime + s.config.timeout)
}

// keepBusy makes the component busy for good, if it can be. The function that it returns frees what the test holds.
func (s *subject) keepBusy(tb testing.TB) (free func()) {
	if s.config.busy == nil {
		return func() {}
	}
	finish := s.config.busy(tb, s.component)
	return func() { _ = finish() }
}

func twice(tb testing.TB, s *subject) error {
	for i := range 2 {
		var err error
		if s.config.busy != nil {
			err = s.busyLife(tb)
		} else {
			err = s.wholeLife()
		}
		if err != nil {
			return fmt.Errorf("life %d: %w", i+1, err)
		}
	}
	return nil
}

// running starts the component and waits until it can work.
func (s *subject) running(grace time.Duration) (*life, error) {
	if err := s.start(context.Background()); err != nil {
		return nil, err
	}
	l := s.run(grace)
	if err := l.ready(); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// wholeLife starts the component, stops it when it can work, and waits for its end.
func (s *subject) wholeLife() error {
	l, err := s.running(longGrace)
	if err != nil {
		return err
	}
	defer l.release()
	l.stop()
	return l.returned(s.config.timeout)
}

func againAndAgain(tb testing.TB, s *subject) error {
	seed := rand.Uint64()
	tb.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	over := make(chan struct{})
	var observer, starters sync.WaitGroup
	observer.Go(func() { s.observe(over) })
	turn := make(chan int, 1) // whoever has received the number of lives has its turn; a mutex would stop the clock of a bubble
	turn <- 0
	var failure error // of who has its turn
	for range 10 {
		starters.Go(func() {
			for lives := range turn {
				if lives == s.config.cycles || failure != nil {
					turn <- lives
					return
				}
				if err := s.shortLife(random); err != nil {
					failure = fmt.Errorf("life %d: %w", lives+1, err)
				}
				turn <- lives + 1
			}
		})
	}
	starters.Wait()
	close(over)
	observer.Wait()
	return failure
}

// shortLife starts the component and stops it at a random moment.
func (s *subject) shortLife(random *rand.Rand) error {
	moment := time.Duration(random.IntN(1000)) * time.Microsecond
	switch random.IntN(4) {
	case 0:
		ctx, end := context.WithTimeoutCause(context.Background(), moment, errStop)
		defer end()
		return s.abortedStart(ctx)
	case 1:
		if err := s.start(context.Background()); err != nil {
			return err
		}
		return s.runStopped()
	case 2:
		moment = 0
	default:
	}
	if err := s.start(context.Background()); err != nil {
		return err
	}
	l := s.run(longGrace)
	defer l.release()
	var checking sync.WaitGroup
	defer checking.Wait()
	if checker, ok := s.component.(component.Checker); ok {
		checking.Go(func() { _ = s.check(context.Background(), checker) })
	}
	if moment > 0 {
		if err := l.runs(moment); err != nil {
			return err
		}
	}
	l.stop()
	return l.returned(s.config.timeout)
}

// observe calls what may be called at any time, until over.
func (s *subject) observe(over <-chan struct{}) {
	informer, _ := s.component.(component.Informer)
	for {
		select {
		case <-over:
			return
		case <-time.After(100 * time.Microsecond):
		}
		if informer != nil {
			clear(informer.Info())
		}
		_ = name(s.component)
	}
}
