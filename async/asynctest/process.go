package asynctest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// processCases drive the consumer through the engine while all is well.
func processCases() []conformanceCase {
	return []conformanceCase{
		{name: "every message is processed once when all is well", run: processOnce},
		{name: "every message is processed once in batches", run: processBatches},
		{name: "one handler at a time has a key, in order", applies: ordered, run: processOrder},
		{name: "two components share the messages and keep the order of a key", applies: orderedGroup, run: processShared},
		{name: "a stuck key leaves the others their rate", applies: ordered, run: processStuck},
		{name: "the handler gets correlation, trace, headers and ID of the publisher", run: processContext},
		{name: "a component that is stopped leaves no goroutine, and can be followed by another", run: processRestart},
	}
}

func processOnce(s *stage) {
	w := newWitness()
	v := s.serve(w.handler(nil), async.WithConcurrency(8))

	ids := s.spread(100, 10)
	for range 20 {
		ids = append(ids, s.send(s.message(""))...)
	}
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })

	v.stopWell()
	w.check(s, ids, true)
	s.empty()
}

func processBatches(s *stage) {
	w := newWitness()
	most := 0
	v := s.serveBatch(func(ctx context.Context, mm []*async.Message) error {
		most = max(most, len(mm))
		for _, m := range mm {
			if err := w.handler(nil)(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}, async.WithBatchSize(7), async.WithBatchWait(10*time.Millisecond))

	ids := s.spread(60, 6)
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })

	v.stopWell()
	w.check(s, ids, true)
	if most > 7 {
		s.Errorf("got a batch of %d messages, want at most 7", most)
	}
	s.empty()
}

func processOrder(s *stage) {
	w := newWitness()
	var turn int
	ids := s.spread(120, 6)

	v := s.serve(w.handler(func(ctx context.Context, m *async.Message) error {
		w.mu.Lock()
		turn++
		slow := time.Duration(turn%7) * time.Millisecond
		w.mu.Unlock()
		pause(ctx, slow)
		return nil
	}), async.WithConcurrency(4))
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })

	v.stopWell()
	w.check(s, ids, true)
	if w.most < 2 && s.suite.traits.Ordered == async.OrderedGroup {
		s.Errorf("6 keys and a concurrency of 4: one handler ran at a time")
	}
	s.empty()
}

func processShared(s *stage) {
	w := newWitness()
	slow := w.handler(func(ctx context.Context, m *async.Message) error {
		pause(ctx, time.Millisecond)
		return nil
	})
	v1 := s.serve(slow, async.WithConcurrency(2), async.WithMaxHeld(4))
	v2 := s.serveFrom(s.harness.Factory(), s.grace(), slow, async.WithConcurrency(2), async.WithMaxHeld(4))

	ids := s.spread(120, 4)
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })

	v1.stopWell()
	more := s.spread(12, 4) // the other one goes on
	ids = append(ids, more...)
	s.await("all messages are processed after one component stopped", func() bool { return w.count() == len(ids) })
	v2.stopWell()
	w.check(s, ids, true)
	s.empty()
}

