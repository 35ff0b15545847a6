package async_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/reliability"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a component on a queue of a memory broker, running until it is stopped.
type rig struct {
	t      *testing.T
	broker *memory.Broker
	c      *async.Component
	stop   context.CancelFunc
	done   chan error
}

// start runs c with a grace period. It must be called in a bubble.
func start(t *testing.T, broker *memory.Broker, c *async.Component, grace time.Duration) *rig {
	t.Helper()
	ctx, stop := context.WithCancel(component.WithGrace(t.Context(), grace, nil))
	r := &rig{t: t, broker: broker, c: c, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	return r
}

func (r *rig) send(mm ...*async.Message) {
	r.t.Helper()
	if err := r.broker.Producer("q").Send(r.t.Context(), mm...); err != nil {
		r.t.Fatalf("Send: %v", err)
	}
}

// end stops the component and returns what Run returned.
func (r *rig) end() error {
	r.t.Helper()
	r.stop()
	return <-r.done
}

func newBroker(t *testing.T, oo ...memory.OptionFunc) *memory.Broker {
	t.Helper()
	b, err := memory.New(oo...)
	if err != nil {
		t.Fatalf("memory.New: %v", err)
	}
	return b
}

func newComponent(t *testing.T, b *memory.Broker, proc async.ProcessorFunc, oo ...async.OptionFunc) *async.Component {
	t.Helper()
	c, err := async.New("test", b.Consumer("q"), proc, oo...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

func keyed(id, key string) *async.Message {
	return &async.Message{ID: id, Key: []byte(key), Data: []byte(id)}
}

// journal notes what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) addf(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) want(t *testing.T, lines ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, lines) {
		t.Errorf("got  %q\nwant %q", j.lines, lines)
	}
}

var errBroken = errors.New("broken")

func TestOptionsThatCannotBeAreErrorsOfNew(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	proc := func(context.Context, *async.Message) error { return nil }
	for name, tc := range map[string]struct {
		oo   []async.OptionFunc
		want string
	}{
		"no concurrency":        {[]async.OptionFunc{async.WithConcurrency(0)}, "concurrency 0: want at least 1"},
		"nothing held":          {[]async.OptionFunc{async.WithMaxHeld(0)}, "max held 0: want at least 1"},
		"no tries":              {[]async.OptionFunc{async.WithTries(0)}, "tries 0: want at least 1"},
		"backoff upside down":   {[]async.OptionFunc{async.WithBackoff(2, 1)}, "backoff 2ns to 1ns"},
		"nil option":            {[]async.OptionFunc{nil}, "option 0 is nil"},
		"nil middleware":        {[]async.OptionFunc{async.WithMiddlewares(nil)}, "middleware 0 is nil"},
		"delays need Unordered": {[]async.OptionFunc{async.WithDelays(time.Second)}, "add Unordered"},
		"delay of nothing":      {[]async.OptionFunc{async.WithDelays(0), async.Unordered()}, "delay 0s: want above 0"},
		"unknown strategy":      {[]async.OptionFunc{async.WithFailureStrategy(9)}, "failure strategy 9"},
		"batch size":            {[]async.OptionFunc{async.WithBatchSize(5)}, "only for NewBatch"},
		"more hands than room":  {[]async.OptionFunc{async.WithConcurrency(9), async.WithMaxHeld(3)}, "concurrency 9: want at most max held, 3"},
		"nil on dead":           {[]async.OptionFunc{async.WithOnDead(nil)}, "on dead: function is nil"},
		"negative retries":      {[]async.OptionFunc{async.WithRetries(-1)}, "retries -1"},
		"timeout":               {[]async.OptionFunc{async.WithHandlerTimeout(0)}, "handler timeout 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := async.New("test", b.Consumer("q"), proc, tc.oo...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("New: got error %v, want one with %q", err, tc.want)
			}
		})
	}
	if _, err := async.New("", nil, nil); err == nil || !strings.Contains(err.Error(), "name is empty") ||
		!strings.Contains(err.Error(), "processor is nil") || !strings.Contains(err.Error(), "consumer factory is nil") {
		t.Errorf("New of nothing: got error %v, want every fault", err)
	}
}

