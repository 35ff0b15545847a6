package asynctest

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
)

// stage is where one case plays: its broker, and everything that was opened on it and is closed when the case ends.
type stage struct {
	testing.TB
	suite    *suite
	harness  Harness
	factory  async.ConsumerFactory
	base     context.Context //nolint:containedctx // of the case: telemetry and log of its own
	guard    goroutineGuard
	closers  []func()
	produced int
	raw      async.Producer // of send
	skip     func(reason string)
}

func newStage(tb testing.TB, s *suite) *stage {
	tb.Helper()
	st := &stage{TB: tb, suite: s}
	st.base = trace.WithTelemetry(context.WithoutCancel(tb.Context()), trace.NewTelemetry(nil, nil, metric.NewRegistry()))
	st.base = plog.WithContext(st.base, plog.New(plog.JSON(io.Discard, nil)))
	st.guard = watchGoroutines()
	st.harness = s.make(tb)
	st.factory = st.planned(st.harness.Factory())
	if got := st.factory.Traits(); got != s.traits {
		st.harness.Close()
		tb.Fatalf("traits of the factory: got %+v, want %+v", got, s.traits)
	}
	return st
}

// planned returns cf with the plan of a component that uses all delays that the cases use. Components of cases plan by themselves.
func (s *stage) planned(cf async.ConsumerFactory) async.ConsumerFactory {
	s.Helper()
	planner, ok := cf.(async.Planner)
	if !ok {
		return cf
	}
	plan := async.Plan{Component: "conformance", MaxHeld: 256, Concurrency: 1, Attempts: 3, Unordered: s.suite.traits.DelaysOffLane}
	if s.suite.traits.MaxDelay > 0 {
		plan.Delays = []time.Duration{s.delay(2 * time.Second), s.delay(3 * time.Second)}
		plan.Attempts += len(plan.Delays)
	}
	cf, err := planner.Plan(plan)
	if err != nil {
		s.harness.Close()
		s.Fatalf("plan %+v: %v", plan, err)
	}
	return cf
}

// later registers what is to be done when the case ends; the last one is done first.
func (s *stage) later(f func()) { s.closers = append(s.closers, f) }

// clear closes everything and looks for goroutines that are left. It runs also when the case has failed.
func (s *stage) clear() {
	s.Helper()
	for _, f := range slices.Backward(s.closers) {
		f()
	}
	s.harness.Close()
	left := ""
	gone := s.comesTrue(func() bool {
		left = s.guard.left()
		return left == ""
	})
	s.guard.end()
	if !gone && !s.Failed() {
		s.Errorf("goroutines left after everything was closed:\n%s", left)
	}
}

// limited returns a context for one thing that must happen: it ends when patience does.
func (s *stage) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.base, s.suite.patience)
}

// quiet is how long to watch that nothing happens; less than after which held messages come back by themselves.
func (s *stage) quiet() time.Duration {
	if v := s.suite.traits.Visibility; v > 0 {
		return min(s.suite.quiet, v/4)
	}
	return s.suite.quiet
}

// slack is what a real clock and a real network may add to a bound. In virtual time it is nothing but the moment itself.
func (s *stage) slack() time.Duration {
	if s.suite.virtual {
		return time.Millisecond
	}
	return 2 * time.Second
}

// delay is d, or what the broker and a real clock can do of it.
func (s *stage) delay(d time.Duration) time.Duration {
	if !s.suite.virtual {
		d = min(d, time.Second)
	}
	return min(d, s.suite.traits.MaxDelay)
}

// comesTrue waits until cond holds, and reports false when patience is over.
func (s *stage) comesTrue(cond func() bool) bool {
	const longest = 100 * time.Millisecond
	end := time.Now().Add(s.suite.patience)
	for wait := 100 * time.Microsecond; ; wait = min(longest, 2*wait) {
		if cond() {
			return true
		}
		if !time.Now().Before(end) {
			return false
		}
		pause(s.base, wait)
	}
}

// await fails the case if cond does not come true.
func (s *stage) await(what string, cond func() bool) {
	s.Helper()
	if !s.comesTrue(cond) {
		s.Fatalf("%s: not within %v", what, s.suite.patience)
	}
}

// pause blocks for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// message returns a message with an ID of its own. An empty key means none.
func (s *stage) message(key string) *async.Message {
	s.produced++
	m := &async.Message{ID: fmt.Sprintf("m%04d", s.produced), Time: time.Now(), Data: []byte(strconv.Itoa(s.produced))}
	if key != "" {
		m.Key = []byte(key)
	}
	return m
}

// messages returns n messages with key.
func (s *stage) messages(key string, n int) []*async.Message {
	mm := make([]*async.Message, n)
	for i := range mm {
		mm[i] = s.message(key)
	}
	return mm
}

// send publishes mm, one after another, and returns their IDs.
func (s *stage) send(mm ...*async.Message) []string {
	s.Helper()
	if s.raw == nil {
		s.raw = s.harness.Producer()
		s.later(func() { s.closeProducer(s.raw) })
	}
	ids := make([]string, len(mm))
	for i, m := range mm {
		ctx, cancel := s.limited()
		err := s.raw.Send(ctx, m)
		cancel()
		if err != nil {
			s.Fatalf("send message %q: got %v, want it confirmed", m.ID, err)
		}
		ids[i] = m.ID
	}
	return ids
}

func (s *stage) closeProducer(p async.Producer) {
	s.Helper()
	ctx, cancel := s.limited()
	defer cancel()
	if err := p.Close(ctx); err != nil {
		s.Errorf("close producer: %v", err)
	}
}

// spread sends n messages over so many keys, in turn, and returns their IDs.
func (s *stage) spread(n, keys int) []string {
	s.Helper()
	mm := make([]*async.Message, n)
	for i := range mm {
		mm[i] = s.message("k" + strconv.Itoa(i%keys))
	}
	return s.send(mm...)
}

// deadLetters returns the dead letters of the source.
func (s *stage) deadLetters() []*async.Message {
	s.Helper()
	reader := need[DeadLetterReader](s)
	ctx, cancel := s.limited()
	defer cancel()
	mm, err := reader.DeadLetters(ctx)
	if err != nil {
		s.Fatalf("dead letters: %v", err)
	}
	return mm
}

// awaitDead waits until there is a dead letter, which must be the only one, and returns it.
func (s *stage) awaitDead() *async.Message {
	s.Helper()
	var mm []*async.Message
	s.await("a dead letter", func() bool {
		mm = s.deadLetters()
		return len(mm) > 0
	})
	if len(mm) > 1 {
		s.Fatalf("dead letters: got %v, want one", idsOf(mm))
	}
	return mm[0]
}

// empty fails the case if the source gives anything more.
func (s *stage) empty() {
	s.Helper()
	c := s.open()
	c.none("the source should be empty")
	c.close()
}

// need returns the ability T of the harness, or skips the case.
func need[T any](s *stage) T {
	s.Helper()
	ability, ok := s.harness.(T)
	if !ok {
		s.skip(fmt.Sprintf("the harness is no %v", reflect.TypeFor[T]()))
	}
	return ability
}

// flag is a condition that a handler waits for and a case sets.
type flag struct {
	done chan struct{}
	set  atomic.Bool
}

func newFlag() *flag { return &flag{done: make(chan struct{})} }

func (f *flag) raise() {
	if f.set.CompareAndSwap(false, true) {
		close(f.done)
	}
}

func (f *flag) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
