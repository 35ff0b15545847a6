package asynctest

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// drainCases are about volatile sources, without the engine.
func drainCases() []conformanceCase {
	return []conformanceCase{
		{name: "a volatile source is drained to empty and then closed", applies: volatile, run: drainToEmpty},
		{name: "draining a volatile source makes delayed messages due", applies: all(volatile, delays), run: drainDelayed},
		{name: "a source that outlives its consumers keeps its messages when one stops", applies: outlives, run: drainNot},
	}
}

func drainToEmpty(s *stage) {
	ids := s.spread(5, 5)
	c := s.open()
	held := c.take(1)

	var mm []*async.Message
	for len(mm) < 4 {
		r := c.drain()
		if len(r.mm) == 0 {
			s.Fatalf("drain: got %v after %d of 4 messages", r.err, len(mm))
		}
		mm = append(mm, r.mm...)
	}
	if got := append(idsOf(held), idsOf(mm)...); len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(ids) {
		s.Errorf("drained %v, want each of %v once", got, ids)
	}

	c.settle(async.Ack, mm...)
	r := c.drain()
	if r.err == nil || errors.Is(r.err, io.EOF) {
		s.Errorf("drain while a message is in flight: got %v, %v, want the error of the context", idsOf(r.mm), r.err)
	}
	if s.suite.traits.Redelivers {
		c.settle(async.Release, held...)
		r = c.drain()
		if len(r.mm) != 1 {
			s.Fatalf("drain after a release: got %v, %v, want the message", idsOf(r.mm), r.err)
		}
		held = r.mm
	}
	late := s.send(s.message("late")) // as long as something is in flight the source is open
	c.settle(async.Ack, held...)
	r = c.drain()
	if !slices.Equal(idsOf(r.mm), late) {
		s.Fatalf("drain: got %v, %v, want %v", idsOf(r.mm), r.err, late)
	}
	c.settle(async.Ack, r.mm...)

	for range 2 {
		if r = c.drain(); r.err != io.EOF || len(r.mm) > 0 { //nolint:errorlint // it must be io.EOF itself
			s.Errorf("drain of an empty source: got %v, %v, want io.EOF", idsOf(r.mm), r.err)
		}
	}
	s.refuses(s.raw)
}

// refuses fails the case unless a Send gives ErrClosed.
func (s *stage) refuses(p async.Producer) {
	s.Helper()
	ctx, cancel := s.limited()
	defer cancel()
	if err := p.Send(ctx, s.message("k")); !errors.Is(err, async.ErrClosed) {
		s.Errorf("send: got %v, want ErrClosed", err)
	}
}

func drainDelayed(s *stage) {
	s.send(s.message("a"), s.message("b"), s.message(""))
	c := s.open()
	delay := min(time.Hour, s.suite.traits.MaxDelay)
	for _, m := range c.take(3) {
		v := async.Settlement{Message: m, Verdict: async.Retry, Delay: delay}
		if err := c.settleAll([]async.Settlement{v})[0]; err != nil {
			s.Fatalf("retry: %v", err)
		}
	}

	began := time.Now()
	for got := 0; got < 3; {
		r := c.drain()
		if len(r.mm) == 0 {
			s.Fatalf("drain: got %v after %d of 3 delayed messages", r.err, got)
		}
		got += len(r.mm)
		c.settle(async.Ack, r.mm...)
	}

	if took := time.Since(began); took > s.slack()+3*s.suite.traits.StopWait {
		s.Errorf("drain of delayed messages: took %v, want them at once", took)
	}
	if r := c.drain(); r.err != io.EOF { //nolint:errorlint // it must be io.EOF itself
		s.Errorf("drain of an empty source: got %v, want io.EOF", r.err)
	}
}

func drainNot(s *stage) {
	ids := s.send(s.messages("k", 3)...)
	c := s.open()
	c.settle(async.Ack, c.takeOrdered(ids[0])...)

	r := c.drain() // what it still gives is not settled, so it goes back
	if errors.Is(r.err, io.EOF) {
		s.Errorf("receive with an ended context: got io.EOF, which is for volatile sources")
	}
	if r.err != nil && !errors.Is(r.err, context.Canceled) {
		s.Errorf("receive with an ended context: got %v, want the context's error or messages", r.err)
	}
	c.close()

	late := s.send(s.message("k"))
	next := s.open()
	if got, want := idsOf(next.work(3)), slices.Concat(ids[1:], late); s.suite.traits.Ordered != async.OrderedNone && !slices.Equal(got, want) {
		s.Errorf("the next consumer got %v, want %v", got, want)
	}
	next.none("all messages are acknowledged")
}
