package asynctest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// consumerCases are those of [Run].
func consumerCases() []conformanceCase {
	return slices.Concat(receiveCases(), settleCases(), orderCases(), leaseCases(), drainCases(), processCases(), failureCases(), stopCases(), outageCases(),
		seekCases(), pauseCases(), scheduleCases(), broadcastCases())
}

// producerCases are those of [RunProducer].
func producerCases() []conformanceCase {
	return append([]conformanceCase{
		{name: "what is confirmed is there", run: produceConfirmed},
		{name: "a batch keeps the order of its keys", run: produceBatch},
		{name: "a refused message is named by its index, and the others are there", run: produceRefused},
		{name: "a send with an ended context sends nothing", run: produceEnded},
		{name: "a closed producer refuses, and closes twice", run: produceClosed},
		{name: "many may send at the same time", run: produceConcurrent},
		{name: "messages without ID and time get them, and others keep theirs", run: produceFilled},
		{name: "a message that was sent belongs to the sender again", run: produceCopied},
		{name: "an empty batch is nothing", run: produceNothing},
		{name: "a broker that is gone confirms nothing", run: produceDown},
	}, scheduledProducerCases()...)
}

// produce opens a producer, which the end of the case closes.
func (s *stage) produce() async.Producer {
	p := s.harness.Producer()
	s.later(func() { s.closeProducer(p) })
	return p
}

// sends fails the case unless p sends mm.
func (s *stage) sends(p async.Producer, mm ...*async.Message) {
	s.Helper()
	ctx, cancel := s.limited()
	defer cancel()
	if err := p.Send(ctx, mm...); err != nil {
		s.Fatalf("send %v: got %v, want them confirmed", idsOf(mm), err)
	}
}

// holds fails the case unless the source has the messages with ids, in any order, and no others.
func (s *stage) holds(ids ...string) {
	s.Helper()
	c := s.open()
	got := idsOf(c.work(len(ids)))
	c.none("all messages are settled")
	slices.Sort(got)
	want := slices.Sorted(slices.Values(ids))
	if !slices.Equal(got, want) {
		s.Errorf("the source had %v, want %v", got, want)
	}
}

func produceConfirmed(s *stage) {
	p := s.produce()
	mm := s.messages("k", 3)
	for _, m := range mm {
		s.sends(p, m)
	}
	s.holds(idsOf(mm)...)
}

func produceBatch(s *stage) {
	p := s.produce()
	var mm []*async.Message
	for i := range 50 {
		mm = append(mm, s.message("k"+strconv.Itoa(i%5)))
	}
	s.sends(p, mm...)
	last := make(map[string]int)
	for _, m := range s.open().work(len(mm)) {
		at := slices.IndexFunc(mm, func(sent *async.Message) bool { return sent.ID == m.ID })
		if before, ok := last[string(m.Key)]; ok && at < before && s.suite.traits.Ordered != async.OrderedNone {
			s.Errorf("key %q: message %d of the batch came after message %d", m.Key, at, before)
		}
		last[string(m.Key)] = at
	}
}

func produceRefused(s *stage) {
	failer := need[SendFailer](s)
	p := s.produce()
	mm := []*async.Message{s.message("a"), s.message("b"), s.message("c")}
	failer.FailSend(1)

	ctx, cancel := s.limited()
	defer cancel()
	err := p.Send(ctx, mm...)

	batch, ok := errors.AsType[*async.BatchError](err)
	if !ok || len(batch.Errors) != 1 || batch.Errors[1] == nil {
		s.Fatalf("send of which message 1 is refused: got %v, want a *BatchError for index 1 alone", err)
	}
	s.holds(mm[0].ID, mm[2].ID)
}

func produceEnded(s *stage) {
	p := s.produce()
	ctx, cancel := context.WithCancel(s.base)
	cancel()

	began := time.Now()
	err := p.Send(ctx, s.message("k"))

	if err == nil || !errors.Is(err, context.Canceled) {
		s.Errorf("send with an ended context: got %v, want the context's error", err)
	}
	if took := time.Since(began); took > s.slack() {
		s.Errorf("send with an ended context: took %v", took)
	}
	m := s.message("k")
	s.sends(p, m)
	if errors.Is(err, async.ErrUnknown) {
		return // it may have arrived
	}
	s.holds(m.ID)
}

