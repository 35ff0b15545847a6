package component_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	"pgregory.net/rapid"
)

type valueKey struct{}

// ended says after how long ctx ended, seen from start, and why. It waits an hour at most, which costs nothing in a bubble.
func ended(ctx context.Context, start time.Time) (time.Duration, error) {
	select {
	case <-ctx.Done():
		return time.Since(start), context.Cause(ctx)
	case <-time.After(time.Hour):
		return -1, nil
	}
}

func wantEnd(t *testing.T, ctx context.Context, start time.Time, after time.Duration, cause error) {
	t.Helper()
	got, err := ended(ctx, start)
	if got != after || !errors.Is(err, cause) {
		t.Errorf("the context ended after %v because of %v, want after %v because of %v", got, err, after, cause)
	}
}

func TestWorkOutlivesTakeByTheGracePeriod(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(context.Context) context.Context
		after   time.Duration
	}{
		"ten seconds where nobody set another": {
			prepare: func(ctx context.Context) context.Context { return ctx },
			after:   component.DefaultGrace,
		},
		"what WithGrace set": {
			prepare: func(ctx context.Context) context.Context { return component.WithGrace(ctx, 3*time.Second, nil) },
			after:   3 * time.Second,
		},
		"the innermost of two": {
			prepare: func(ctx context.Context) context.Context {
				return component.WithGrace(component.WithGrace(ctx, time.Minute, nil), time.Second, nil)
			},
			after: time.Second,
		},
		"nothing for a grace of zero": {
			prepare: func(ctx context.Context) context.Context { return component.WithGrace(ctx, 0, nil) },
			after:   0,
		},
		"nothing for a negative grace": {
			prepare: func(ctx context.Context) context.Context { return component.WithGrace(ctx, -time.Second, nil) },
			after:   0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				take, stop := context.WithCancel(tt.prepare(t.Context()))
				work, cancel := component.Work(take)
				defer cancel()

				if got := component.Grace(take); got != tt.after {
					t.Errorf("Grace: got %v, want %v", got, tt.after)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if work.Err() != nil {
					t.Fatalf("work ended while take lived: %v", context.Cause(work))
				}
				stop()

				wantEnd(t, work, time.Now(), tt.after, component.ErrGraceOver)
			})
		})
	}
}

func TestWorkCarriesTheValuesOfTake(t *testing.T) {
	t.Parallel()
	work, cancel := component.Work(context.WithValue(t.Context(), valueKey{}, "kept"))
	defer cancel()
	if got := work.Value(valueKey{}); got != "kept" {
		t.Errorf("a value of take: got %v, want %q", got, "kept")
	}
}

func TestForceEndsWorkAtOnceWithItsCause(t *testing.T) {
	t.Parallel()
	errForced := errors.New("forced")
	for name, stopFirst := range map[string]bool{"while take lives": false, "within the grace period": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				force, end := context.WithCancelCause(t.Context())
				take, stop := context.WithCancel(component.WithGrace(t.Context(), time.Minute, force))
				defer stop()
				work, cancel := component.Work(take)
				defer cancel()
				if stopFirst {
					stop()
				}

				start := time.Now()
				time.AfterFunc(5*time.Second, func() { end(errForced) })

				wantEnd(t, work, start, 5*time.Second, errForced)
			})
		})
	}
}

func TestForceThatNeverComesLeavesTheGracePeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		force, end := context.WithCancel(t.Context())
		defer end()
		take, stop := context.WithCancel(component.WithGrace(t.Context(), 7*time.Second, force))
		work, cancel := component.Work(take)
		defer cancel()
		stop()
		wantEnd(t, work, time.Now(), 7*time.Second, component.ErrGraceOver)
	})
}

// What comes late must not get a whole grace period of its own beyond the one deadline of the service.
func TestWorkMadeAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		force, end := context.WithCancelCause(t.Context())
		take, stop := context.WithCancel(component.WithGrace(t.Context(), 10*time.Second, force))
		stop()
		time.AfterFunc(12*time.Second, func() { end(component.ErrGraceOver) })

		start := time.Now()
		time.Sleep(time.Second)
		early, cancel := component.Work(take)
		defer cancel()
		wantEnd(t, early, start, 11*time.Second, component.ErrGraceOver)
		late, cancel := component.Work(take)
		defer cancel()
		wantEnd(t, late, start, 12*time.Second, component.ErrGraceOver)
	})
}

