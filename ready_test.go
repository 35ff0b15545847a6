package patron

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	"github.com/google/go-cmp/cmp"
)

// checked is a component with a check.
type checked struct {
	fake
	check func(ctx context.Context) error
}

func (c *checked) Check(ctx context.Context) error { return c.check(ctx) }

// switchable is a check whose outcome is set.
type switchable struct{ err atomic.Pointer[error] }

func (s *switchable) set(err error) { s.err.Store(&err) }

func (s *switchable) check(context.Context) error {
	if p := s.err.Load(); p != nil {
		return *p
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestTheServiceIsReadyWhenEveryCheckHasPassedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		var first, second switchable
		first.set(errors.New("no broker"))
		second.set(errors.New("no database"))
		b := newBench(t, tr,
			WithComponents(&checked{fake{name: "a", tr: tr}, first.check}),
			WithComponents(&checked{fake{name: "b", tr: tr}, second.check}))
		b.start()
		time.Sleep(time.Minute)
		want := phttp.Health{Status: phttp.HealthStarting, Checks: map[string]string{"a": "no broker", "b": "no database"}}
		if diff := cmp.Diff(want, b.health(t.Context())); diff != "" {
			t.Errorf("health while nothing passes (-want +got):\n%s", diff)
		}

		first.set(nil)
		time.Sleep(5 * time.Second)
		first.set(errors.New("broker gone")) // it passed once: what comes now is degradation
		b.health(t.Context())
		if b.State() != component.Starting || isClosed(b.Started()) {
			t.Errorf("after one check passed: got %v", b.State())
		}
		second.set(nil)
		time.Sleep(lastPause + time.Millisecond)

		if b.State() != component.Running || !isClosed(b.Started()) {
			t.Errorf("after both passed once: got %v", b.State())
		}
		want = phttp.Health{Status: phttp.HealthDegraded, Checks: map[string]string{"a": "broker gone", "b": "ok"}}
		if diff := cmp.Diff(want, b.health(t.Context())); diff != "" {
			t.Errorf("health when one fails again (-want +got):\n%s", diff)
		}
		b.stop(nil)
		_, _ = b.wait()
	})
}

func TestAWaitForChecksIsLoggedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithComponents(&checked{fake{name: "orders", tr: tr}, func(context.Context) error { return errors.New("no broker") }}))
		b.start()
		time.Sleep(10 * time.Second)
		b.stop(nil)
		_, _ = b.wait()
		if got := b.log.find("check failed"); len(got) > 0 {
			t.Errorf("what has never passed has not failed: %v", got)
		}
		logged := b.log.find("waiting for checks")
		if len(logged) != 3 || logged[0]["orders"] != "no broker" {
			t.Errorf("the log says %v", logged)
		}
	})
}

func TestAServiceThatIsNotReadyCanBeStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		hang := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		b := newBench(t, tr, WithDrainDelay(time.Minute), WithComponents(&checked{fake{name: "a", tr: tr}, hang}))
		b.start()
		time.Sleep(10500 * time.Millisecond)
		b.stop(nil)
		b.wantEnd(10500*time.Millisecond, "")
		if isClosed(b.Started()) {
			t.Error("Started is closed")
		}
	})
}

func TestHealthOfAServiceThatRuns(t *testing.T) {
	t.Parallel()
	errGone := errors.New("broker gone")
	for name, tt := range map[string]struct {
		a, b func(ctx context.Context) error
		want phttp.Health
	}{
		"all pass": {
			want: phttp.Health{Status: phttp.HealthReady, Checks: map[string]string{"a": "ok", "b": "ok"}},
		},
		"one fails": {
			a:    func(context.Context) error { return errGone },
			want: phttp.Health{Status: phttp.HealthDegraded, Checks: map[string]string{"a": "broker gone", "b": "ok"}},
		},
		"one fails that is critical": {
			a:    func(context.Context) error { return errGone },
			b:    func(context.Context) error { return component.Critical(errors.New("no database")) },
			want: phttp.Health{Status: phttp.HealthFailed, Checks: map[string]string{"a": "broker gone", "b": "no database"}},
		},
		"a critical one before another": {
			a:    func(context.Context) error { return component.Critical(errors.New("no database")) },
			b:    func(context.Context) error { return errGone },
			want: phttp.Health{Status: phttp.HealthFailed, Checks: map[string]string{"a": "no database", "b": "broker gone"}},
		},
		"one panics": {
			a:    func(context.Context) error { panic("nil map") },
			want: phttp.Health{Status: phttp.HealthDegraded, Checks: map[string]string{"a": "panic: nil map", "b": "ok"}},
		},
		"one does not answer": {
			a: func(context.Context) error {
				time.Sleep(time.Minute)
				return nil
			},
			want: phttp.Health{Status: phttp.HealthDegraded, Checks: map[string]string{"a": "check: no answer within 1s", "b": "ok"}},
		},
		"one gives up": {
			a: func(ctx context.Context) error {
				<-ctx.Done()
				return context.Cause(ctx)
			},
			want: phttp.Health{Status: phttp.HealthDegraded, Checks: map[string]string{"a": "check: no answer within 1s", "b": "ok"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				var running atomic.Bool
				check := func(f func(ctx context.Context) error) func(ctx context.Context) error {
					return func(ctx context.Context) error {
						if f == nil || !running.Load() {
							return nil
						}
						return f(ctx)
					}
				}
				b := newBench(t, tr, WithComponents(&checked{fake{name: "a", tr: tr}, check(tt.a)}, &checked{fake{name: "b", tr: tr}, check(tt.b)}))
				b.start()
				running.Store(true)
				asked := time.Now()

				got := b.health(t.Context())

				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("health (-want +got):\n%s", diff)
				}
				if took := time.Since(asked); took > time.Second {
					t.Errorf("the answer took %v, want at most 1s", took)
				}
				time.Sleep(time.Hour)
				b.stop(nil)
				_, _ = b.wait()
			})
		})
	}
}

