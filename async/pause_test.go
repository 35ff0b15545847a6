package async_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	"github.com/beatlabs/patron/internal/logtest"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
)

// seen is a component that runs with a log and metrics of its own.
type seen struct {
	c        *async.Component
	registry *metric.Registry
	stop     context.CancelFunc
	done     chan error

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

func (s *seen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

// watched runs c, to be stopped by end. It must be called in a bubble.
func watched(t *testing.T, c *async.Component) *seen {
	t.Helper()
	s := &seen{c: c, registry: metric.NewRegistry(), done: make(chan error, 1)}
	ctx := trace.WithTelemetry(t.Context(), trace.NewTelemetry(nil, nil, s.registry))
	ctx = plog.WithContext(ctx, plog.New(plog.JSON(s, nil)))
	ctx, s.stop = context.WithCancel(component.WithGrace(ctx, 10*time.Second, nil))
	go func() { s.done <- c.Run(ctx) }()
	synctest.Wait()
	return s
}

func (s *seen) end(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// gauge returns the value of a series, or -1.
func (s *seen) gauge(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := s.registry.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var got []string
			for _, l := range m.GetLabel() {
				got = append(got, l.GetName()+"="+l.GetValue())
			}
			if slices.Equal(got, labels) {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// logged returns how many lines say message.
func (s *seen) logged(message string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.log.String(), message)
}

func TestAPauseHoldsWhatIsThereAndLetsRunningHandlersFinish(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 3} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var j journal
				b := newBroker(t, memory.WithoutDrain(), memory.WithVisibility(30*time.Second))
				c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
					j.addf("start %s", m.ID)
					time.Sleep(time.Second)
					j.addf("end %s", m.ID)
					return nil
				}, async.WithConcurrency(concurrency))
				r := start(t, b, c, time.Minute)
				r.send(keyed("1", "k"), keyed("2", "k"))
				synctest.Wait()

				c.Pause()
				c.Pause()
				time.Sleep(time.Hour)
				r.send(keyed("3", "k"), keyed("4", "other"))
				time.Sleep(time.Hour) // well beyond the visibility: the lease is extended
				r.send(keyed("5", "late"))
				time.Sleep(time.Hour)
				// The one receiver is also the worker if there is but one; else it had a receive under way, which brought message 4.
				if held, want := b.Held("q"), min(concurrency, 2); held != want {
					t.Errorf("%d messages are held, want %d: only what was there or under way", held, want)
				}

				j.want(t, "start 1", "end 1")
				if paused, ok := c.Info()["paused"].(bool); !ok || !paused {
					t.Error("Info does not say paused")
				}
				if err := c.Check(t.Context()); err != nil {
					t.Errorf("Check: got %v, want nil: a pause is no fault", err)
				}
				for _, m := range b.Messages("q") {
					if m.ID == "2" && m.Deliveries != 1 {
						t.Errorf("message 2 was delivered %d times, want it held", m.Deliveries)
					}
				}
				c.Resume()
				c.Resume()
				time.Sleep(time.Hour)

				if paused, ok := c.Info()["paused"].(bool); !ok || paused || b.Len("q") > 0 {
					t.Errorf("%d messages left after the pause, and Info says paused %t", b.Len("q"), paused)
				}
				if err := r.end(); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

func TestAPauseMayBeginBeforeRunAndShowsItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		b := newBroker(t, memory.WithoutDrain())
		c := newComponent(t, b, func(context.Context, *async.Message) error { n.Add(1); return nil })
		c.Pause()
		s := watched(t, c)
		if err := b.Producer("q").Send(t.Context(), keyed("1", "k")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		labels := []string{"messaging_destination_name=", "patron_component=test"}
		if got := s.gauge(t, "patron_consumer_paused", labels...); got != 1 || n.Load() != 0 {
			t.Errorf("the gauge is %v and %d messages were processed, want 1 and none", got, n.Load())
		}

		c.Resume()
		synctest.Wait()

		if got := s.gauge(t, "patron_consumer_paused", labels...); got != 0 || n.Load() != 1 {
			t.Errorf("the gauge is %v and %d messages were processed, want 0 and 1", got, n.Load())
		}
		s.end(t)
	})
}

func TestAPauseSurvivesAReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		b := newBroker(t, memory.WithoutDrain())
		c := newComponent(t, b, func(context.Context, *async.Message) error { n.Add(1); return nil })
		r := start(t, b, c, time.Minute)
		synctest.Wait()
		c.Pause()
		r.send(keyed("1", "k"))
		synctest.Wait() // the receive that was under way brought it
		b.Down()
		b.Up()
		r.send(keyed("2", "k"))
		time.Sleep(time.Minute)
		if n.Load() > 0 {
			t.Errorf("%d messages were processed during a pause", n.Load())
		}

		c.Resume() // now the loss of the connection is noticed, if it was not
		time.Sleep(time.Minute)

		if b.Len("q") != 0 || n.Load() < 2 {
			t.Errorf("%d messages left, %d processed after the pause", b.Len("q"), n.Load())
		}
		if err := r.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestAStopDuringAPauseIsAStop(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		oo        []memory.OptionFunc
		processed int64
		left      int
	}{
		"what is held is given back":    {[]memory.OptionFunc{memory.WithoutDrain()}, 0, 20},
		"a volatile source is drained":  {nil, 20, 0},
		"a volatile source with claims": {[]memory.OptionFunc{memory.WithClaims()}, 20, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				b := newBroker(t, tc.oo...)
				c := newComponent(t, b, func(context.Context, *async.Message) error { n.Add(1); return nil }, async.WithMaxHeld(5))
				r := start(t, b, c, time.Minute)
				synctest.Wait()
				c.Pause()
				for i := range 20 {
					r.send(keyed(strconv.Itoa(i), strconv.Itoa(i%3)))
				}
				synctest.Wait()
				if held := c.Info()["held"]; held == 0 {
					t.Error("nothing is held: the case shows nothing")
				}

				began := time.Now()
				err := r.end()

				if err != nil || time.Since(began) > time.Second {
					t.Errorf("Run: got %v after %v, want nil at once", err, time.Since(began))
				}
				if n.Load() != tc.processed || b.Len("q") != tc.left {
					t.Errorf("%d processed and %d left, want %d and %d", n.Load(), b.Len("q"), tc.processed, tc.left)
				}
			})
		})
	}
}

func TestAPauseDuringADrainChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		c := newComponent(t, b, func(context.Context, *async.Message) error { time.Sleep(time.Second); return nil })
		r := start(t, b, c, time.Minute)
		r.send(keyed("1", "k"), keyed("2", "k"), keyed("3", "k"))
		synctest.Wait()
		r.stop()
		synctest.Wait()

		c.Pause()

		if err := <-r.done; err != nil || b.Len("q") > 0 {
			t.Errorf("Run: got %v with %d messages left, want the source drained", err, b.Len("q"))
		}
	})
}

func TestARevocationDuringAPauseReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		b := newBroker(t, memory.WithoutDrain(), memory.WithClaims())
		c := newComponent(t, b, func(context.Context, *async.Message) error { n.Add(1); return nil })
		r := start(t, b, c, time.Minute)
		synctest.Wait()
		c.Pause()
		r.send(keyed("1", "k"), keyed("2", "k"))
		synctest.Wait()

		b.Revoke(t.Context(), "q") // which waits for what runs: nothing

		if held := b.Held("q"); held > 0 {
			t.Errorf("%d messages are held after the revocation", held)
		}
		c.Resume()
		synctest.Wait()
		if n.Load() != 2 || b.Len("q") > 0 {
			t.Errorf("%d messages processed and %d left, want 2 and none", n.Load(), b.Len("q"))
		}
		if err := r.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestABatchWaitsForTheEndOfAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newBroker(t, memory.WithoutDrain())
		c, err := async.NewBatch("test", b.Consumer("q"), func(_ context.Context, mm []*async.Message) error {
			j.addf("%d", len(mm))
			return nil
		}, async.WithBatchSize(3), async.WithBatchWait(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, b, c, time.Minute)
		synctest.Wait()
		c.Pause()
		r.send(keyed("1", "a"), keyed("2", "b"), keyed("3", "c"), keyed("4", "d"))
		time.Sleep(time.Hour)
		j.want(t)

		c.Resume()
		time.Sleep(time.Hour)

		j.want(t, "3", "1")
		if err := r.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestPausesMayComeAtAnyTime pauses and resumes at random while messages are processed, the connection is lost, claims are revoked and the component stops.
func TestPausesMayComeAtAnyTime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { chaoticPauses(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func chaoticPauses(t *testing.T, random *rand.Rand) {
	t.Helper()
	const n = 60
	volatile := random.IntN(2) == 0
	oo := []memory.OptionFunc{memory.WithClaims()}
	if !volatile {
		oo = append(oo, memory.WithoutDrain())
	}
	b := newBroker(t, oo...)
	var mu sync.Mutex
	last := make(map[string]int)
	done := make(map[string]bool)
	running := make(map[string]bool)
	proc := func(ctx context.Context, m *async.Message) error {
		key := string(m.Key)
		mu.Lock()
		if running[key] {
			t.Errorf("two handlers have key %s", key)
		}
		running[key] = true
		mu.Unlock()
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
		mu.Lock()
		defer mu.Unlock()
		running[key] = false
		if ctx.Err() != nil {
			return ctx.Err()
		}
		i, err := strconv.Atoi(m.ID)
		if err != nil {
			return err
		}
		if !done[m.ID] && i < last[key] {
			t.Errorf("message %d of key %s came after %d", i, key, last[key])
		}
		last[key] = max(last[key], i)
		done[m.ID] = true
		return nil
	}
	limits := []async.OptionFunc{async.WithConcurrency(1 + random.IntN(3)), async.WithMaxHeld(10)}
	if random.IntN(2) == 0 {
		limits = append(limits, async.WithRateLimit(200, time.Second))
	}
	c := newComponent(t, b, proc, limits...)
	r := start(t, b, c, time.Hour)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range n {
			if err := b.Producer("q").Send(t.Context(), keyed(strconv.Itoa(i), strconv.Itoa(i%4))); err != nil && !errors.Is(err, memory.ErrDown) {
				t.Errorf("Send: %v", err)
			} else if err != nil {
				mu.Lock()
				done[strconv.Itoa(i)] = true
				mu.Unlock()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for range 30 {
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		switch random.IntN(5) {
		case 0, 1:
			c.Pause()
		case 2, 3:
			c.Resume()
		default:
			if volatile || random.IntN(2) == 0 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20))*time.Millisecond)
				b.Revoke(ctx, "q")
				cancel()
			} else {
				b.Down()
				b.Up()
			}
		}
	}
	<-sent
	if !volatile {
		c.Resume()
		time.Sleep(time.Hour)
	}
	if err := r.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if left := b.Len("q"); left > 0 || len(done) != n {
		t.Errorf("%d messages left and %d of %d done", left, len(done), n)
	}
}

// logged returns a component on a log of two partitions, and keys that fall into each.
func onLog(t *testing.T, b *logtest.Broker, proc async.ProcessorFunc, oo ...async.OptionFunc) *async.Component {
	t.Helper()
	c, err := async.New("test", b.Factory(), proc, oo...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sendLog sends n messages to each of two partitions, of keys "a" and "b", and IDs that begin with them.
func sendLog(t *testing.T, b *logtest.Broker, from, n int) {
	t.Helper()
	for i := range n {
		for _, key := range []string{"a", "b"} { // which are in partitions 0 and 1, or the other way round
			if err := b.Send(&async.Message{ID: fmt.Sprint(key, from+i), Key: []byte(key), Time: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// byKey counts what was processed of each key, and tells the source of each.
type byKey struct {
	mu     sync.Mutex // guards the rest
	ids    map[string][]string
	source map[string]string
}

func (k *byKey) process(_ context.Context, m *async.Message) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil {
		k.ids, k.source = make(map[string][]string), make(map[string]string)
	}
	k.ids[string(m.Key)] = append(k.ids[string(m.Key)], m.ID)
	k.source[string(m.Key)] = m.Source.String()
	return nil
}

func (k *byKey) of(key string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.ids[key])
}

func TestASourceIsPausedByItsName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k byKey
		b := logtest.New("orders", 2, 0)
		c := onLog(t, b, k.process, async.WithMaxHeld(4))
		if err := c.PauseSource("orders"); err == nil || !strings.Contains(err.Error(), "not connected") {
			t.Errorf("PauseSource before Run: got %v, want it to say that there is no connection", err)
		}
		s := watched(t, c)
		sendLog(t, b, 0, 2)
		synctest.Wait()
		if k.source["a"] == k.source["b"] {
			t.Fatal("both keys are in one partition: the case shows nothing")
		}
		paused := k.source["a"]

		for range 2 {
			if err := c.PauseSource(paused); err != nil {
				t.Fatal(err)
			}
		}
		sendLog(t, b, 2, 10)
		time.Sleep(time.Hour)

		if a, b := k.of("a"), k.of("b"); len(a) != 2 || len(b) != 12 {
			t.Errorf("paused %s: got %v of it and %v of the other, want 2 and 12", paused, a, b)
		}
		if got := c.Info()["paused_sources"]; fmt.Sprint(got) != "["+paused+"]" {
			t.Errorf("Info: paused sources %v, want %s", got, paused)
		}
		labels := []string{"messaging_destination_name=" + paused, "patron_component=test"}
		if got := s.gauge(t, "patron_consumer_paused", labels...); got != 1 {
			t.Errorf("the gauge of the source is %v, want 1", got)
		}
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("Check: got %v, want nil", err)
		}
		b.Down()
		b.Up()
		time.Sleep(time.Minute)
		sendLog(t, b, 12, 1)
		time.Sleep(time.Hour)
		if a, b := k.of("a"), k.of("b"); len(a) != 2 || len(b) != 13 {
			t.Errorf("after a new connection: got %v of the paused source and %v of the other, want 2 and 13", a, b)
		}

		if err := c.ResumeSource(paused); err != nil {
			t.Fatal(err)
		}
		if err := c.ResumeSource(paused); err != nil {
			t.Errorf("a second ResumeSource: got %v, want nil", err)
		}
		synctest.Wait()

		if a := k.of("a"); len(a) != 13 || a[2] != "a2" || a[12] != "a12" {
			t.Errorf("resumed: got %v, want all 13 in order", a)
		}
		if got := s.gauge(t, "patron_consumer_paused", labels...); got != 0 {
			t.Errorf("the gauge of the source is %v, want 0", got)
		}
		s.end(t)
	})
}

func TestHeldMessagesOfAPausedSourceAreNotStarted(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 3} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var k byKey
				b := logtest.New("orders", 2, 0)
				entered, leave := make(chan struct{}, 100), make(chan struct{})
				c := onLog(t, b, func(ctx context.Context, m *async.Message) error {
					entered <- struct{}{}
					<-leave
					return k.process(ctx, m)
				}, async.WithConcurrency(concurrency), async.WithMaxHeld(100))
				sendLog(t, b, 0, 5)
				r := watched(t, c)
				<-entered

				if err := c.PauseSource("orders"); err != nil { // both partitions
					t.Fatal(err)
				}
				close(leave)
				time.Sleep(time.Hour)

				if n := len(k.of("a")) + len(k.of("b")); n > concurrency {
					t.Errorf("%d messages were processed, want those that ran", n)
				}
				if err := c.ResumeSource("orders/0"); err == nil || !strings.Contains(err.Error(), `paused as "orders"`) {
					t.Errorf("ResumeSource of a part: got %v, want it to name the whole", err)
				}
				if err := c.ResumeSource("orders"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				for _, key := range []string{"a", "b"} {
					if got, want := k.of(key), []string{key + "0", key + "1", key + "2", key + "3", key + "4"}; !slices.Equal(got, want) {
						t.Errorf("got %v, want %v", got, want)
					}
				}
				r.end(t)
			})
		})
	}
}

