package asynctest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/beatlabs/patron/async"
)

// settleCases are about Consumer.Settle and Close.
func settleCases() []conformanceCase {
	return []conformanceCase{
		{name: "an acknowledged message does not come back", run: settleAck},
		{name: "a retried message comes back after its delay", applies: delays, run: settleRetry},
		{name: "a released message comes back at once", applies: redelivers, run: settleRelease},
		{name: "a rejected message is a dead letter with its reason", applies: deadLetters, run: settleReject},
		{name: "the dead letter is told of after it is written", applies: deadLetters, run: settleTold},
		{name: "a message stays while nobody could be told of its dead letter", applies: deadLetters, run: settleUntold},
		{name: "a message stays while its dead letter cannot be written", applies: deadLetters, run: settleNoTarget},
		{name: "a rejection that failed leaves the message to the next consumer", applies: deadLetters, run: settleUnfinished},
		{name: "a second settlement is refused", run: settleTwice},
		{name: "a settlement that failed is repeated", run: settleAgain},
		{name: "close gives back what is unsettled, in order", run: settleClose},
		{name: "the lag counts what is not settled", run: settleLag},
		{name: "the lag does not take what is delayed for ready", applies: delays, run: settleLagDelayed},
	}
}

func settleAck(s *stage) {
	s.spread(6, 2)
	c := s.open()
	c.work(6)
	c.none("all messages are acknowledged")
	c.close()

	s.empty()
}

func settleRetry(s *stage) {
	delay := s.delay(3 * time.Second)
	id := s.send(s.message("k"))[0]
	c := s.open()
	m := c.takeOrdered(id)[0]
	m.Attempt = 2

	began := time.Now()
	ss := []async.Settlement{{Message: m, Verdict: async.Retry, Delay: delay}}
	if err := c.settleAll(ss)[0]; err != nil {
		s.Fatalf("retry: %v", err)
	}
	again := c.takeOrdered(id)[0]
	waited := time.Since(began)

	// The broker's clock may be another one: a tenth is forgiven.
	if least := delay - delay/10; waited < least {
		s.Errorf("retried with a delay of %v: came back after %v", delay, waited)
	}
	if most := delay + s.slack(); s.suite.virtual && waited > most {
		s.Errorf("retried with a delay of %v: came back after %v, want at most %v", delay, waited, most)
	}
	s.isAgain(again, 2, 2)
	c.settle(async.Ack, again)
	c.none("the message is acknowledged")
}

// isAgain fails the case unless m is a delivery with so many starts before it.
func (s *stage) isAgain(m *async.Message, attempt, deliveries int) {
	s.Helper()
	if exact := s.suite.traits.ExactAttempts; exact && m.Attempt != attempt || m.Attempt < attempt || m.Attempt >= max(deliveries, attempt+1) {
		s.Errorf("message %q came back with attempt %d, want %d", m.ID, m.Attempt, attempt)
	}
	if s.suite.traits.CountsDeliveries && m.Deliveries != deliveries {
		s.Errorf("message %q came back with %d deliveries, want %d", m.ID, m.Deliveries, deliveries)
	}
}

func settleRelease(s *stage) {
	id := s.send(s.message("k"))[0]
	c := s.open()
	m := c.takeOrdered(id)[0]

	began := time.Now()
	c.settle(async.Release, m)
	again := c.takeOrdered(id)[0]

	if took := time.Since(began); took > s.slack() {
		s.Errorf("released: came back after %v, want at once", took)
	}
	s.isAgain(again, 0, 2)
	c.settle(async.Ack, again)
	c.none("the message is acknowledged")
}

func settleReject(s *stage) {
	ids := s.send(s.message("k"), s.message("k"))
	c := s.open()
	m := c.takeOrdered(ids[0])[0]
	m.Attempt = 3

	c.settle(async.Reject, m)

	letter := s.awaitDead()
	s.isLetter(letter, m, errPoison.Error(), 3)
	c.settle(async.Ack, c.takeOrdered(ids[1])...) // its key goes on
	c.none("one message is dead, the other one acknowledged")
}

