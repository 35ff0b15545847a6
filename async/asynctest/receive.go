package asynctest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
)

// receiveCases are about Consumer.Receive.
func receiveCases() []conformanceCase {
	return []conformanceCase{
		{name: "receive gives every message once", run: receiveOnce},
		{name: "receive gives no more than its limit", run: receiveLimit},
		{name: "receive blocks until a message comes", run: receiveBlocks},
		{name: "receive returns when its context ends", run: receiveEnds},
		{name: "receive and settle do not wait for each other", run: receiveBeside},
		{name: "messages come as they were sent", run: receiveWhole},
		{name: "messages of a key share a lane, and those without a key have none", applies: keyLanes, run: receiveLanes},
		{name: "messages of a source share its lane", applies: sourceLanes, run: receiveSourceLanes},
		{name: "two consumers share the messages", run: receiveShared},
	}
}

func receiveOnce(s *stage) {
	want := s.spread(40, 8)
	c := s.open()

	got := idsOf(c.work(len(want)))

	c.none("all messages are settled")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.Errorf("received %v, want %v", got, want)
	}
}

func receiveLimit(s *stage) {
	s.spread(12, 12)
	c := s.open()
	for got := 0; got < 12; {
		mm := c.receive(3) // which fails above the limit
		c.settle(async.Ack, mm...)
		got += len(mm)
	}
}

func receiveBlocks(s *stage) {
	c := s.open()
	c.none("nothing was sent")

	ids := s.send(s.message("k"))

	c.settle(async.Ack, c.takeOrdered(ids...)...)
	c.none("the message is settled")
}

func receiveEnds(s *stage) {
	most := s.suite.traits.StopWait + s.slack()
	c := s.open()
	c.none("nothing was sent")

	c.cancel()
	ended := time.Now()
	r, ok := c.wait(s.suite.patience)

	switch took := time.Since(ended); {
	case !ok:
		s.Fatalf("receive: not back %v after its context ended", s.suite.patience)
	case took > most:
		s.Errorf("receive: back %v after its context ended, want at most %v", took, most)
	}
	s.nothing(r)
	s.nothing(c.drain()) // and a call with a context that has ended
}

// nothing fails the case unless r is the end of a Receive on an empty source.
func (s *stage) nothing(r received) {
	s.Helper()
	switch {
	case len(r.mm) > 0:
		s.Errorf("receive from an empty source: got %v", idsOf(r.mm))
	case r.err == nil:
		s.Errorf("receive from an empty source after its context ended: got neither messages nor an error")
	case s.suite.traits.Volatile:
		if r.err != io.EOF { //nolint:errorlint // it must be io.EOF itself
			s.Errorf("receive from an empty volatile source after its context ended: got %v, want io.EOF", r.err)
		}
	case errors.Is(r.err, io.EOF):
		s.Errorf("receive from an empty source after its context ended: got io.EOF, which is for volatile sources")
	}
}

func receiveBeside(s *stage) {
	s.send(s.message("k"))
	c := s.open()
	mm := c.take(1)
	c.none("there is one message only")

	began := time.Now()
	c.settle(async.Ack, mm...) // while the Receive of none blocks

	if took := time.Since(began); took > s.slack() {
		s.Errorf("settle while receive blocks: took %v", took)
	}
	if _, ok := c.wait(s.quiet()); ok {
		s.Errorf("receive returned because of a settlement")
	}
}

func receiveWhole(s *stage) {
	sent := map[string]*async.Message{
		"empty":     {ID: "empty", Time: time.Now()},
		"text":      {ID: "text", Key: []byte("k"), Time: time.Now(), Data: []byte("grüße, \u4e16\u754c")},
		"not UTF-8": {ID: "not UTF-8", Key: []byte{0xff, 0, 'k'}, Time: time.Now(), Data: []byte{0, 0xff, 0xfe, 0x80, '\r', '\n', 0}},
		"large":     {ID: "large", Key: []byte("l"), Time: time.Now(), Data: bytes.Repeat([]byte("0123456789"), 100_000)},
		"own headers": {ID: "own headers", Time: time.Now(), Headers: async.Headers{
			{Key: "X-One", Value: "1"}, {Key: "x-two", Value: "zwei, ü; \"q\""}, {Key: "X-Empty", Value: ""},
		}},
		"times": {
			ID: "times", Time: time.Now(), Due: time.Now().Add(-time.Hour).Truncate(time.Millisecond), Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond),
		},
		"old": {ID: "old", Time: time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.FixedZone("", 3600))},
	}
	for _, m := range sent {
		s.send(m.Clone())
	}

	c := s.open()
	for _, m := range c.work(len(sent)) {
		want := sent[m.ID]
		if want == nil {
			s.Errorf("received a message with ID %q, which nobody sent", m.ID)
			continue
		}
		s.isWhole(m, want)
		s.described(m)
	}
}