func TestAPausedTopicIncludesPartitionsThatComeLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k byKey
		b := logtest.New("orders", 1, 0)
		c := onLog(t, b, k.process)
		s := watched(t, c)
		if err := c.PauseSource("orders"); err != nil {
			t.Fatal(err)
		}

		b.Grow()
		sendLog(t, b, 0, 5)
		time.Sleep(time.Minute)

		if x, y := k.of("a"), k.of("b"); len(x)+len(y) > 0 {
			t.Errorf("got %v and %v of a paused topic", x, y)
		}
		if err := c.ResumeSource("orders"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if x, y := k.of("a"), k.of("b"); len(x) != 5 || len(y) != 5 || k.source["a"] == k.source["b"] {
			t.Errorf("resumed: got %v and %v, want 5 of each partition", x, y)
		}
		s.end(t)
	})
}

func TestASourceThatIsPausedStaysSoWhenItsMessagesAreDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		b := logtest.New("orders", 1, 0)
		c := onLog(t, b, func(context.Context, *async.Message) error { <-leave; return nil }, async.WithConcurrency(6), async.WithMaxHeld(8))
		s := watched(t, c)
		for range 20 {
			if err := b.Send(&async.Message{}); err != nil { // without a key: all may run at a time
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // 8 are held, which is half and more, so the engine has paused the source
		if err := c.PauseSource("orders"); err != nil {
			t.Fatal(err)
		}

		close(leave) // 2 are left, few enough for the engine to resume it
		synctest.Wait()

		if held := c.Info()["held"]; held != 2 {
			t.Errorf("%v messages are held, want the 2 that were not started", held)
		}
		if err := c.ResumeSource("orders"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := b.Lag(); n > 0 {
			t.Errorf("%d messages left after the source was resumed", n)
		}
		s.end(t)
	})
}

func TestSourcesThatCannotBePausedAreSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nothing := func(context.Context, *async.Message) error { return nil }
		b := newBroker(t)
		queue := newComponent(t, b, nothing)
		r := start(t, b, queue, time.Minute)
		log := onLog(t, logtest.New("orders", 2, 0), nothing)
		s := watched(t, log)

		for _, f := range []func(string) error{queue.PauseSource, queue.ResumeSource} {
			if err := f("q"); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "*memory.consumer") {
				t.Errorf("a source of a queue: got %v, want ErrUnsupported and the name of the consumer", err)
			}
		}
		for _, f := range []func(string) error{log.PauseSource, log.ResumeSource} {
			if err := f("payments"); err == nil || !strings.Contains(err.Error(), `"payments": unknown, want one of ["orders/0" "orders/1"]`) {
				t.Errorf("an unknown source: got %v, want it to name those that there are", err)
			}
		}

		s.end(t)
		if err := r.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