// isLetter fails the case unless letter is the dead letter of m.
func (s *stage) isLetter(letter, m *async.Message, cause string, attempts int) {
	s.Helper()
	if letter.ID != m.ID || string(letter.Data) != string(m.Data) || string(letter.Key) != string(m.Key) {
		s.Errorf("dead letter: got ID %q, key %q, data %q, want those of message %q, %q, %q", letter.ID, letter.Key, letter.Data, m.ID, m.Key, m.Data)
	}
	for header, want := range map[string]string{
		async.HeaderDeadCause: cause, async.HeaderDeadAttempt: strconv.Itoa(attempts), async.HeaderDeadOrigin: m.Source.String(),
	} {
		if got := letter.Headers.Get(header); got != want {
			s.Errorf("dead letter of message %q: header %s: got %q, want %q", m.ID, header, got, want)
		}
	}
	written, err := time.Parse(time.RFC3339Nano, letter.Headers.Get(async.HeaderDeadTime))
	if err != nil {
		s.Errorf("dead letter of message %q: header %s: %v", m.ID, async.HeaderDeadTime, err)
	} else if age := time.Since(written).Abs(); age > s.suite.patience {
		s.Errorf("dead letter of message %q: header %s: written %v ago", m.ID, async.HeaderDeadTime, age)
	}
}

func settleTold(s *stage) {
	ids := s.send(s.message("k"), s.message("k"))
	c := s.open()
	m := c.takeOrdered(ids[0])[0]

	told := 0
	err := c.settleAll([]async.Settlement{{Message: m, Verdict: async.Reject, Cause: errPoison, Written: func(context.Context) error {
		told++
		s.awaitDead()
		return nil
	}}})[0]

	if err != nil || told != 1 {
		s.Fatalf("reject: got %v, told %d times, want success, once", err, told)
	}
	c.settle(async.Ack, c.takeOrdered(ids[1])...)
	c.none("one message is dead, the other one acknowledged")
}

func settleUntold(s *stage) {
	id := s.send(s.message("k"))[0]
	c := s.open()
	m := c.takeOrdered(id)[0]
	refusal := errors.New("nobody listens")

	reject := func(answer error) error {
		written := func(context.Context) error { return answer }
		return c.settleAll([]async.Settlement{{Message: m, Verdict: async.Reject, Cause: errPoison, Written: written}})[0]
	}
	if err := reject(refusal); !errors.Is(err, refusal) {
		s.Fatalf("reject that nobody could be told of: got %v, want %v", err, refusal)
	}
	if err := reject(nil); err != nil {
		s.Fatalf("the same once more: got %v, want success, because the message stayed", err)
	}

	s.awaitDead() // twice is once
	c.close()
	s.empty()
}

func settleNoTarget(s *stage) {
	breaker := need[DeadLetterBreaker](s)
	id := s.send(s.message("k"))[0]
	c := s.open()
	m := c.takeOrdered(id)[0]

	breaker.BreakDeadLetters()
	told := false
	written := func(context.Context) error { told = true; return nil }
	err := c.settleAll([]async.Settlement{{Message: m, Verdict: async.Reject, Cause: errPoison, Written: written}})[0]
	if err == nil || errors.Is(err, async.ErrLost) || told {
		s.Errorf("reject without a target: got %v, told: %t, want an error that is not ErrLost, and nobody told", err, told)
	}
	breaker.MendDeadLetters()

	c.settle(async.Reject, m)
	s.awaitDead()
	c.close()
	s.empty()
}

// settleUnfinished finds who takes a message off before its dead letter is written and told of: as long as the process lives it can try again, and nobody sees.
func settleUnfinished(s *stage) {
	refusal := errors.New("nobody listens")
	id := s.send(s.message("k"))[0]
	c := s.open()
	m := c.takeOrdered(id)[0]
	if breaker, ok := s.harness.(DeadLetterBreaker); ok { // first: who remembers that a letter is written needs its target no more
		breaker.BreakDeadLetters()
		if err := c.settleAll([]async.Settlement{{Message: m, Verdict: async.Reject, Cause: errPoison}})[0]; err == nil {
			s.Errorf("reject without a target: got nil, want an error")
		}
		breaker.MendDeadLetters()
	}
	untold := async.Settlement{Message: m, Verdict: async.Reject, Cause: errPoison, Written: func(context.Context) error { return refusal }}
	if err := c.settleAll([]async.Settlement{untold})[0]; !errors.Is(err, refusal) {
		s.Fatalf("reject that nobody could be told of: got %v, want %v", err, refusal)
	}

	c.close()

	c = s.open()
	c.settle(async.Ack, c.takeOrdered(id)...)
	c.none("the message is acknowledged")
}

func settleTwice(s *stage) {
	verdicts := []async.Verdict{async.Ack}
	if s.suite.traits.DeadLetters {
		verdicts = append(verdicts, async.Reject)
	}
	if s.suite.traits.Redelivers {
		verdicts = append(verdicts, async.Release, async.Retry)
	}
	c := s.open()
	for _, v := range verdicts {
		id := s.send(s.message(v.String()))[0]
		m := c.takeOrdered(id)[0]
		c.settle(v, m)

		c.lost(m, "after "+v.String())

		if v == async.Release || v == async.Retry {
			again := c.takeOrdered(id)[0]
			c.lost(m, "while it is delivered again")
			c.settle(async.Ack, again)
		}
	}
	c.none("all messages are settled")
}