// isWhole fails the case unless got is the message that was sent. A producer and a broker may add headers.
func (s *stage) isWhole(got, sent *async.Message) {
	s.Helper()
	if !bytes.Equal(got.Key, sent.Key) {
		s.Errorf("message %q: got key %q, want %q", sent.ID, got.Key, sent.Key)
	}
	if !bytes.Equal(got.Data, sent.Data) {
		s.Errorf("message %q: got %d bytes %.80q, want %d bytes %.80q", sent.ID, len(got.Data), got.Data, len(sent.Data), sent.Data)
	}
	if diff := got.Time.Sub(sent.Time).Abs(); diff >= time.Millisecond {
		s.Errorf("message %q: got time %v, want %v", sent.ID, got.Time, sent.Time)
	}
	if got.Due.Sub(sent.Due).Abs() >= time.Millisecond || got.Expires.Sub(sent.Expires).Abs() >= time.Millisecond {
		s.Errorf("message %q: got due %v and expires %v, want %v and %v", sent.ID, got.Due, got.Expires, sent.Due, sent.Expires)
	}
	for _, h := range sent.Headers {
		if other := strings.ToUpper(h.Key); !got.Headers.Has(h.Key) || got.Headers.Get(other) != h.Value {
			s.Errorf("message %q: header %s: got %q, want %q", sent.ID, h.Key, got.Headers.Get(other), h.Value)
		}
	}
}

// described fails the case unless the driver's own fields of a message at its first delivery are right.
func (s *stage) described(m *async.Message) {
	s.Helper()
	if m.Source == nil || m.Source.System == "" || m.Source.Name == "" {
		s.Errorf("message %q: source %+v, want one with a system and a name", m.ID, m.Source)
	}
	if m.Attempt != 0 {
		s.Errorf("message %q at its first delivery: got attempt %d, want 0 starts before it", m.ID, m.Attempt)
	}
	if s.suite.traits.CountsDeliveries && m.Deliveries != 1 {
		s.Errorf("message %q at its first delivery: got %d deliveries, want 1", m.ID, m.Deliveries)
	}
}

func receiveLanes(s *stage) {
	s.send(s.message("a"), s.message("b"), s.message("a"), s.message("b"), s.message(""), s.message(""))

	lanes := make(map[string]async.Lane)
	for _, m := range s.open().work(6) {
		key := string(m.Key)
		if key == "" {
			if m.Lane != (async.Lane{}) {
				s.Errorf("message %q has no key: got a lane, want the zero lane", m.ID)
			}
			continue
		}
		if m.Lane == (async.Lane{}) {
			s.Errorf("message %q has key %q: got the zero lane", m.ID, key)
		}
		if lane, ok := lanes[key]; ok && lane != m.Lane {
			s.Errorf("messages of key %q are in different lanes", key)
		}
		lanes[key] = m.Lane
	}
	if lanes["a"] == lanes["b"] {
		s.Errorf("different keys share a lane")
	}
}

func receiveSourceLanes(s *stage) {
	ids := s.spread(20, 10)
	ids = append(ids, s.send(s.message(""), s.message(""))...)

	lanes := make(map[*async.Source]async.Lane)
	for _, m := range s.open().work(len(ids)) {
		if m.Lane == (async.Lane{}) || m.Lane.Source != m.Source {
			s.Errorf("message %q of %s: got the lane %+v, want one of its source", m.ID, m.Source, m.Lane)
		}
		if lane, ok := lanes[m.Source]; ok && lane != m.Lane {
			s.Errorf("messages of %s are in different lanes", m.Source)
		}
		lanes[m.Source] = m.Lane
	}
}

func receiveShared(s *stage) {
	const n = 30
	c1, c2 := s.open(), s.open()
	ids := s.spread(n, n)

	seen := make(map[string]int)
	ctx, cancel := context.WithTimeout(s.base, s.suite.patience)
	defer cancel()
	for got := 0; got < n && ctx.Err() == nil; {
		for i, c := range []*client{c1, c2} {
			c.start(2)
			r, ok := c.wait(s.quiet() / n)
			if !ok {
				continue
			}
			if r.err != nil {
				s.Fatalf("consumer %d: receive: %v", i, r.err)
			}
			c.settle(async.Ack, r.mm...)
			for _, m := range r.mm {
				seen[m.ID]++
			}
			got += len(r.mm)
		}
	}
	for i, id := range ids {
		if seen[id] != 1 {
			s.Errorf("message %s of %d: two consumers got it %d times, want once", strconv.Itoa(i), n, seen[id])
		}
	}
}
