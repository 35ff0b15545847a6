package patron

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/metric"
)

// checkFunc is a checker.
type checkFunc func(ctx context.Context) error

func (f checkFunc) Check(ctx context.Context) error { return f(ctx) }

func newCheck(f checkFunc) *check {
	gauge := metric.NewRegistry().Gauge(metric.Opts{Name: "checks", Help: "Checks."}).With()
	return &check{checker: f, gauge: gauge}
}

func ignoreChange(error) {}

func TestACheckIsGivenASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCheck(func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		began := time.Now()
		err := c.begin(t.Context(), ignoreChange).wait(t.Context())
		if !errors.Is(err, errCheckTime) || time.Since(began) != time.Second {
			t.Errorf("got the error %v after %v", err, time.Since(began))
		}
	})
}

func TestACheckInFlightEndsWithTheLifeOfTheService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		var calls atomic.Int32
		b := newBench(t, tr, WithComponents(&checked{fake{name: "a", tr: tr}, func(ctx context.Context) error {
			if calls.Add(1) > 1 {
				<-ctx.Done()
			}
			return nil
		}}))
		b.start()
		go b.health(t.Context())
		synctest.Wait()
		b.stop(nil)
		b.wantEnd(0, "")
	})
}

func TestNoCheckBeginsAfterTheLifeOfTheService(t *testing.T) {
	t.Parallel()
	c := newCheck(func(context.Context) error {
		t.Error("Check was called")
		return nil
	})
	life, end := context.WithCancel(t.Context())
	end()
	if err := c.begin(life, ignoreChange).wait(t.Context()); !errors.Is(err, errStopping) {
		t.Errorf("got the error %v, want %v", err, errStopping)
	}
	<-c.idle()
}

func TestACheckThatEndsItsGoroutineHasFailed(t *testing.T) {
	t.Parallel()
	c := newCheck(func(context.Context) error {
		runtime.Goexit()
		return nil
	})
	if err := c.begin(t.Context(), ignoreChange).wait(t.Context()); !errors.Is(err, errExited) {
		t.Errorf("got the error %v, want %v", err, errExited)
	}
	if c.passedOnce() {
		t.Error("it counts as passed")
	}
}