func settleAgain(s *stage) {
	failer := need[SettlementFailer](s)
	const n = 20
	s.spread(n, n)
	c := s.open()
	mm := c.take(n)

	failer.FailSettlements(10)
	var failed []*async.Message
	ss := make([]async.Settlement, n)
	for i, m := range mm {
		ss[i] = async.Settlement{Message: m, Verdict: async.Ack}
	}
	for i, err := range c.settleAll(ss) {
		if errors.Is(err, async.ErrLost) {
			s.Errorf("settlement of message %q: got ErrLost, want a failure that can be repeated", mm[i].ID)
		}
		if err != nil {
			failed = append(failed, mm[i])
		}
	}
	failer.FailSettlements(0)

	if len(failed) != n/10 {
		s.Errorf("one of ten settlements fails: got %d failures of %d, want %d", len(failed), n, n/10)
	}
	c.settle(async.Ack, failed...)
	c.close()
	s.empty()
}

func settleClose(s *stage) {
	ids := s.send(s.messages("k", 5)...)
	c := s.open()
	done := c.take(1)
	c.settle(async.Ack, done...)
	c.receive(2) // which stay unsettled

	c.close()

	c = s.open()
	got := idsOf(c.work(4))
	if s.suite.traits.Ordered == async.OrderedNone {
		slices.Sort(got)
	}
	if !slices.Equal(got, ids[1:]) {
		s.Errorf("after close: got %v, want %v", got, ids[1:])
	}
	c.none("all messages are acknowledged")
}

func settleLag(s *stage) {
	c := s.open()
	lagger, ok := c.consumer.(async.Lagger)
	if !ok {
		s.skip("the consumer is no async.Lagger")
	}
	lagIs := func(want int64, when string) {
		s.Helper()
		var got int64
		if !s.comesTrue(func() bool {
			got = s.lagOf(lagger)
			return got == want
		}) {
			s.Errorf("lag %s: got %d messages, want %d", when, got, want)
		}
	}

	s.spread(5, 5)
	lagIs(5, "of what is queued")
	mm := c.take(5)
	lagIs(5, "of what is in flight")
	s.notReady(lagger, "of what is in flight", time.Time{})
	c.settle(async.Ack, mm[:3]...)
	lagIs(2, "after three of five were acknowledged")
	c.settle(async.Ack, mm[3:]...)
	lagIs(0, "of nothing")
}

func settleLagDelayed(s *stage) {
	c := s.open()
	lagger, ok := c.consumer.(async.Lagger)
	if !ok {
		s.skip("the consumer is no async.Lagger")
	}
	s.send(s.message("k"))
	v := async.Settlement{Message: c.take(1)[0], Verdict: async.Retry, Delay: s.delay(time.Minute)}
	due := time.Now().Add(v.Delay)
	if err := c.settleAll([]async.Settlement{v})[0]; err != nil {
		s.Fatalf("retry: %v", err)
	}

	s.notReady(lagger, "of what is delayed", due)

	c.settle(async.Ack, c.take(1)...)
}

// notReady fails the case if the lag says that something would be received now: the engine would take a consumer that gets nothing for one that hangs. An
// answer that comes after due, unless that is zero, says nothing: on a busy machine a delay may be over by then.
func (s *stage) notReady(lagger async.Lagger, when string, due time.Time) {
	s.Helper()
	ctx, cancel := s.limited()
	defer cancel()
	lags, err := lagger.Lag(ctx)
	if err != nil {
		s.Fatalf("lag: %v", err)
	}
	if !due.IsZero() && !time.Now().Before(due) {
		return
	}
	for _, l := range lags {
		if l.Ready != 0 {
			s.Errorf("lag %s: %d messages of %v are ready, want none", when, l.Ready, l.Source)
		}
	}
}

func (s *stage) lagOf(lagger async.Lagger) int64 {
	s.Helper()
	ctx, cancel := s.limited()
	defer cancel()
	lags, err := lagger.Lag(ctx)
	if err != nil {
		s.Fatalf("lag: %v", err)
	}
	var n int64
	for _, l := range lags {
		if l.Source == nil || l.Messages < 0 || l.Oldest < 0 || l.Ready < 0 || l.Ready > l.Messages {
			s.Errorf("lag: got %+v, want a source, no negative numbers and no more that is ready than there is", l)
		}
		n += l.Messages
	}
	return n
}
