package simtest

import (
	"context"

	"github.com/beatlabs/patron/async"
)

// Settle carries verdicts out, one after another in one turn, unless somebody is to be told of a dead letter.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	w := c.world
	if !w.enter() {
		return errCut
	}
	defer w.wg.Done()
	w.mu.Lock()
	c.settles++
	a := actorSettler + actor(c.settles%16)
	pause := w.plan.pause(w.placeLocked(settling, c.process.itself(0)))
	for i := range ss {
		if d, ok := ss[i].Message.Raw.(*delivery); ok && d.claim.ended > 0 && w.now() > d.claim.ended && !c.process.dead {
			w.violatef(OwnClaim, "%s of %s, whose claim ended at %v", ss[i].Verdict, w.name(d), shown(d.claim.ended))
		}
	}
	w.mu.Unlock()
	if !w.turn(c.process, a, pause) {
		return errCut
	}
	for i := range ss {
		if err := c.settleOne(ctx, a, &ss[i]); err != nil {
			return err
		}
	}
	return nil
}

// settleOne carries one verdict out. The error it returns is that of the connection.
func (c *consumer) settleOne(ctx context.Context, a actor, s *async.Settlement) error {
	w, p := c.world, c.process
	w.mu.Lock()
	if c.broken != nil {
		defer w.mu.Unlock()
		return c.broken
	}
	d, ok := s.Message.Raw.(*delivery)
	if !ok {
		defer w.mu.Unlock()
		s.Err = async.ErrLost
		return nil
	}
	f := w.plan.fault(w.placeLocked(settling, d.entry.index), Death, Disconnect, SettleFails, AnswerLost)
	if f == Death {
		return c.dieInside("before its " + s.Verdict.String() + " of " + w.name(d))
	}
	if f == Disconnect {
		defer w.mu.Unlock()
		c.breakLocked("before its " + s.Verdict.String() + " of " + w.name(d))
		return c.broken
	}
	if f == SettleFails {
		defer w.mu.Unlock()
		w.faultf(p, "%s of %s fails", s.Verdict, w.name(d))
		s.Err = errSettlement
		return nil
	}
	w.broker.expire()
	if !w.broker.holds(d) {
		defer w.mu.Unlock()
		w.notef(p, "%s of %s is refused: it is no longer held", s.Verdict, w.name(d))
		s.Err = async.ErrLost
		return nil
	}
	c.judge(d, s)
	if s.Verdict == async.Reject && !c.bury(ctx, a, d, s) {
		w.mu.Unlock()
		if !w.lives(p) {
			return errCut
		}
		return nil
	}
	c.carryOut(d, s)
	if w.plan.fault(w.placeLocked(settled, d.entry.index), Death) == Death {
		return c.dieInside("after its " + s.Verdict.String() + " of " + w.name(d))
	}
	defer w.mu.Unlock()
	if f == AnswerLost {
		w.faultf(p, "gets no answer to its %s of %s", s.Verdict, w.name(d))
		s.Err = errAnswer
	}
	return nil
}

// dieInside ends the process within a call of it, which then waits for the end. It unlocks.
func (c *consumer) dieInside(when string) error {
	c.process.dieLocked(when)
	c.world.mu.Unlock()
	c.world.lives(c.process)
	return errCut
}

// judge compares a verdict with what handlers did.
func (c *consumer) judge(d *delivery, s *async.Settlement) {
	w, m := c.world, s.Message
	switch s.Verdict {
	case async.Ack:
		if !d.succeeded && (s.Cause == nil || d.failed == 0) {
			w.violatef(AfterEffect, "ack of %s, of which no handler has succeeded", w.name(d))
		}
		return
	case async.Reject:
		if d.failed == 0 {
			w.violatef(AfterEffect, "reject of %s, of which no handler has failed", w.name(d))
		}
	case async.Retry, async.Release:
	}
	w.confirmLocked(d)
	if want := d.base + d.failed; m.Attempt != want && !d.unsure {
		w.violatef(Attempts, "%s of %s with attempt %d, want %d", s.Verdict, w.name(d), m.Attempt, want)
	}
}

// bury writes the dead letter and lets it be told of. It reports false if the message stays, or the process is dead.
func (c *consumer) bury(ctx context.Context, a actor, d *delivery, s *async.Settlement) bool {
	w, p, e := c.world, c.process, d.entry
	f := w.plan.fault(w.placeLocked(writing, e.index), Death, DeadLetterFails)
	if f == Death {
		p.dieLocked("before it writes the dead letter of " + e.message.ID)
		return false
	}
	if f == DeadLetterFails {
		w.faultf(p, "cannot write the dead letter of %s", e.message.ID)
		s.Err = errDeadLetter
		return false
	}
	e.dead, e.deadLane = s.Cause, true // twice is once
	w.notef(p, "writes the dead letter of %s: %v", e.message.ID, s.Cause)
	if w.plan.fault(w.placeLocked(written, e.index), Death) == Death {
		p.dieLocked("between the dead letter of " + e.message.ID + " and the end of the message")
		return false
	}
	if s.Written == nil {
		return true
	}
	p.telling = &call{process: p, world: w, actor: a, deliveries: []*delivery{d}}
	w.mu.Unlock()
	err := s.Written(ctx)
	alive := w.turn(p, a, 0)
	w.mu.Lock()
	p.telling = nil
	if !alive {
		return false
	}
	if err == nil && !w.broker.holds(d) {
		err = async.ErrLost
	}
	s.Err = err
	return err == nil
}

// carryOut does what a verdict says.
func (c *consumer) carryOut(d *delivery, s *async.Settlement) {
	w, e := c.world, d.entry
	b := w.broker
	switch s.Verdict {
	case async.Ack:
		if !d.succeeded {
			e.discarded = true
		}
		w.notef(c.process, "ack of %s", w.name(d))
		b.remove(e)
	case async.Reject:
		b.remove(e)
	case async.Retry, async.Release:
		e.attempt = s.Message.Attempt
		e.state = queued
		if len(b.parts) > 0 {
			e.state = parked
		}
		if s.Verdict == async.Retry {
			e.due = w.now() + s.Delay
			w.notef(c.process, "retry of %s in %v", w.name(d), s.Delay)
		} else {
			w.notef(c.process, "release of %s", w.name(d))
		}
		b.shout()
	}
}