func TestLanesKeepTheirOrderAndRunConcurrently(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 4} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const keys, each = 8, 50
				var mu sync.Mutex
				got := make(map[string][]string)
				running, most := make(map[string]int), 0
				b := newBroker(t)
				c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
					key := string(m.Key)
					mu.Lock()
					running[key]++
					if running[key] > 1 {
						t.Errorf("key %s: two at a time", key)
					}
					most = max(most, len(running))
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					if running[key]--; running[key] == 0 {
						delete(running, key)
					}
					if n := len(got[key]); m.Attempt == 1 && n%7 == 3 {
						return errBroken
					}
					got[key] = append(got[key], m.ID)
					return nil
				}, async.WithConcurrency(concurrency))
				r := start(t, b, c, time.Second)

				var want []string
				for i := range each {
					want = append(want, strconv.Itoa(i))
					for k := range keys {
						r.send(keyed(strconv.Itoa(i), string(rune('a'+k))))
					}
				}
				synctest.Wait()
				time.Sleep(time.Minute)
				if err := r.end(); err != nil {
					t.Fatalf("Run: %v", err)
				}

				for k := range keys {
					if key := string(rune('a' + k)); !slices.Equal(got[key], want) {
						t.Errorf("key %s: got %v, want %v", key, got[key], want)
					}
				}
				if most != concurrency {
					t.Errorf("at most %d handlers at a time, want %d", most, concurrency)
				}
			})
		})
	}
}

func TestAFailedMessageHoldsItsLaneButNoWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newBroker(t)
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			j.addf("%s %d", m.ID, m.Attempt)
			if m.ID == "a1" && m.Attempt < 3 {
				return errBroken
			}
			return nil
		}, async.WithBackoff(time.Second, time.Second))
		r := start(t, b, c, time.Second)

		r.send(keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"), keyed("b2", "b"))
		time.Sleep(time.Minute)

		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		j.want(t, "a1 1", "b1 1", "b2 1", "a1 2", "a1 3", "a2 1")
	})
}

func TestAPoisonMessageIsDeadWithItsCause(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail     func() error
		attempts int
	}{
		"after its tries":        {func() error { return errBroken }, 3},
		"at once when permanent": {func() error { return reliability.Permanent(errBroken) }, 1},
		"after its panics":       {func() error { panic(errBroken) }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var j journal
				b := newBroker(t)
				c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
					if m.ID == "bad" {
						return tc.fail()
					}
					j.addf("%s", m.ID)
					return nil
				}, async.WithOnDead(func(_ context.Context, m *async.Message, cause error) error {
					j.addf("dead %s after %d, cause known: %t", m.ID, m.Attempt, errors.Is(cause, errBroken))
					return nil
				}))
				r := start(t, b, c, time.Second)

				r.send(keyed("bad", "a"), keyed("good", "a"))
				time.Sleep(time.Minute)

				if err := r.end(); err != nil {
					t.Fatalf("Run: %v", err)
				}
				j.want(t, fmt.Sprintf("dead bad after %d, cause known: true", tc.attempts), "good")
				dead := b.DeadLetters("q")
				if len(dead) != 1 || dead[0].ID != "bad" {
					t.Fatalf("dead letters: got %v, want the one", dead)
				}
				if got := dead[0].Headers.Get(async.HeaderDeadAttempt); got != strconv.Itoa(tc.attempts) {
					t.Errorf("attempts of the dead letter: got %s, want %d", got, tc.attempts)
				}
				if got := dead[0].Headers.Get(async.HeaderDeadCause); !strings.Contains(got, "broken") {
					t.Errorf("cause of the dead letter: got %q, want broken", got)
				}
			})
		})
	}
}

func TestADeadLetterThatIsNotToldKeepsTheMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		told := 0
		b := newBroker(t)
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			j.addf("%s", m.ID)
			if m.ID == "bad" {
				return reliability.Permanent(errBroken)
			}
			return nil
		}, async.WithOnDead(func(context.Context, *async.Message, error) error {
			if told++; told < 3 {
				return errBroken
			}
			j.addf("told")
			return nil
		}))
		r := start(t, b, c, time.Second)

		r.send(keyed("bad", "a"), keyed("good", "a"))
		time.Sleep(time.Minute)

		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		j.want(t, "bad", "told", "good")
		if n := len(b.DeadLetters("q")); n != 1 {
			t.Errorf("dead letters: got %d, want 1", n)
		}
	})
}

func TestNackExitEndsTheServiceAndKeepsTheMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newBroker(t)
		fail := true
		proc := func(_ context.Context, m *async.Message) error {
			j.addf("%s %d", m.ID, m.Attempt)
			if m.ID == "a2" && fail {
				return errBroken
			}
			return nil
		}
		withoutDead := factoryWith(b.Consumer("q"), func(t *async.Traits) { t.DeadLetters, t.Volatile = false, false })
		c, err := async.New("test", withoutDead, proc, async.WithTries(1))
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, b, c, time.Second)
		r.send(keyed("a1", "a"), keyed("a2", "a"), keyed("a3", "a"))

		err = <-r.done

		if err == nil || !errors.Is(err, errBroken) || !strings.Contains(err.Error(), `message "a2" of q failed at attempt 1`) {
			t.Fatalf("Run: got %v, want the message and its cause", err)
		}
		fail = false
		again := start(t, b, newComponent(t, b, proc), time.Second)
		time.Sleep(time.Minute)
		if err := again.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		j.want(t, "a1 1", "a2 1", "a2 2", "a3 1")
	})
}

