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
	"github.com/beatlabs/patron/internal/logtest"
)

func TestASeekProcessesAgainOrPassesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k byKey
		b := logtest.New("orders", 2, 0)
		c := onLog(t, b, k.process)
		s := watched(t, c)
		for i := range 4 {
			sendLog(t, b, i, 1)
			time.Sleep(time.Second)
		}
		third := time.Now().Add(-2 * time.Second)
		want := func(p async.Position, a, b []string) {
			t.Helper()
			k.mu.Lock()
			k.ids = nil
			k.mu.Unlock()
			if err := c.Seek(t.Context(), p); err != nil {
				t.Fatalf("Seek %v: %v", p, err)
			}
			synctest.Wait()
			if got := k.of("a"); !slices.Equal(got, a) {
				t.Errorf("seek %v: got %v of a, want %v", p, got, a)
			}
			if got := k.of("b"); !slices.Equal(got, b) {
				t.Errorf("seek %v: got %v of b, want %v", p, got, b)
			}
		}
		all := func(key string, from int) (ids []string) {
			for i := from; i < 4; i++ {
				ids = append(ids, key+strconv.Itoa(i))
			}
			return ids
		}

		want(async.Oldest(), all("a", 0), all("b", 0))
		want(async.At(third), all("a", 2), all("b", 2))
		want(async.At(third.Add(time.Hour)), nil, nil)
		want(async.Oldest().Of(k.source["a"]), all("a", 0), nil)
		want(async.Oldest().Of("orders"), all("a", 0), all("b", 0))
		want(async.Offset(k.source["b"], 3), nil, all("b", 3))
		c.Pause()
		if err := c.Seek(t.Context(), async.Oldest()); err != nil {
			t.Fatal(err)
		}
		want(async.Newest(), nil, nil)
		c.Resume()
		synctest.Wait()
		if a, b := k.of("a"), k.of("b"); len(a)+len(b) > 0 {
			t.Errorf("got %v and %v after a seek to the newest", a, b)
		}
		if n := s.logged("position moved"); n != 8 {
			t.Errorf("%d lines in the log, want one for each seek", n)
		}
		s.end(t)
	})
}

func TestASeekThatCannotBeIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nothing := func(context.Context, *async.Message) error { return nil }
		b := logtest.New("orders", 2, 0)
		c := onLog(t, b, nothing)
		broker := newBroker(t)
		queue := newComponent(t, broker, nothing)
		if err := c.Seek(t.Context(), async.Oldest()); err == nil || !strings.Contains(err.Error(), "not connected") {
			t.Errorf("before Run: got %v, want it to say that there is no connection", err)
		}
		s := watched(t, c)
		r := start(t, broker, queue, time.Minute)
		synctest.Wait()

		if err := queue.Seek(t.Context(), async.Oldest()); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "*memory.consumer") {
			t.Errorf("a queue: got %v, want ErrUnsupported and the name of the consumer", err)
		}
		for _, tc := range []struct {
			p    async.Position
			want string
		}{
			{async.Position{}, "want Oldest, Newest, At or Offset"},
			{async.At(time.Time{}), "the time is zero"},
			{async.Offset("", 3), "want the source that it is of"},
			{async.Offset("orders/0", -1), "offset -1: want at least 0"},
			{async.Offset("orders/0", 7), "offset 7 of orders/0: want at most 0"},
			{async.Offset("orders", 0), "want one source, not 2"},
			{async.Newest().Of("payments"), `seek newest of payments: source "payments"`},
		} {
			if err := c.Seek(t.Context(), tc.p); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), `component "test"`) {
				t.Errorf("seek %v: got %v, want %q", tc.p, err, tc.want)
			}
		}
		if n := s.logged("connection lost"); n > 0 {
			t.Error("the connection was made anew for seeks that could not be")
		}
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errBroken)
		s.end(t)
		if err := c.Seek(ended, async.Oldest()); err == nil {
			t.Error("after the end: got nil, want an error")
		}
		if err := r.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// brokenSeeker is a log whose Seek does what seek says, after it ended the claims.
type brokenSeeker struct {
	async.ConsumerFactory
	seek func(ctx context.Context) error
}

type brokenSeek struct {
	async.Consumer
	seek func(ctx context.Context) error
}

func (f brokenSeeker) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.ConsumerFactory.Create(ctx)
	return brokenSeek{c, f.seek}, err
}

func (c brokenSeek) Seek(ctx context.Context, _ async.Position) error { return c.seek(ctx) }

