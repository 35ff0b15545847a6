package patron

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
)

func TestTheServiceGoesOnServingForTheDrainDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithDrainDelay(5*time.Second), WithComponents(&fake{name: "a", tr: tr}))
		b.start()
		if got := b.health(t.Context()).Status; got != phttp.HealthReady {
			t.Errorf("health while it runs: got %q, want ready", got)
		}

		b.stop(nil)
		synctest.Wait()

		if got := b.State(); got != component.Stopping {
			t.Errorf("state at once: got %v, want stopping", got)
		}
		if got := b.health(t.Context()).Status; got != phttp.HealthStopping {
			t.Errorf("health at once: got %q, want stopping", got)
		}
		b.wantEnd(5*time.Second, "")
		tr.want(t, "0s a starts", "0s a runs", "5s a returns")
		if got := b.State(); got != component.Stopped {
			t.Errorf("state at the end: got %v, want stopped", got)
		}
	})
}

// worksFor returns a function for Run that has work in flight for d when it is stopped.
func worksFor(tr *transcript, name string, d time.Duration) func(ctx context.Context) error {
	return func(take context.Context) error {
		work, cancel := component.Work(take)
		defer cancel()
		<-take.Done()
		select {
		case <-time.After(d):
			return nil
		case <-work.Done():
			tr.addf("%s is cut", name)
			return fmt.Errorf("1 message released: %w", context.Cause(work))
		}
	}
}

func TestWorkInFlightIsFinishedWithinTheGracePeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr, run: worksFor(tr, "a", 9*time.Second)}))
		b.start()
		b.send(syscall.SIGTERM)
		b.wantEnd(9*time.Second, "")
	})
}

func TestOneDeadlineCoversAllGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		work := func(name string) *fake { return &fake{name: name, tr: tr, run: worksFor(tr, name, 4*time.Second)} }
		b := newBench(t, tr, WithGracePeriod(10*time.Second), WithDrainDelay(time.Second),
			WithComponents(work("a")), WithComponents(work("b")), WithComponents(work("c")))
		b.start()
		b.send(syscall.SIGTERM)

		took, err := b.wait()

		if took != 11*time.Second || textOf(err) != "component a: 1 message released: component: grace period over" {
			t.Errorf("Run returned the error %v after %v", err, took)
		}
		if !errors.Is(err, component.ErrGraceOver) {
			t.Errorf("errors.Is(%v, ErrGraceOver): got false", err)
		}
		tr.want(t,
			"0s a starts", "0s b starts", "0s c starts", "0s a runs", "0s b runs", "0s c runs",
			"5s c returns", "9s b returns", "11s a is cut", "11s a returns")
	})
}

func TestAGroupIsToldToStopWhenTheGracePeriodIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr,
			WithComponents(&fake{name: "a", tr: tr}),
			WithComponents(&fake{name: "deaf", tr: tr, run: takes(11 * time.Second)}))
		b.start()
		b.stop(nil)
		b.wantEnd(11*time.Second, "")
		tr.want(t, "0s a starts", "0s a runs", "0s deaf starts", "0s deaf runs", "10s a returns", "11s deaf returns")
	})
}

func TestWhatDoesNotReturnIsNamedAndNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		over := make(chan struct{})
		deaf := func(context.Context) error {
			<-over
			return nil
		}
		b := newBench(t, tr, WithDrainDelay(time.Second), WithGracePeriod(4*time.Second), WithComponents(
			&fake{name: "a", tr: tr, run: deaf}, &fake{name: "b", tr: tr}, &fake{name: "c", tr: tr, run: deaf}))
		b.start()
		b.send(syscall.SIGINT)

		b.wantEnd(7500*time.Millisecond, // drain delay, grace period, time to settle, and some to return
			"component a: still running after the grace period\ncomponent c: still running after the grace period")
		if got := b.State(); got != component.Failed {
			t.Errorf("state: got %v, want failed", got)
		}
		waits := b.log.find("waiting for components")
		if len(waits) == 0 || fmt.Sprint(waits[0]["components"]) != "[a is running c is running]" {
			t.Errorf("the log does not say who is waited for: %v", waits)
		}
		gone := b.log.find("component gave no sign")
		if len(gone) != 2 || gone[0]["component"] != "a" || gone[1]["component"] != "c" {
			t.Errorf("the log does not say who gave no sign: %v", gone)
		}
		close(over)
	})
}

func TestResultsMayBeSettledAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr, run: func(take context.Context) error {
			work, cancel := component.Work(take)
			defer cancel()
			settle, cancelSettle := component.Settle(work)
			defer cancelSettle()
			<-settle.Done()
			return nil
		}}))
		b.start()
		b.stop(nil)
		b.wantEnd(12*time.Second, "")
	})
}

func TestASecondSignalForces(t *testing.T) {
	t.Parallel()
	const stillRunning = "component a: still running"
	for name, tt := range map[string]struct {
		startHangs, runHangs bool
		drain                time.Duration
		wait                 time.Duration // between the signals
		text                 string
	}{
		"while a component hangs": {runHangs: true, wait: time.Second, text: stillRunning},
		"while a start hangs":     {startHangs: true, wait: time.Second, text: "component a: still starting"},
		"in the drain delay":      {runHangs: true, drain: time.Hour, wait: time.Minute, text: stillRunning},
		"in the time to settle":   {runHangs: true, wait: 11 * time.Second, text: stillRunning},
		"at once":                 {runHangs: true, text: stillRunning},
		"while work is in flight": {wait: time.Second, text: "component a: 1 message released: patron: forced to stop by a second signal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				over := make(chan struct{})
				hang := func(context.Context) error {
					<-over
					return nil
				}
				tr := newTranscript()
				f := &fake{name: "a", tr: tr, run: worksFor(tr, "a", time.Hour)}
				if tt.runHangs {
					f.run = hang
				}
				if tt.startHangs {
					f.start = hang
				}
				b := newBench(t, tr, WithDrainDelay(tt.drain), WithComponents(f))
				b.start()
				b.signals <- syscall.SIGTERM
				time.Sleep(tt.wait)
				second := time.Now()
				b.signals <- syscall.SIGINT

				_, err := b.wait()

				if !errors.Is(err, ErrForced) || textOf(err) != ErrForced.Error()+"\n"+tt.text {
					t.Errorf("Run returned the error %v", err)
				}
				if took := time.Since(second); took > 200*time.Millisecond {
					t.Errorf("Run returned %v after the second signal, want at most 200ms", took)
				}
				close(over)
			})
		})
	}
}