func TestStrategiesWithoutADeadLetter(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		strategy async.Strategy
		want     []string
	}{
		"nack tries for ever": {async.NackStrategy, []string{"a1 1", "a1 2", "a1 3", "a1 4", "a2 1"}},
		"ack takes it off":    {async.AckStrategy, []string{"a1 1", "a1 2", "a2 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var j journal
				b := newBroker(t)
				c, err := async.New("test", factoryWith(b.Consumer("q"), func(t *async.Traits) { t.DeadLetters = false }),
					func(_ context.Context, m *async.Message) error {
						j.addf("%s %d", m.ID, m.Attempt)
						if m.ID == "a1" && m.Attempt < 4 {
							return errBroken
						}
						return nil
					}, async.WithTries(2), async.WithFailureStrategy(tc.strategy))
				if err != nil {
					t.Fatal(err)
				}
				r := start(t, b, c, time.Second)

				r.send(keyed("a1", "a"), keyed("a2", "a"))
				time.Sleep(time.Minute)

				if err := r.end(); err != nil {
					t.Fatalf("Run: %v", err)
				}
				j.want(t, tc.want...)
			})
		})
	}
}

func TestDelaysOffTheLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newBroker(t)
		began := time.Now()
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			j.addf("%s %d at %v", m.ID, m.Attempt, time.Since(began).Round(time.Second))
			if m.ID == "bad" {
				return errBroken
			}
			return nil
		}, async.Unordered(), async.WithTries(1), async.WithDelays(10*time.Second, 30*time.Second))
		r := start(t, b, c, time.Second)

		r.send(&async.Message{ID: "bad"}, &async.Message{ID: "good"})
		time.Sleep(2 * time.Minute)

		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		j.want(t, "bad 1 at 0s", "good 1 at 0s", "bad 2 at 10s", "bad 3 at 40s")
		if n := len(b.DeadLetters("q")); n != 1 {
			t.Errorf("dead letters: got %d, want 1", n)
		}
	})
}

func TestAVolatileSourceIsDrainedToEmpty(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 4} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var handled atomic.Int64
				b := newBroker(t)
				c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
					time.Sleep(time.Millisecond)
					if m.Attempt < 2 {
						return errBroken
					}
					handled.Add(1)
					return nil
				}, async.WithConcurrency(concurrency), async.WithBackoff(time.Hour, time.Hour))
				r := start(t, b, c, time.Minute)
				for i := range 500 {
					r.send(keyed(strconv.Itoa(i), strconv.Itoa(i%50)))
				}
				time.Sleep(10 * time.Millisecond)

				err := r.end()

				if err != nil || handled.Load() != 500 || b.Len("q") != 0 {
					t.Errorf("Run: got error %v, %d handled, %d left; want nil, 500, 0", err, handled.Load(), b.Len("q"))
				}
				if err := b.Producer("q").Send(t.Context(), keyed("late", "a")); !errors.Is(err, async.ErrClosed) {
					t.Errorf("Send after the drain: got %v, want ErrClosed", err)
				}
			})
		})
	}
}

func TestWhatIsLeftOfAVolatileSourceIsCounted(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 4} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var j journal
				b := newBroker(t)
				c := newComponent(t, b, func(ctx context.Context, m *async.Message) error {
					if m.ID == "0" {
						j.addf("0 done")
						return nil
					}
					<-ctx.Done()
					return ctx.Err()
				}, async.WithConcurrency(concurrency))
				r := start(t, b, c, time.Second)
				for i := range 10 {
					r.send(keyed(strconv.Itoa(i), strconv.Itoa(i)))
				}
				synctest.Wait()

				err := r.end()

				if err == nil || !strings.Contains(err.Error(), "9 messages left") {
					t.Errorf("Run: got %v, want 9 messages left", err)
				}
				j.want(t, "0 done")
			})
		})
	}
}

func TestAHandlerThatIgnoresItsContextIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		free := make(chan struct{})
		c := newComponent(t, b, func(context.Context, *async.Message) error { <-free; return nil }, async.WithConcurrency(2))
		r := start(t, b, c, time.Second)
		r.send(keyed("1", "a"))
		synctest.Wait()

		began := time.Now()
		err := r.end()

		if err == nil || !strings.Contains(err.Error(), "1 handlers still running") || !strings.Contains(err.Error(), "1 messages left") {
			t.Errorf("Run: got %v, want who still runs and what is left", err)
		}
		if took := time.Since(began); took != time.Second+component.SettleTime {
			t.Errorf("Run took %v, want grace and settle time", took)
		}
		close(free)
	})
}

func TestAHandlerTimeoutIsTransient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newBroker(t)
		c := newComponent(t, b, func(ctx context.Context, m *async.Message) error {
			if m.Attempt == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			j.addf("%s %d", m.ID, m.Attempt)
			return nil
		}, async.WithHandlerTimeout(time.Second))
		r := start(t, b, c, time.Second)

		r.send(keyed("1", "a"))
		time.Sleep(time.Minute)

		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		j.want(t, "1 2")
	})
}

func TestMiddlewaresRunOutsideInForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		around := func(name string) async.MiddlewareFunc {
			return func(next async.ProcessorFunc) async.ProcessorFunc {
				return func(ctx context.Context, m *async.Message) error {
					j.addf("%s", name)
					return next(ctx, m)
				}
			}
		}
		b := newBroker(t)
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			j.addf("handler")
			if m.Attempt == 1 {
				return errBroken
			}
			return nil
		}, async.WithMiddlewares(around("outer"), around("inner")))
		r := start(t, b, c, time.Second)

		r.send(keyed("1", "a"))
		time.Sleep(time.Minute)

		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		j.want(t, "outer", "inner", "handler", "outer", "inner", "handler")
	})
}

func TestStopLaneOnDeadKeepsTheLaneClosedUntilItIsOpened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newBroker(t)
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			if m.ID == "a1" {
				return reliability.Permanent(errBroken)
			}
			j.addf("%s", m.ID)
			return nil
		}, async.StopLaneOnDead(), async.WithConcurrency(2))
		r := start(t, b, c, time.Second)

		r.send(keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"))
		time.Sleep(time.Minute)
		j.want(t, "b1")
		if n := c.OpenLanes(); n != 1 {
			t.Errorf("OpenLanes: got %d, want 1", n)
		}
		time.Sleep(time.Minute)

		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		j.want(t, "b1", "a2")
	})
}

// factoryWith changes what a factory says of its broker.
func factoryWith(cf async.ConsumerFactory, change func(*async.Traits)) async.ConsumerFactory {
	traits := cf.Traits()
	change(&traits)
	return &changedFactory{ConsumerFactory: cf, traits: traits}
}

type changedFactory struct {
	async.ConsumerFactory
	traits async.Traits
}

func (f *changedFactory) Traits() async.Traits { return f.traits }

func TestALostConnectionIsToldAsTheOptionsSay(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		oo       []async.OptionFunc
		critical bool
	}{
		"degraded":           {nil, false},
		"critical by option": {[]async.OptionFunc{async.WithCriticalCheck()}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				c := newComponent(t, b, func(context.Context, *async.Message) error { return nil }, tc.oo...)
				if err := c.Check(t.Context()); err == nil || component.IsCritical(err) != tc.critical {
					t.Errorf("before Run: got %v, critical %t, want an error, critical %t", err, component.IsCritical(err), tc.critical)
				}
				r := start(t, b, c, time.Second)
				synctest.Wait()
				if err := c.Check(t.Context()); err != nil {
					t.Errorf("connected: got %v, want nil", err)
				}

				b.Down()
				synctest.Wait()

				if err := c.Check(t.Context()); !errors.Is(err, memory.ErrDown) || component.IsCritical(err) != tc.critical {
					t.Errorf("broker down: got %v, critical %t, want %v, critical %t", err, component.IsCritical(err), memory.ErrDown, tc.critical)
				}
				b.Up()
				time.Sleep(time.Minute)
				if err := c.Check(t.Context()); err != nil {
					t.Errorf("broker up again: got %v, want nil", err)
				}
				if err := r.end(); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

func TestAVerdictDoesNotWaitForTheNextHandler(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 2} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
					if m.ID == "fast" {
						return nil
					}
					time.Sleep(time.Hour)
					return nil
				}, async.WithConcurrency(concurrency))
				r := start(t, b, c, 4*time.Hour)

				r.send(keyed("fast", "a"), keyed("slow", "b"), keyed("slow", "c"), keyed("slow", "d"))
				time.Sleep(time.Second)

				if n := b.Len("q"); n != 3 {
					t.Errorf("%d messages are not settled a second after the handler of the first one ended, want the 3 slow ones", n)
				}
				if err := r.end(); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}