// processStuck has one lane whose first message fails until it is freed, with many behind it: more than may be held, unless the broker can neither take
// messages back while the consumer lives nor pause a lane, so that its followers are held, too (AMQP: the prefetch is the bound). Where a lane is a source,
// the other ones are those of other sources.
func processStuck(s *stage) {
	const keys, n, concurrency, each = 20, 400, 4, 10 * time.Millisecond
	behind := 200
	if !s.suite.traits.Redelivers && !s.suite.traits.SourceLanes {
		behind = 50
	}
	w := newWitness()
	freed := newFlag()
	var lanes sync.Map // of keys
	v := s.serve(w.handler(func(ctx context.Context, m *async.Message) error {
		lanes.Store(string(m.Key), m.Lane)
		if string(m.Key) == "stuck" && !freed.set.Load() {
			return fmt.Errorf("message %q is stuck", m.ID)
		}
		pause(ctx, each)
		return nil
	}), async.WithConcurrency(concurrency), async.WithMaxHeld(100), async.WithTries(1<<20), async.WithBackoff(time.Second, time.Second))
	// round sends n messages of other keys, which are those of free after the first round, and says how long they took.
	var free []string
	round := func() time.Duration {
		before := w.count()
		began := time.Now()
		for i := range n {
			key := "k" + strconv.Itoa(i%keys)
			if len(free) > 0 {
				key = free[i%len(free)]
			}
			s.send(s.message(key))
		}
		s.await("the messages of other lanes are processed", func() bool { return w.count() >= before+n })
		return w.last().Sub(began)
	}

	alone := round()
	stuck := s.send(s.messages("stuck", behind)...)
	s.await("the key is stuck", func() bool { return len(w.startsOf(stuck[0])) > 0 })
	lane, _ := lanes.Load("stuck")
	// What may be held is bounded for each source, so where there are several it is another source that a stuck lane must leave alone.
	sources := make(map[*async.Source]bool)
	lanes.Range(func(_, l any) bool { sources[l.(async.Lane).Source] = true; return true }) //nolint:forcetypeassert // there is nothing else in it
	stuckIn := lane.(async.Lane).Source                                                     //nolint:forcetypeassert // likewise
	for i := range keys {
		key := "k" + strconv.Itoa(i)
		if other, _ := lanes.Load(key); other != lane && (len(sources) == 1 || other.(async.Lane).Source != stuckIn) { //nolint:forcetypeassert // likewise
			free = append(free, key)
		}
	}
	if len(free) == 0 {
		s.skip("all keys are in one lane: the harness has one source, and its lane is the source")
	}
	beside := round()

	// A real clock and other work on the machine blur the rate, and where lanes are few so does their number; a lane that blocks its neighbours takes it to zero.
	least := 0.5
	switch {
	case s.suite.virtual && !s.suite.traits.SourceLanes:
		least = 0.95
	case s.suite.traits.SourceLanes:
		least = 0.2
	}
	rounds := 2
	for ; rounds < 4 && !s.suite.virtual && alone.Seconds()/beside.Seconds() < least; rounds++ { // other work may have come between: the best counts
		beside = min(beside, round())
	}
	if rate := alone.Seconds() / beside.Seconds(); rate < least {
		s.Errorf("beside a stuck lane the others have %.2f of their rate (%v instead of %v), want at least %.2f", rate, beside, alone, least)
	}
	if got := w.startsOf(stuck[1]); len(got) > 0 {
		s.Errorf("a follower of the stuck message was started")
	}
	freed.raise()
	s.await("the stuck key goes on", func() bool { return w.count() == rounds*n+len(stuck) })
	v.stopWell()
	s.empty()
}

func processContext(s *stage) {
	sent := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1, 2, 3, 4}, SpanID: oteltrace.SpanID{5, 6, 7}, TraceFlags: oteltrace.FlagsSampled, Remote: true,
	})
	type seen struct {
		correlationID string
		traceID       oteltrace.TraceID
		message       *async.Message
	}
	got := make(chan seen, 1)
	v := s.serve(func(ctx context.Context, m *async.Message) error {
		got <- seen{correlation.IDFromContext(ctx), oteltrace.SpanContextFromContext(ctx).TraceID(), m.Clone()}
		return nil
	})

	producer := s.harness.Producer()
	s.later(func() { s.closeProducer(producer) })
	ctx, cancel := s.limited()
	defer cancel()
	ctx = correlation.ContextWithID(oteltrace.ContextWithRemoteSpanContext(ctx, sent), "conformance-1")
	m := s.message("k")
	m.Headers = async.Headers{{Key: "X-Own", Value: "kept"}}
	if err := producer.Send(ctx, m); err != nil {
		s.Fatalf("send: %v", err)
	}

	var r seen
	s.await("the message is processed", func() bool {
		select {
		case r = <-got:
			return true
		default:
			return false
		}
	})
	if r.correlationID != "conformance-1" {
		s.Errorf("correlation ID in the handler: got %q, want %q", r.correlationID, "conformance-1")
	}
	if r.traceID != sent.TraceID() {
		s.Errorf("trace ID in the handler: got %s, want %s", r.traceID, sent.TraceID())
	}
	if r.message.ID != m.ID || r.message.Headers.Get("x-own") != "kept" || r.message.Attempt != 1 {
		s.Errorf("message in the handler: got ID %q, header X-Own %q, attempt %d, want %q, %q, 1",
			r.message.ID, r.message.Headers.Get("x-own"), r.message.Attempt, m.ID, "kept")
	}
	v.stopWell()
}

func processRestart(s *stage) {
	w := newWitness()
	var ids []string
	for i := range 5 {
		v := s.serve(w.handler(nil), async.WithConcurrency(3))
		s.await("the component is connected", func() bool { return v.component.Check(s.base) == nil })
		for j := range 4 {
			ids = append(ids, s.send(s.message("k"+strconv.Itoa(i+j)))...)
		}
		if i%2 == 0 {
			s.await("all messages are processed", func() bool { return w.count() == len(ids) })
		}
		v.stopWell()
	}
	v := s.serve(w.handler(nil))
	s.await("all messages are processed", func() bool { return w.count() == len(ids) })
	v.stopWell()
	w.check(s, ids, true)
	if n := len(slices.Compact(slices.Sorted(slices.Values(ids)))); n != len(ids) {
		s.Errorf("IDs of messages: got %d different ones, want %d", n, len(ids))
	}
}
