package async_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/reliability/ratelimit"
)

func TestTheRateLimitBoundsStarts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		concurrency int
		takes       time.Duration // the handler
		burst       int
		first, last time.Duration // of 21 starts
	}{
		"one after another":          {1, 0, 1, 0, 2 * time.Second},
		"several, none of them slow": {4, 0, 1, 0, 2 * time.Second},
		"several slow ones":          {8, 500 * time.Millisecond, 1, 0, 2 * time.Second},
		"after a burst":              {8, 500 * time.Millisecond, 6, 0, 1500 * time.Millisecond},
		"slower than the limit":      {1, 500 * time.Millisecond, 1, 0, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var starts []time.Duration
				began := time.Now()
				b := newBroker(t, memory.WithoutDrain())
				c := newComponent(t, b, func(context.Context, *async.Message) error {
					mu.Lock()
					starts = append(starts, time.Since(began))
					mu.Unlock()
					time.Sleep(tc.takes)
					return nil
				}, async.WithConcurrency(tc.concurrency), async.WithRateLimit(10, time.Second, ratelimit.WithBurst(tc.burst)))
				for i := range 21 {
					if err := b.Producer("q").Send(t.Context(), keyed(strconv.Itoa(i), strconv.Itoa(i))); err != nil {
						t.Fatal(err)
					}
				}
				r := start(t, b, c, time.Minute)
				time.Sleep(time.Minute)

				mu.Lock()
				defer mu.Unlock()
				if len(starts) != 21 {
					t.Fatalf("%d starts, want 21", len(starts))
				}
				for i, want := range map[int]time.Duration{0: tc.first, 20: tc.last} {
					if got := starts[i]; got < want || got > want+time.Millisecond {
						t.Errorf("start %d came after %v, want %v", i, got, want)
					}
				}
				if got := c.Info()["rate_limit"]; got != "10 per 1s" {
					t.Errorf("Info: rate limit %v, want 10 per 1s", got)
				}
				if err := r.end(); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

func TestFurtherTriesCountForTheRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			if m.Attempt < 3 {
				return errBroken
			}
			return nil
		}, async.WithBackoff(time.Millisecond, time.Millisecond), async.WithRateLimit(1, time.Second))
		r := start(t, b, c, time.Minute)
		r.send(keyed("1", "k"))
		time.Sleep(1900 * time.Millisecond)
		if b.Len("q") != 1 {
			t.Error("three starts came within 1.9s")
		}
		time.Sleep(200 * time.Millisecond)
		if b.Len("q") != 0 {
			t.Error("three starts took more than 2.1s")
		}
		if err := r.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestOfABatchHandlerTheBatchesAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches, messages atomic.Int64
		b := newBroker(t, memory.WithoutDrain())
		c, err := async.NewBatch("test", b.Consumer("q"), func(_ context.Context, mm []*async.Message) error {
			batches.Add(1)
			messages.Add(int64(len(mm)))
			return nil
		}, async.WithBatchSize(10), async.WithRateLimit(1, time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			if err := b.Producer("q").Send(t.Context(), keyed(strconv.Itoa(i), strconv.Itoa(i%3))); err != nil {
				t.Fatal(err)
			}
		}
		r := start(t, b, c, time.Minute)
		time.Sleep(2500 * time.Millisecond)
		if batches.Load() != 3 || messages.Load() != 30 {
			t.Errorf("%d batches of %d messages within 2.5s, want 3 of 30", batches.Load(), messages.Load())
		}
		time.Sleep(time.Second)
		if err := r.end(); err != nil || messages.Load() != 40 {
			t.Errorf("Run: got %v and %d messages, want nil and 40", err, messages.Load())
		}
	})
}

func TestALimitedMessageHoldsNoWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		c := newComponent(t, b, func(context.Context, *async.Message) error { return nil }, async.WithConcurrency(3),
			async.WithRateLimit(1, time.Hour))
		r := start(t, b, c, time.Minute)
		r.send(keyed("1", "a"), keyed("2", "b"), keyed("3", "c"), keyed("4", "d"))
		time.Sleep(time.Minute)

		if info := c.Info(); info["held"] != 3 || info["running"] != 0 {
			t.Errorf("held %v, running %v, want 3 held and no worker", info["held"], info["running"])
		}
		began := time.Now()
		if err := r.end(); err != nil || time.Since(began) > time.Second || b.Len("q") != 3 {
			t.Errorf("Run: got %v after %v with %d left, want nil at once and 3 given back", err, time.Since(began), b.Len("q"))
		}
	})
}

func TestTheRateLimitIsKeptWhileAVolatileSourceIsDrained(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		grace time.Duration
		left  string // in the error of Run
		took  time.Duration
	}{
		"time enough": {time.Minute, "", 9 * time.Second},
		"too little":  {5500 * time.Millisecond, "4 messages left", 5500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				c := newComponent(t, b, func(context.Context, *async.Message) error { return nil }, async.WithRateLimit(1, time.Second))
				r := start(t, b, c, tc.grace)
				for i := range 10 {
					r.send(keyed(strconv.Itoa(i), strconv.Itoa(i)))
				}
				synctest.Wait()

				began := time.Now()
				err := r.end()

				if took := time.Since(began); took < tc.took || took > tc.took+100*time.Millisecond {
					t.Errorf("the stop took %v, want %v", took, tc.took)
				}
				if tc.left == "" && err != nil || tc.left != "" && (err == nil || !strings.Contains(err.Error(), tc.left)) {
					t.Errorf("Run: got %v, want %q", err, tc.left)
				}
			})
		})
	}
}

func TestALimitedMessageMayBeRevoked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newBroker(t, memory.WithoutDrain(), memory.WithClaims())
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error { j.addf("%s", m.ID); return nil }, async.WithConcurrency(2),
			async.WithRateLimit(1, time.Second))
		r := start(t, b, c, time.Minute)
		r.send(keyed("1", "k"), keyed("2", "k"), keyed("3", "k"))
		synctest.Wait()

		b.Revoke(t.Context(), "q")
		b.Down()
		b.Up() // and the limit outlives the connection
		time.Sleep(1500 * time.Millisecond)

		j.want(t, "1", "2")
		time.Sleep(time.Second)
		j.want(t, "1", "2", "3")
		if err := r.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestARateLimitThatMakesNoSenseIsSaid(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	_, err := async.New("test", b.Consumer("q"), func(context.Context, *async.Message) error { return nil },
		async.WithRateLimit(0, 0), async.WithWatchdog(-time.Second))
	for _, part := range []string{"rate limit: ", "limit 0: want at least 1", "period 0s: want above 0", "watchdog -1s: want above 0, or WithoutWatchdog"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("New: got %v, want it to say %q", err, part)
		}
	}
	if errors.Is(err, errors.ErrUnsupported) {
		t.Error("it is not unsupported")
	}
}
