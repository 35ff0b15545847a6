package patron

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
)

func TestGroupsStartInOrderAndStopInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		slow := ends(time.Second, nil)
		b := newBench(t, tr,
			WithComponents(&fake{name: "a", tr: tr, start: slow, run: takes(time.Second)}, &fake{name: "b", tr: tr, start: slow, run: takes(2 * time.Second)}),
			WithComponents(&fake{name: "c", tr: tr, start: slow, run: takes(3 * time.Second)}))

		b.start()
		<-b.Started()
		time.Sleep(time.Minute)
		b.stop(errors.New("enough"))

		b.wantEnd(68*time.Second, "")
		tr.want(t,
			"0s a starts", "1s b starts", "2s a runs", "2s b runs", "2s c starts", "3s c runs",
			"1m6s c returns", "1m7s a returns", "1m8s b returns")
	})
}

// The HTTP component is not here; server_test.go shows that it starts before all groups and stops before them.
func TestAComponentWithoutStartRunsWithItsGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		simple := runFunc(func(ctx context.Context) error {
			tr.addf("simple runs")
			<-ctx.Done()
			return nil
		})
		b := newBench(t, tr, WithComponents(simple, &fake{name: "a", tr: tr, start: ends(time.Second, nil)}))

		b.start()
		<-b.Started()
		synctest.Wait()
		b.stop(nil)

		b.wantEnd(time.Second, "")
		tr.want(t, "0s a starts", "1s simple runs", "1s a runs", "1s a returns")
	})
}

func TestAStartThatFailsUnwinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		errDial := errors.New("dial: refused")
		b := newBench(t, tr, WithDrainDelay(time.Minute), // nobody saw it ready, so nobody has to notice
			WithComponents(&fake{name: "a", tr: tr, run: takes(time.Second)}),
			WithComponents(
				&fake{name: "b", tr: tr},
				&fake{name: "c", tr: tr, start: ends(5*time.Second, errDial)},
				&fake{name: "d", tr: tr}),
			WithComponents(&fake{name: "e", tr: tr}))

		b.start()

		_, err := b.wait()
		if !errors.Is(err, errDial) || err.Error() != "component c: start: dial: refused" {
			t.Errorf("Run returned the error %v", err)
		}
		tr.want(t, "0s a starts", "0s a runs", "0s b starts", "0s c starts", "5s b unwinds", "6s a returns")
		if got := b.State(); got != component.Failed {
			t.Errorf("state: got %v, want failed", got)
		}
	})
}

func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		start func(ctx context.Context) error
		text  string
		lines []string
	}{
		"a start that gives up is no failure": {
			start: func(ctx context.Context) error {
				<-ctx.Done()
				return errors.New("dial: operation was canceled")
			},
			lines: []string{"0s a starts", "0s a runs", "0s b starts", "1s a returns"},
		},
		"a start that succeeds all the same is unwound": {
			start: func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				return nil
			},
			lines: []string{"0s a starts", "0s a runs", "0s b starts", "2s b unwinds", "2s a returns"},
		},
		"a start that hangs is named": {
			start: func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Minute)
				return nil
			},
			text:  "component b: still starting after the grace period",
			lines: []string{"0s a starts", "0s a runs", "0s b starts", "11s a returns"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				b := newBench(t, tr,
					WithComponents(&fake{name: "a", tr: tr}), WithComponents(&fake{name: "b", tr: tr, start: tt.start}), WithComponents(&fake{name: "c", tr: tr}))

				b.start()
				time.Sleep(time.Second)
				b.stop(nil)

				_, err := b.wait()
				if got := textOf(err); got != tt.text {
					t.Errorf("Run returned the error %q, want %q", got, tt.text)
				}
				tr.want(t, tt.lines...)
				select {
				case <-b.Started():
					t.Error("Started is closed")
				default:
				}
				time.Sleep(time.Hour) // what hangs ends
			})
		})
	}
}

// Nothing is done before it ran.
func TestAStartThatSaysDoneFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr, start: func(context.Context) error { return component.ErrDone }}))
		b.start()
		b.wantEnd(0, "component a: start: component: done")
		tr.want(t, "0s a starts")
	})
}

func TestTheContextOfAStartEndsWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		ended := func() bool { return false }
		b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr, start: func(ctx context.Context) error {
			ended = func() bool { return ctx.Err() != nil }
			return ctx.Err()
		}}))

		b.start()

		if !ended() {
			t.Error("the context of the start is alive while the component runs")
		}
		b.stop(nil)
		b.wantEnd(0, "")
	})
}

func TestAServiceThatIsToldToStopBeforeItRunsStartsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr}))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()

		err := b.Run(ctx)
		if err != nil {
			t.Errorf("Run returned the error %v, want nil", err)
		}
		tr.want(t)
		if got := b.State(); got != component.Stopped {
			t.Errorf("state: got %v, want stopped", got)
		}
	})
}

func TestAServiceWithoutComponentsRunsUntilItIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newTranscript())
		b.start()
		<-b.Started()
		time.Sleep(time.Hour)
		b.stop(nil)
		b.wantEnd(time.Hour, "")
	})
}

func TestRunMayBeCalledOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newTranscript())
		b.start()

		if err := b.Run(t.Context()); !errors.Is(err, ErrRan) {
			t.Errorf("Run while the service runs: got the error %v, want %v", err, ErrRan)
		}
		b.stop(nil)
		b.wantEnd(0, "")
		if err := b.Run(t.Context()); !errors.Is(err, ErrRan) {
			t.Errorf("Run after the service ran: got the error %v, want %v", err, ErrRan)
		}
	})
}
