package ratelimit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/reliability/ratelimit"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func limiter(t *testing.T, n int, per time.Duration, oo ...ratelimit.OptionFunc) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(n, per, oo...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestArgumentsThatMakeNoSenseAreSaidTogether(t *testing.T) {
	t.Parallel()
	_, err := ratelimit.New(0, -time.Second, nil, ratelimit.WithBurst(0))
	if err == nil {
		t.Fatal("got nil, want an error")
	}
	for _, part := range []string{"ratelimit: ", "limit 0: want at least 1", "period -1s: want above 0", "option 0 is nil", "burst 0: want at least 1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to say %q", err, part)
		}
	}
}

func TestTheDefaultBurstIsWhatALateTimerMisses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		n    int
		per  time.Duration
		want int
	}{
		"seldom":        {1, time.Hour, 1},
		"hundred":       {100, time.Second, 1},
		"ten thousand":  {10_000, time.Second, 100},
		"out of bounds": {1 << 40, time.Nanosecond, 1<<31 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := limiter(t, c.n, c.per).Burst(); got != c.want {
				t.Errorf("burst of %d per %v: got %d, want %d", c.n, c.per, got, c.want)
			}
		})
	}
}

func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		burst int
		most  int // within a minute from the start
	}{
		"evenly":       {1, 10 + 1},
		"in one burst": {10, 10 + 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := limiter(t, 10, time.Minute, ratelimit.WithBurst(c.burst))
				allowed := 0
				for range 601 {
					if l.Allow() {
						allowed++
					}
					time.Sleep(100 * time.Millisecond)
				}
				if allowed != c.most {
					t.Errorf("events of a minute: got %d, want %d", allowed, c.most)
				}
			})
		})
	}
}

func TestDelayTellsWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 7, time.Second) // a period that floating point does not divide
		for i := range 1000 {
			if d := l.Delay(); d != 0 {
				t.Fatalf("event %d: delay %v after the delay was waited, want 0", i, d)
			}
			if !l.Allow() {
				t.Fatalf("event %d: refused, though the delay was 0", i)
			}
			d := l.Delay()
			if most := time.Second/7 + 2*time.Microsecond; d <= 0 || d > most {
				t.Fatalf("event %d: delay %v, want above 0 and at most %v", i, d, most)
			}
			time.Sleep(d)
		}
	})
}

func TestThoseWhoWaitGoInOrderAtTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 1, time.Second)
		began := time.Now()
		for i := range 5 {
			if err := l.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(began), time.Duration(i)*time.Second; got < want || got > want+time.Millisecond {
				t.Errorf("event %d after %v, want %v", i, got, want)
			}
		}
	})
}

func TestAWaitThatIsGivenUpCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 1, time.Minute)
		l.Allow()
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Wait(ctx) }()
		synctest.Wait()

		cancel(gone)

		if err := <-done; !errors.Is(err, gone) {
			t.Errorf("wait: got %v, want the cause of the context", err)
		}
		if err := l.Wait(ctx); !errors.Is(err, gone) {
			t.Errorf("wait with an ended context: got %v, want its cause", err)
		}
		time.Sleep(time.Minute)
		if !l.Allow() {
			t.Error("refused a minute later, want the place that was given up")
		}
	})
}

func TestAWaitBeyondTheDeadlineFailsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 1, time.Minute)
		l.Allow()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()

		err := l.Wait(ctx)

		if !errors.Is(err, context.DeadlineExceeded) || reliability.Classify(err) != reliability.ClassTransient || !strings.Contains(err.Error(), "1 per 1m0s") {
			t.Errorf("wait: got %v, want a transient error for the deadline that says the limit", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the answer took %v, want it at once", took)
		}
		time.Sleep(time.Minute)
		if !l.Allow() {
			t.Error("refused a minute later, want nothing counted for the wait that failed")
		}
	})
}

func TestAReservationKeepsItsPlaceAndCanBeGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 1, time.Second)
		first, second := l.Reserve(), l.Reserve()
		if a, b := first.Delay(), second.Delay(); a != 0 || b != time.Second {
			t.Errorf("delays %v and %v, want 0s and 1s", a, b)
		}
		if l.Allow() {
			t.Error("allowed an event before one that is reserved")
		}

		second.Cancel()

		if d := l.Delay(); d > time.Second {
			t.Errorf("delay %v after the reservation was given back, want at most 1s", d)
		}
		time.Sleep(time.Second)
		if !l.Allow() {
			t.Error("refused in the place that was given back")
		}
	})
}

func TestNoMoreThanTheLimitIsAllowedConcurrently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 100, time.Second, ratelimit.WithBurst(5))
		var allowed atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 100 {
					if l.Allow() {
						allowed.Add(1)
					}
					l.Delay()
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if got := allowed.Load(); got > 105 || got < 100 {
			t.Errorf("events in a second: got %d, want 100 to 105", got)
		}
	})
}

func TestAllowDoesNotAllocate(t *testing.T) {
	// not parallel: counts allocations
	l := limiter(t, 1, time.Hour)
	if n := testing.AllocsPerRun(100, func() { l.Allow(); l.Delay() }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