func TestASeekThatBreaksMakesTheConnectionAnew(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		seek func(context.Context) error
		anew int
	}{
		"lost":    {func(context.Context) error { return async.ErrLost }, 1},
		"panic":   {func(context.Context) error { panic("no such thing") }, 1},
		"refused": {func(context.Context) error { return errBroken }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				b := logtest.New("orders", 1, 0)
				c, err := async.New("test", brokenSeeker{b.Factory(), tc.seek}, func(context.Context, *async.Message) error { n.Add(1); return nil })
				if err != nil {
					t.Fatal(err)
				}
				s := watched(t, c)

				err = c.Seek(t.Context(), async.Oldest())
				time.Sleep(time.Minute)
				sendLog(t, b, 0, 2)
				synctest.Wait()

				if err == nil {
					t.Error("Seek: got nil, want an error")
				}
				if got := s.logged("connection lost"); got != tc.anew || n.Load() != 4 {
					t.Errorf("the connection was lost %d times and %d messages were processed, want %d and 4", got, n.Load(), tc.anew)
				}
				s.end(t)
			})
		})
	}
}

// closeNoter notes when it is closed.
type closeNoter struct {
	async.ConsumerFactory
	j    *journal
	seek func(ctx context.Context) error
}

type notedClose struct {
	brokenSeek
	j *journal
}

func (f closeNoter) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.ConsumerFactory.Create(ctx)
	return notedClose{brokenSeek{c, f.seek}, f.j}, err
}

func (c notedClose) Close(ctx context.Context) error {
	c.j.addf("close")
	return c.Consumer.Close(ctx)
}

func TestAStopEndsASeekThatWaitsForTheBrokerAndClosesAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := logtest.New("orders", 1, 0)
		c, err := async.New("test", closeNoter{b.Factory(), &j, func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(100 * time.Millisecond)
			j.addf("seek over")
			return ctx.Err()
		}}, func(context.Context, *async.Message) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		s := watched(t, c)
		done := make(chan error, 1)
		go func() { done <- c.Seek(t.Context(), async.Oldest()) }()
		synctest.Wait()

		began := time.Now()
		s.end(t)

		if err := <-done; err == nil || time.Since(began) > time.Second {
			t.Errorf("Seek: got %v, and the stop took %v, want an error and no wait for the grace period", err, time.Since(began))
		}
		j.want(t, "seek over", "close")
	})
}

func TestAStopDuringASeekLetsTheHandlerFinish(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		takes time.Duration
		want  error // of the context of the handler
	}{
		"within the grace period": {5 * time.Second, nil},
		"beyond it":               {time.Minute, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := logtest.New("orders", 1, 0)
				var cancelled atomic.Value
				c := onLog(t, b, func(ctx context.Context, _ *async.Message) error {
					select {
					case <-time.After(tc.takes):
						return nil
					case <-ctx.Done():
						cancelled.Store(ctx.Err())
						return ctx.Err()
					}
				})
				s := watched(t, c)
				sendLog(t, b, 0, 1)
				synctest.Wait()
				done := make(chan error, 1)
				go func() { done <- c.Seek(t.Context(), async.Newest()) }()
				synctest.Wait()
				second := make(chan error, 1)
				go func() { second <- c.Seek(t.Context(), async.Oldest()) }()
				synctest.Wait()

				s.end(t) // which waits for the seek, and the seek for the handler

				if err := <-second; err == nil || b.Seeks() != 1 {
					t.Errorf("a second seek: got %v, and the driver was told %d times, want an error because of the stop", err, b.Seeks())
				}
				<-done
				if got, _ := cancelled.Load().(error); !errors.Is(got, tc.want) {
					t.Errorf("the context of the handler ended with %v, want %v", got, tc.want)
				}
			})
		})
	}
}

func TestASeekOpensTheLanesThatADeadLetterClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k byKey
		var healed atomic.Bool
		b := logtest.New("orders", 1, 0)
		c := onLog(t, b, func(ctx context.Context, m *async.Message) error {
			if m.ID == "a0" && !healed.Load() {
				return errBroken
			}
			return k.process(ctx, m)
		}, async.WithTries(1), async.StopLaneOnDead())
		s := watched(t, c)
		sendLog(t, b, 0, 2)
		time.Sleep(time.Second)
		if got := k.of("a"); len(got) > 0 {
			t.Errorf("got %v of the closed lane", got)
		}

		healed.Store(true)
		if err := c.Seek(t.Context(), async.Oldest()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		if got := k.of("a"); !slices.Equal(got, []string{"a0", "a1"}) {
			t.Errorf("after the seek: got %v, want both", got)
		}
		s.end(t)
	})
}
