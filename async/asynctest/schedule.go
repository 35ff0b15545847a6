package asynctest

import (
	"errors"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// scheduleCases are about messages with times of their own, from the side of the consumer.
func scheduleCases() []conformanceCase {
	return []conformanceCase{
		{name: "a message that expired before it was started is a dead letter with its cause", applies: deadLetters, run: expireUnstarted},
		{name: "the lag counts apart what is not due", applies: publishDelays, run: lagNotDue},
		{name: "a stop leaves what is not due where it is", applies: all(outlives, publishDelays), run: stopNotDue},
		{name: "a volatile source that is drained gives nothing before its time, and its loss is reported", applies: all(volatile, publishDelays), run: drainNotDue},
	}
}

// scheduledProducerCases are those of RunProducer.
func scheduledProducerCases() []conformanceCase {
	return []conformanceCase{
		{name: "a message is held back until it is due", applies: publishDelays, run: produceDue},
		{name: "a message that is held back joins its key when it is due, and holds up nobody", applies: all(ordered, publishDelays), run: produceDueOrder},
		{name: "what the broker cannot hold back is refused, with all of its batch", run: produceTooLate},
	}
}

func publishDelays(t async.Traits) string {
	if t.MaxPublishDelay == 0 {
		return "the broker cannot hold messages back"
	}
	return ""
}

// hold is how long messages are held back, within what the broker and a real clock can do.
func (s *stage) hold() time.Duration {
	d := 3 * time.Second
	if s.suite.virtual {
		d = 5 * time.Minute
	}
	return min(d, s.suite.traits.MaxPublishDelay)
}

// slower is by how much a message is held back for longer if the machine was too busy to do in time what is to be done before it is due.
const slower = 4

func expireUnstarted(s *stage) {
	const life = 100 * time.Millisecond
	w := newWitness()
	late := s.message("k")
	late.Expires = time.Now().Add(life)
	intime := s.message("k")
	intime.Expires = time.Now().Add(24 * time.Hour)
	ids := s.send(late, intime)
	pause(s.base, life+s.slack())

	v := s.serve(w.handler(nil))
	s.await("the message that has not expired is processed", func() bool { return w.count() == 1 })
	letter := s.awaitDead()

	v.stopWell()
	w.check(s, ids[1:], true)
	if cause := letter.Headers.Get(async.HeaderDeadCause); letter.ID != ids[0] || !strings.Contains(cause, async.ErrExpired.Error()) {
		s.Errorf("dead letter: got ID %q and cause %q, want %q and that it expired", letter.ID, cause, ids[0])
	}
	if got := letter.Headers.Get(async.HeaderDeadAttempt); got != "0" {
		s.Errorf("dead letter: header %s: got %q, want 0: it was never started", async.HeaderDeadAttempt, got)
	}
	s.empty()
}

func lagNotDue(s *stage) {
	c := s.open()
	lagger, ok := c.consumer.(async.Lagger)
	if !ok {
		s.skip("the consumer is no async.Lagger")
	}
	due := s.message("a")
	due.Due = time.Now().Add(s.hold())
	s.send(due, s.message("b"), s.message("c"))

	var now, later int64
	if !s.comesTrue(func() bool {
		now, later = s.lagsOf(lagger)
		return now == 2 && later == 1
	}) {
		s.Errorf("lag: got %d messages and %d that are not due, want 2 and 1", now, later)
	}
	c.work(3)
	if now, later = s.lagsOf(lagger); now != 0 || later != 0 {
		s.Errorf("lag of nothing: got %d messages and %d that are not due", now, later)
	}
}

func (s *stage) lagsOf(lagger async.Lagger) (now, later int64) {
	s.Helper()
	ctx, cancel := s.limited()
	defer cancel()
	lags, err := lagger.Lag(ctx)
	if err != nil {
		s.Fatalf("lag: %v", err)
	}
	for _, l := range lags {
		now, later = now+l.Messages, later+l.NotDue
	}
	return now, later
}

func stopNotDue(s *stage) {
	w := newWitness()
	due := s.message("k")
	due.Due = time.Now().Add(s.hold())
	ids := s.send(due, s.message("k"))
	v := s.serve(w.handler(nil))
	s.await("the message that is due is processed", func() bool { return w.count() == 1 })

	v.stopWell()

	w.check(s, ids[1:], true)
	v = s.serve(w.handler(nil))
	s.await("the next component processes the other one", func() bool { return w.count() == 2 })
	if at := w.effectAt(ids[0]); at.Before(due.Due) {
		s.Errorf("message %q was due at %v: processed at %v", ids[0], due.Due, at)
	}
	v.stopWell()
	s.empty()
}

func drainNotDue(s *stage) {
	w := newWitness()
	due := s.message("k")
	due.Due = time.Now().Add(s.hold())
	ids := s.send(due, s.message("k"))
	v := s.serve(w.handler(nil))
	s.await("the message that is due is processed", func() bool { return w.count() == 1 })

	began := time.Now()
	err := v.stop()

	if took := time.Since(began); took > s.slack()+3*s.suite.traits.StopWait {
		s.Errorf("the stop took %v, want it not to wait for what is not due", took)
	}
	if err == nil || !strings.Contains(err.Error(), "1 messages left") {
		s.Errorf("Run: got %v, want an error that counts the message that is left", err)
	}
	w.check(s, ids[1:], true)
	s.refuses(s.raw)
}

func produceDue(s *stage) {
	p := s.produce()
	m := s.message("k")
	m.Due = time.Now().Add(s.hold())
	past := s.message("k")
	past.Due = time.Now().Add(-time.Hour)
	s.sends(p, m, past)
	c := s.open()

	c.settle(async.Ack, c.takeOrdered(past.ID)...)
	got := c.takeOrdered(m.ID)[0]

	now := time.Now()
	// The broker's clock may be another one: a tenth is forgiven.
	if early := m.Due.Sub(now); early > s.hold()/10 || s.suite.virtual && early > 0 {
		s.Errorf("received %v before it is due", early)
	}
	if late := now.Sub(m.Due); s.suite.virtual && late > s.slack() {
		s.Errorf("received %v after it is due", late)
	}
	if got.Due.Sub(m.Due).Abs() >= time.Millisecond {
		s.Errorf("received due %v, want %v", got.Due, m.Due)
	}
	c.settle(async.Ack, got)
	c.none("both messages are acknowledged")
}

func produceDueOrder(s *stage) {
	p, c := s.produce(), (*client)(nil)
	var later *async.Message
	for hold := s.hold(); ; hold *= slower {
		later = s.message("k")
		follower := s.message("k")
		later.Due = time.Now().Add(hold)
		s.sends(p, later)
		s.sends(p, follower)
		inTime := time.Now().Before(later.Due)
		if c == nil {
			c = s.open()
		}
		if inTime {
			first := c.takeOrdered(follower.ID)
			inTime = time.Now().Before(later.Due)
			c.settle(async.Ack, first...)
			if inTime {
				break
			}
			c.work(1)
		} else {
			c.work(2)
		}
		if s.suite.virtual || hold*slower > min(slower*slower*s.hold(), s.suite.traits.MaxPublishDelay) {
			s.Errorf("the follower of a message that is held back for %v came when that was due", hold)
			return
		}
	}
	pause(s.base, time.Until(later.Due)+s.slack())
	last := s.message("k")
	s.sends(p, last)

	if got := idsOf(c.work(2)); got[0] != later.ID {
		s.Errorf("got %v, want %q, which was due, before %q, which was sent after that", got, later.ID, last.ID)
	}
}

func produceTooLate(s *stage) {
	const ages = 100 * 365 * 24 * time.Hour
	most := s.suite.traits.MaxPublishDelay
	if most > ages {
		s.skip("the broker holds messages back for ages")
	}
	p := s.produce()
	m := s.message("k")
	m.Due = time.Now().Add(most + time.Hour)
	ctx, cancel := s.limited()
	defer cancel()

	err := p.Send(ctx, s.message("k"), m)

	if !errors.Is(err, errors.ErrUnsupported) || reliability.Classify(err) != reliability.ClassPermanent {
		s.Errorf("send of a message due in %v to a broker that can hold it back for %v: got %v, want errors.ErrUnsupported, permanent", most+time.Hour, most, err)
	}
	s.empty()
	if most == 0 {
		return
	}
	scheduler, ok := p.(async.Scheduler)
	if !ok || scheduler.MaxPublishDelay() != most {
		s.Errorf("the producer is a Scheduler: %t, want one with a delay of %v", ok, most)
	}
}
