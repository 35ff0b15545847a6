package async_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/component"
)

// wantStall fails the test unless Check, the gauge and Info tell of a stall, and Check says all the parts.
func (s *seen) wantStall(t *testing.T, parts ...string) {
	t.Helper()
	err := s.c.Check(t.Context())
	if !errors.Is(err, async.ErrStalled) {
		t.Errorf("Check: got %v, want ErrStalled", err)
		return
	}
	if component.IsCritical(err) {
		t.Errorf("Check: got a critical error, %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Check: got %q, want it to say %q", err, part)
		}
	}
	if got := s.gauge(t, "patron_consumer_stalled", "patron_component=test"); got != 1 {
		t.Errorf("the gauge is %v, want 1", got)
	}
	if s.c.Info()["stalled"] == nil {
		t.Error("Info says nothing")
	}
}

func (s *seen) wantNoStall(t *testing.T, when string) {
	t.Helper()
	if err := s.c.Check(t.Context()); err != nil {
		t.Errorf("Check %s: got %v, want nil", when, err)
	}
	if got := s.gauge(t, "patron_consumer_stalled", "patron_component=test"); got != 0 {
		t.Errorf("the gauge %s is %v, want 0", when, got)
	}
	if got := s.c.Info()["stalled"]; got != nil {
		t.Errorf("Info %s: got %v, want nothing", when, got)
	}
}

func publish(t *testing.T, b *memory.Broker, mm ...*async.Message) {
	t.Helper()
	if err := b.Producer("q").Send(t.Context(), mm...); err != nil {
		t.Fatal(err)
	}
}

func TestAHandlerThatHangsIsNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		concurrency int
		want        string
	}{
		"alone":  {1, "is still running"},
		"of two": {2, "and 1 more is still running"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				leave := make(chan struct{})
				b := newBroker(t, memory.WithoutDrain())
				c := newComponent(t, b, func(context.Context, *async.Message) error { <-leave; return nil },
					async.WithConcurrency(tc.concurrency), async.WithCriticalCheck())
				s := watched(t, c)
				publish(t, b, keyed("m\n1", "k\x00"+strings.Repeat("x", 100)), keyed("m2", "other"), keyed("m3", "third"))
				time.Sleep(59 * time.Second)
				s.wantNoStall(t, "before a minute is over")
				time.Sleep(7 * time.Second)

				s.wantStall(t, `component "test": stalled for 1m1s: the handler of message "m\n1" of q (key "k\x00xxx`, `xx"…)`, tc.want)
				if err := c.Check(t.Context()); err != nil && len(err.Error()) > 250 {
					t.Errorf("Check: got %d characters: a long key must not fill the page", len(err.Error()))
				}
				time.Sleep(time.Minute)
				s.wantStall(t, "stalled for 2m1s")
				if n := s.logged("consumer stalled"); n != 1 {
					t.Errorf("%d warnings, want 1", n)
				}

				close(leave)
				time.Sleep(5 * time.Second)

				s.wantNoStall(t, "after it went on")
				if n := s.logged("consumer stall over"); n != 1 {
					t.Errorf("%d lines that it is over, want 1", n)
				}
				s.end(t)
			})
		})
	}
}

func TestWhatWaitsOnPurposeIsNoStall(t *testing.T) {
	t.Parallel()
	good := func(context.Context, *async.Message) error { return nil }
	bad := func(context.Context, *async.Message) error { return errBroken }
	hang := func(ctx context.Context, _ *async.Message) error { <-ctx.Done(); return ctx.Err() }
	for name, tc := range map[string]struct {
		proc async.ProcessorFunc
		oo   []async.OptionFunc
		act  func(*async.Component)
	}{
		"a pause":                   {proc: good, act: (*async.Component).Pause},
		"the rate limit":            {proc: good, oo: []async.OptionFunc{async.WithRateLimit(1, time.Hour)}},
		"the rate limit, bound hit": {proc: good, oo: []async.OptionFunc{async.WithRateLimit(1, time.Hour), async.WithMaxHeld(1)}},
		"a pause between tries":     {proc: bad, oo: []async.OptionFunc{async.WithBackoff(time.Hour, time.Hour)}},
		"a delay off the lane": {proc: bad, oo: []async.OptionFunc{
			async.WithTries(1), async.WithDelays(time.Hour), async.Unordered(),
		}},
		"nothing there":      {proc: good},
		"without a watchdog": {proc: hang, oo: []async.OptionFunc{async.WithoutWatchdog()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, memory.WithoutDrain())
				c := newComponent(t, b, tc.proc, tc.oo...)
				s := watched(t, c)
				if tc.act != nil {
					tc.act(c)
				}
				publish(t, b, keyed("1", "k"), keyed("2", "k"), keyed("3", "k"))
				for range 50 {
					time.Sleep(time.Minute)
					s.wantNoStall(t, "while it waits")
				}
				if name != "nothing there" && b.Len("q") == 0 {
					t.Error("nothing waits: the case shows nothing")
				}
				s.stop()
				<-s.done
			})
		})
	}
}

func TestABatchThatGathersIsNoStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		c, err := async.NewBatch("test", b.Consumer("q"), func(context.Context, []*async.Message) error { return nil },
			async.WithBatchWait(10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		s := watched(t, c)
		publish(t, b, keyed("1", "k"))
		time.Sleep(9 * time.Minute)
		s.wantNoStall(t, "while a batch gathers")
		s.end(t)
	})
}

func TestAHandlerThatHangsDuringAPauseIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		c := newComponent(t, b, func(ctx context.Context, _ *async.Message) error { <-ctx.Done(); return ctx.Err() },
			async.WithWatchdog(10*time.Second))
		s := watched(t, c)
		publish(t, b, keyed("1", "k"))
		synctest.Wait()
		c.Pause()
		time.Sleep(9 * time.Second)
		s.wantNoStall(t, "before the time of the watchdog")
		time.Sleep(4 * time.Second)
		s.wantStall(t, `message "1" of q (key "k")`)
		s.end(t)
		if n := s.logged("consumer stall over"); n != 1 {
			t.Errorf("%d lines that it is over, want 1 when the component ends", n)
		}
	})
}

func TestAClosedLaneIsReportedAsWhatItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var others atomic.Int64
		b := newBroker(t, memory.WithoutDrain())
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			if m.ID == "poison" {
				return errBroken
			}
			others.Add(1)
			return nil
		}, async.WithTries(1), async.StopLaneOnDead())
		s := watched(t, c)
		publish(t, b, keyed("poison", "k"))
		for range 30 {
			time.Sleep(10 * time.Second)
			publish(t, b, keyed("", "other"))
		}
		s.wantNoStall(t, "as long as nothing follows")

		publish(t, b, keyed("next", "k"), keyed("last", "k"))
		for range 7 {
			time.Sleep(10 * time.Second)
			publish(t, b, keyed("", "other")) // others go on
		}

		synctest.Wait()
		s.wantStall(t, `message "next" of q (key "k") and 1 more`, "StopLaneOnDead closed", "OpenLanes")
		if others.Load() < 37 {
			t.Errorf("%d of the others were processed, want them to go on", others.Load())
		}
		c.OpenLanes()
		time.Sleep(10 * time.Second)
		s.wantNoStall(t, "after the lane was opened")
		s.end(t)
	})
}

// deafConsumer answers Lag, but gives nothing or takes no verdict.
type deafFactory struct {
	async.ConsumerFactory
	receives, settles, tells bool
}

func (f deafFactory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.ConsumerFactory.Create(ctx)
	if err != nil {
		return nil, err
	}
	d := &deafConsumer{Consumer: c, f: f}
	if f.tells {
		return struct {
			*deafConsumer
			async.Lagger
		}{d, c.(async.Lagger)}, nil
	}
	return d, nil
}

type deafConsumer struct {
	async.Consumer
	f deafFactory
}

func (c *deafConsumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if c.f.receives {
		return c.Consumer.Receive(ctx, limit)
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (c *deafConsumer) Settle(ctx context.Context, ss []async.Settlement) error {
	if c.f.settles {
		return c.Consumer.Settle(ctx, ss)
	}
	for i := range ss {
		ss[i].Err = errBroken
	}
	return nil
}

func TestABrokerThatDoesNotAnswerIsAStall(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		f    deafFactory
		want string // "": no stall
	}{
		"gives nothing":                {deafFactory{tells: true}, "q has at least 1 messages ready, and none is received"},
		"gives nothing, tells nothing": {deafFactory{}, ""},
		"takes no verdict":             {deafFactory{receives: true}, `the broker has not taken the verdict on message "1" of q (key "k")`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, memory.WithoutDrain())
				tc.f.ConsumerFactory = b.Consumer("q")
				c, err := async.New("test", tc.f, func(context.Context, *async.Message) error { return nil })
				if err != nil {
					t.Fatal(err)
				}
				publish(t, b, keyed("1", "k"))
				s := watched(t, c)
				time.Sleep(70 * time.Second)

				if tc.want == "" {
					s.wantNoStall(t, "when nobody knows")
				} else {
					s.wantStall(t, tc.want)
				}
				s.stop()
				<-s.done
			})
		})
	}
}

func TestAPauseAndTheEndOfTheComponentEndAStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		c, err := async.New("test", deafFactory{ConsumerFactory: b.Consumer("q"), tells: true}, func(context.Context, *async.Message) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		publish(t, b, keyed("1", "k"))
		s := watched(t, c)
		time.Sleep(70 * time.Second)
		s.wantStall(t)

		c.Pause()
		time.Sleep(10 * time.Second)
		s.wantNoStall(t, "during a pause")
		c.Resume()
		time.Sleep(55 * time.Second)
		s.wantNoStall(t, "within a minute after the pause")
		time.Sleep(15 * time.Second)
		s.wantStall(t)

		s.end(t)
		if got := s.gauge(t, "patron_consumer_stalled", "patron_component=test"); got != 0 || c.Info()["stalled"] != nil {
			t.Errorf("after the end: the gauge is %v and Info says %v, want nothing", got, c.Info()["stalled"])
		}
	})
}
