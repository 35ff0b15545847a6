package async_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
)

func TestBatchesHoldLanesInOrder(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 3} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := make(chan *async.Message, 1000)
				b := newBroker(t)
				c, err := async.NewBatch("test", b.Consumer("q"), func(_ context.Context, mm []*async.Message) error {
					if len(mm) > 7 {
						t.Errorf("a batch of %d, want at most 7", len(mm))
					}
					time.Sleep(time.Millisecond)
					for _, m := range mm {
						got <- m
					}
					return nil
				}, async.WithBatchSize(7), async.WithConcurrency(concurrency))
				if err != nil {
					t.Fatal(err)
				}
				r := start(t, b, c, time.Second)

				var want []string
				for i := range 40 {
					want = append(want, strconv.Itoa(i))
					for _, key := range []string{"a", "b", "c", "d"} {
						r.send(keyed(strconv.Itoa(i), key))
					}
				}
				time.Sleep(time.Minute)

				if err := r.end(); err != nil {
					t.Fatalf("Run: %v", err)
				}
				close(got)
				ids := make(map[string][]string)
				for m := range got {
					ids[string(m.Key)] = append(ids[string(m.Key)], m.ID)
				}
				for key, ids := range ids {
					if !slices.Equal(ids, want) {
						t.Errorf("key %s: got %v, want %v", key, ids, want)
					}
				}
			})
		})
	}
}

func TestWhatABatchHandlerReturnsDecidesOverItsMessages(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		first func() error // of the first batch, a1 a2 a3 b1
		want  []string     // attempts, in the order of batches
	}{
		"nil: all done":         {func() error { return nil }, []string{"a1 1", "a2 1", "a3 1", "b1 1"}},
		"one failed":            {func() error { return async.FailAt(1, errBroken) }, []string{"a1 1", "a2 1", "a3 1", "b1 1", "a2 2"}},
		"two of a lane failed":  {func() error { return async.FailAt(0, errBroken).Add(2, errBroken) }, []string{"a1 1", "a2 1", "a3 1", "b1 1", "a1 2", "a3 2"}},
		"another error: all":    {func() error { return errBroken }, []string{"a1 1", "a2 1", "a3 1", "b1 1", "a1 2", "a2 2", "a3 2", "b1 2"}},
		"a panic: all":          {func() error { panic("broken") }, []string{"a1 1", "a2 1", "a3 1", "b1 1", "a1 2", "a2 2", "a3 2", "b1 2"}},
		"stopped at the second": {func() error { return async.StopAt(1, errBroken) }, []string{"a1 1", "a2 1", "a3 1", "b1 1", "b1 1", "a2 2", "a3 1"}},
		"stopped before all": {
			func() error { return &async.BatchError{Stopped: true, Stop: 0} },
			[]string{"a1 1", "a2 1", "a3 1", "b1 1", "a1 1", "a2 1", "a3 1", "b1 1"},
		},
	} {
		for _, concurrency := range []int{1, 2} {
			t.Run(name+" "+strconv.Itoa(concurrency), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var j journal
					b := newBroker(t)
					var batches atomic.Int64
					c, err := async.NewBatch("test", b.Consumer("q"), func(_ context.Context, mm []*async.Message) error {
						for _, m := range mm {
							j.addf("%s %d", m.ID, m.Attempt)
						}
						if batches.Add(1) == 1 {
							return tc.first()
						}
						return nil
					}, async.WithBatchSize(4), async.WithBatchWait(time.Second), async.WithConcurrency(concurrency))
					if err != nil {
						t.Fatal(err)
					}
					r := start(t, b, c, time.Second)

					r.send(keyed("a1", "a"), keyed("a2", "a"), keyed("a3", "a"), keyed("b1", "b"))
					time.Sleep(time.Minute)

					if err := r.end(); err != nil {
						t.Fatalf("Run: %v", err)
					}
					j.mu.Lock()
					defer j.mu.Unlock()
					got, want := slices.Clone(j.lines), slices.Clone(tc.want)
					byLane := func(lines []string, lane byte) []string {
						return slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return s[0] != lane })
					}
					for _, lane := range []byte("ab") {
						if g, w := byLane(got, lane), byLane(want, lane); !slices.Equal(g, w) {
							t.Errorf("lane %c: got %q, want %q", lane, g, w)
						}
					}
				})
			})
		}
	}
}

func TestABatchWaitsForMoreButNotForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		began := time.Now()
		b := newBroker(t)
		c, err := async.NewBatch("test", b.Consumer("q"), func(_ context.Context, mm []*async.Message) error {
			j.addf("%d at %v", len(mm), time.Since(began))
			return nil
		}, async.WithBatchSize(3), async.WithBatchWait(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, b, c, time.Second)

		r.send(keyed("1", "a"))
		time.Sleep(500 * time.Millisecond)
		r.send(keyed("2", "b"))
		time.Sleep(5 * time.Second)
		r.send(keyed("3", "a"), keyed("4", "b"), keyed("5", "c"), keyed("6", "d"))
		time.Sleep(5 * time.Second)

		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		j.want(t, "2 at 1s", "3 at 5.5s", "1 at 6.5s")
	})
}

func TestBatchErrors(t *testing.T) {
	t.Parallel()
	err := error(async.FailAt(3, errBroken).Add(1, context.Canceled).Add(2, nil))

	if got, want := err.Error(), "2 of the batch failed; 1: context canceled; 3: broken"; got != want {
		t.Errorf("Error: got %q, want %q", got, want)
	}
	if !errors.Is(err, errBroken) || !errors.Is(err, context.Canceled) {
		t.Error("errors.Is does not see the errors of the batch")
	}
	if (&async.BatchError{}).Err() != nil || (*async.BatchError)(nil).Err() != nil {
		t.Error("Err of an empty BatchError: want nil")
	}
	if b, ok := errors.AsType[*async.BatchError](async.StopAt(2, errBroken).Err()); !ok || !b.Stopped || b.Stop != 3 {
		t.Errorf("StopAt: got %+v", b)
	}
}

func TestABatchHandlerMayDoWhatItLikesWithItsSlice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		var kept [][]*async.Message
		var seen journal
		c, err := async.NewBatch("test", b.Consumer("q"), func(_ context.Context, mm []*async.Message) error {
			var ids []string
			for _, m := range mm {
				ids = append(ids, m.ID)
			}
			seen.addf("%s", strings.Join(ids, " "))
			kept = append(kept, mm)
			if len(kept) > 1 {
				return nil
			}
			slices.Reverse(mm)
			clear(mm[1:])
			return async.FailAt(0, errBroken)
		}, async.WithBatchSize(3), async.WithBackoff(time.Minute, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, b, c, time.Second)

		r.send(keyed("1", "a"), keyed("2", "b"), keyed("3", "c"), keyed("4", "d"))
		time.Sleep(time.Hour)

		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		seen.want(t, "1 2 3", "4", "1")
		if got := kept[0]; got[0].ID != "3" || got[1] != nil || got[2] != nil {
			t.Errorf("the slice of the first batch, kept: %v, want the third message and two nil", got)
		}
		if n := b.Len("q"); n != 0 {
			t.Errorf("%d messages are left, want 0", n)
		}
	})
}