func produceClosed(s *stage) {
	p := s.harness.Producer()
	m := s.message("k")
	s.sends(p, m)

	s.closeProducer(p)
	s.refuses(p)
	s.closeProducer(p)

	s.holds(m.ID)
}

func produceConcurrent(s *stage) {
	const senders, each = 8, 25
	p := s.produce()
	var ids []string
	var wg sync.WaitGroup
	for i := range senders {
		mm := s.messages("k"+strconv.Itoa(i), each)
		ids = append(ids, idsOf(mm)...)
		wg.Go(func() {
			for _, m := range mm {
				ctx, cancel := s.limited() // of each Send: together they may take long where every commit is a write to the disk
				if err := p.Send(ctx, m); err != nil {
					s.Errorf("send: %v", err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	s.holds(ids...)
}

func produceFilled(s *stage) {
	p := s.produce()
	bare := &async.Message{Key: []byte("bare"), Data: []byte("1")}
	own := &async.Message{ID: "own", Key: []byte("own"), Data: []byte("2"), Time: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)}
	s.sends(p, bare, own)

	if bare.ID == "" || bare.Time.IsZero() {
		s.Errorf("the sender's message: got ID %q and time %v, want both set", bare.ID, bare.Time)
	}
	for _, m := range s.open().work(2) {
		switch string(m.Key) {
		case "bare":
			if m.ID != bare.ID || m.Time.Sub(bare.Time).Abs() >= time.Millisecond {
				s.Errorf("received ID %q and time %v, want those that the sender was given, %q and %v", m.ID, m.Time, bare.ID, bare.Time)
			}
		case "own":
			if m.ID != "own" || !m.Time.Equal(own.Time) {
				s.Errorf("received ID %q and time %v, want those of the sender, %q and %v", m.ID, m.Time, own.ID, own.Time)
			}
		}
	}
}

func produceCopied(s *stage) {
	p := s.produce()
	m := &async.Message{ID: "copied", Key: []byte("key"), Data: []byte("data"), Headers: async.Headers{{Key: "X-Own", Value: "1"}}}
	s.sends(p, m)

	copy(m.Key, "new")
	copy(m.Data, "else")
	m.Headers.Set("X-Own", "2")

	got := s.open().work(1)[0]
	if string(got.Key) != "key" || string(got.Data) != "data" || got.Headers.Get("X-Own") != "1" {
		s.Errorf("the sender changed its message after it was sent: received key %q, data %q, header %q", got.Key, got.Data, got.Headers.Get("X-Own"))
	}
}

func produceNothing(s *stage) {
	s.sends(s.produce())
	s.empty()
}

func produceDown(s *stage) {
	outage := need[Outage](s)
	p := s.produce()
	first := s.message("a")
	s.sends(p, first)

	outage.Down()
	ctx, cancel := context.WithTimeout(s.base, min(time.Second, s.suite.patience))
	lost := s.message("b")
	err := p.Send(ctx, lost)
	cancel()
	outage.Up()

	if err == nil {
		s.Errorf("send while the broker is gone: got nil, want an error")
	}
	var last *async.Message
	s.await("the producer sends again", func() bool {
		last = s.message("c")
		ctx, cancel := s.limited()
		defer cancel()
		return p.Send(ctx, last) == nil
	})
	c := s.open()
	var got []string
	s.await("what was confirmed is there", func() bool {
		got = append(got, idsOf(c.work(1))...)
		return slices.Contains(got, first.ID) && slices.Contains(got, last.ID) // in any order: they have different keys
	})
	if slices.Contains(got, lost.ID) && !errors.Is(err, async.ErrUnknown) {
		s.Errorf("received %v, want %q and %q; the send of %q gave %v", got, first.ID, last.ID, lost.ID, err)
	}
}