func TestWorkThatMayNotBeginHasEndedWhenItIsMade(t *testing.T) {
	t.Parallel()
	errForced := errors.New("forced")
	force, end := context.WithCancelCause(t.Context())
	end(errForced)
	for name, tt := range map[string]struct {
		grace time.Duration
		force context.Context
		stop  bool
		cause error
	}{
		"after the force, take alive":     {grace: time.Minute, force: force, cause: errForced},
		"after the force, take ended":     {grace: time.Minute, force: force, stop: true, cause: errForced},
		"after take with no grace period": {stop: true, cause: component.ErrGraceOver},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 100 {
				take, stop := context.WithCancel(component.WithGrace(t.Context(), tt.grace, tt.force))
				if tt.stop {
					stop()
				}
				work, cancel := component.Work(take)
				if err := context.Cause(work); !errors.Is(err, tt.cause) {
					t.Fatalf("the cause when Work returned: got %v, want %v", err, tt.cause)
				}
				cancel()
				stop()
			}
		})
	}
}

func TestCancelOfWorkReleasesIt(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]time.Duration{"while take lives": 0, "within the grace period": time.Second, "after it": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				force, end := context.WithCancel(t.Context())
				defer end()
				take, stop := context.WithCancel(component.WithGrace(t.Context(), time.Minute, force))
				defer stop()
				work, cancel := component.Work(take)
				want := context.Canceled
				if when > 0 {
					stop()
					time.Sleep(when)
				}
				if when > time.Minute {
					want = component.ErrGraceOver
				}

				cancel()
				cancel() // a second time does nothing

				if err := context.Cause(work); !errors.Is(err, want) {
					t.Errorf("the cause: got %v, want %v", err, want)
				}
			})
		})
	}
}

func TestSettleOutlivesWork(t *testing.T) {
	t.Parallel()
	t.Run("by the settle time, whatever ended work", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			force, end := context.WithCancelCause(t.Context())
			take, stop := context.WithCancel(component.WithGrace(context.WithValue(t.Context(), valueKey{}, "kept"), time.Minute, force))
			defer stop()
			work, cancelWork := component.Work(take)
			defer cancelWork()
			settle, cancel := component.Settle(work)
			defer cancel()

			time.Sleep(time.Hour)
			end(errors.New("forced"))

			wantEnd(t, settle, time.Now(), component.SettleTime, component.ErrSettleOver)
			if got := settle.Value(valueKey{}); got != "kept" {
				t.Errorf("a value of work: got %v, want %q", got, "kept")
			}
		})
	})
	t.Run("also when it is made after work ended", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			work, end := context.WithCancel(t.Context())
			end()
			settle, cancel := component.Settle(work)
			defer cancel()
			if settle.Err() != nil {
				t.Errorf("settle has ended when it is made: %v", context.Cause(settle))
			}
			wantEnd(t, settle, time.Now(), component.SettleTime, component.ErrSettleOver)
		})
	})
	t.Run("until it is cancelled", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			work, end := context.WithCancel(t.Context())
			settle, cancel := component.Settle(work)
			end()
			synctest.Wait()
			cancel()
			cancel()
			if err := context.Cause(settle); !errors.Is(err, context.Canceled) {
				t.Errorf("the cause: got %v, want %v", err, context.Canceled)
			}
		})
	})
}

// Whatever the order of the events, work never ends before it may and never outlives what bounds it.
func TestWorkEndsAtTheEarliestOfItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seconds := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(0, 30).Draw(rt, name)) * time.Second
		}
		grace, forceAt, stopAt, makeAt := seconds("grace"), seconds("force")+time.Millisecond, seconds("stop"), seconds("make")+time.Microsecond
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			force, end := context.WithCancel(t.Context())
			take, stop := context.WithCancel(component.WithGrace(t.Context(), grace, force))
			time.AfterFunc(forceAt, end)
			time.AfterFunc(stopAt, stop)
			time.Sleep(makeAt)

			work, cancel := component.Work(take)
			defer cancel()

			want := max(min(max(stopAt, makeAt)+grace, forceAt), makeAt)
			if got, _ := ended(work, start); got != want {
				t.Errorf("grace %v, force at %v, stop at %v, made at %v: ended at %v, want %v", grace, forceAt, stopAt, makeAt, got, want)
			}
			stop() // so that nothing is left in the bubble
			end()
		})
	})
}

func TestWorkAndItsEndFromManyGoroutines(t *testing.T) {
	t.Parallel()
	for range 200 {
		force, end := context.WithCancel(t.Context())
		take, stop := context.WithCancel(component.WithGrace(t.Context(), time.Microsecond, force))
		work, cancelWork := component.Work(take)
		settle, cancelSettle := component.Settle(work)
		var wg sync.WaitGroup
		for _, f := range []func(){stop, end, cancelWork, cancelWork, cancelSettle, cancelSettle} {
			wg.Go(f)
		}
		wg.Wait()
		<-work.Done()
		<-settle.Done()
	}
}