// A slow database must not get one more query for each probe.
func TestManyWhoAskShareOneCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		var calls atomic.Int32
		b := newBench(t, tr, WithComponents(&checked{fake{name: "a", tr: tr}, func(ctx context.Context) error {
			if calls.Add(1) > 1 {
				time.Sleep(10 * time.Second)
			}
			return nil
		}}))
		b.start()
		var asking sync.WaitGroup
		for i := range 100 {
			asking.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				b.health(t.Context())
			})
		}
		asking.Wait()
		if got := calls.Load(); got > 3 {
			t.Errorf("Check was called %d times, want once to start, and one at a time", got)
		}
		time.Sleep(time.Minute)
		b.stop(nil)
		_, _ = b.wait()
	})
}

func TestWhoAsksDoesNotWaitLongerThanItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		var calls atomic.Int32
		b := newBench(t, tr, WithComponents(&checked{fake{name: "a", tr: tr}, func(context.Context) error {
			if calls.Add(1) > 1 {
				time.Sleep(time.Minute)
			}
			return nil
		}}))
		b.start()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		asked := time.Now()
		b.health(ctx)
		if took := time.Since(asked); took != 10*time.Millisecond {
			t.Errorf("the answer took %v, want 10ms", took)
		}
		time.Sleep(time.Hour)
		b.stop(nil)
		_, _ = b.wait()
	})
}

func TestACheckThatHangsIsNamedAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		over := make(chan struct{})
		var calls atomic.Int32
		b := newBench(t, tr, WithComponents(&checked{fake{name: "a", tr: tr}, func(context.Context) error {
			if calls.Add(1) > 1 {
				<-over
			}
			return nil
		}}))
		b.start()
		b.health(t.Context()) // takes a second
		b.stop(nil)
		b.wantEnd(3500*time.Millisecond, "component a: still checking after the grace period")
		close(over)
	})
}

func TestChecksAreNotCalledWhenTheServiceStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithDrainDelay(time.Second), WithComponents(&checked{fake{name: "a", tr: tr}, func(context.Context) error {
			tr.addf("a is checked")
			return nil
		}}))
		b.start()
		b.stop(nil)
		synctest.Wait()
		b.health(t.Context())
		b.wantEnd(time.Second, "")
		tr.want(t, "0s a starts", "0s a runs", "0s a is checked", "1s a returns")
	})
}

func TestHealthShowsHowFarTheStartIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr,
			WithComponents(&fake{name: "a", tr: tr}, runFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })),
			WithComponents(&fake{name: "b", tr: tr, start: ends(time.Minute, nil)}, &fake{name: "c", tr: tr}))
		if diff := cmp.Diff(phttp.Health{Status: phttp.HealthStarting}, b.health(t.Context())); diff != "" {
			t.Errorf("health before Run (-want +got):\n%s", diff)
		}
		b.start()
		want := phttp.Health{Status: phttp.HealthStarting, Checks: map[string]string{"b": "starting", "c": "new"}}
		if diff := cmp.Diff(want, b.health(t.Context())); diff != "" {
			t.Errorf("health while b starts (-want +got):\n%s", diff)
		}
		b.stop(nil)
		_, _ = b.wait()
	})
}

func TestChangesOfHealthAreLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		var s switchable
		b := newBench(t, tr, WithComponents(&checked{fake{name: "a", tr: tr}, s.check}))
		b.start()
		for _, err := range []error{nil, errors.New("gone"), component.Critical(errors.New("gone")), nil, nil} {
			s.set(err)
			b.health(t.Context())
		}
		b.stop(nil)
		_, _ = b.wait()
		want := []string{"info: service started", "warn: check failed", "info: check passes again", "info: service stopping", "info: service stopped"}
		if diff := cmp.Diff(want, b.log.messages()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}
