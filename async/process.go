package async

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
)

// unit is the observed work on one delivery, from the first start of the handler to the verdict.
type unit struct {
	ctx  context.Context //nolint:containedctx // kept between the attempts of one delivery
	span trace.Span
}

// result is what follows an attempt.
type result struct {
	outcome outcome
	verdict Verdict
	wait    time.Duration // before the next attempt, or the delay of Retry
	cause   error
	label   string // error_type of the delivery
	endless bool   // of retrying: nothing but a success ends it, so Check tells of it
	fault   error  // what the end of the delivery says, if it is a fault
}

// outcome is how an attempt ended for the engine.
type outcome uint8

const (
	settled   outcome = iota // verdict says how
	retrying                 // in place after wait
	exiting                  // the service ends, the message stays
	untouched                // a batch stopped before it
)

// process makes one attempt at m. The observation of the delivery ends with its last one.
func (s *session) process(m *Message) result {
	if !m.task.begun {
		s.begin(m)
	}
	w := &m.task.work
	m.Attempt++
	r := s.judge(w.ctx, &w.span, m, s.attempt(w.ctx, func(ctx context.Context) error { return s.c.handler(ctx, m) }))
	if r.outcome != retrying {
		if r.label != "" {
			w.span.SetErrorType(r.label)
		}
		w.span.End(r.fault)
	}
	return r
}

// begin starts the observation of a delivery.
func (s *session) begin(m *Message) {
	ctx := s.work
	if m.Claim != nil {
		ctx = m.Claim.context(ctx)
	}
	w := &m.task.work
	w.ctx = w.span.Begin(ctx, trace.Unit{Op: s.observe(m.Source).op, In: &m.Headers, Describer: (*description)(m)})
	m.task.begun = true
}

// attempt calls the handler. This is the one place of the asynchronous side that recovers from a panic of user code.
func (s *session) attempt(ctx context.Context, handle func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = reliability.Recovered(r)
		}
	}()
	if s.c.config.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, s.c.config.timeout)
		defer cancel()
		ctx = limited
	}
	return handle(ctx)
}

// judge says what follows from the outcome of an attempt at m, which ran in ctx under span.
func (s *session) judge(ctx context.Context, span *trace.Span, m *Message, err error) result {
	if err == nil {
		return result{verdict: Ack}
	}
	if errors.Is(err, ErrDuplicate) {
		s.observe(m.Source).duplicate.Inc()
		return result{verdict: Ack, cause: err, label: "duplicate"}
	}
	if ctx.Err() != nil {
		// Abandoned is not failed: no policy is asked, and the start is given back.
		m.Attempt--
		if errors.Is(context.Cause(ctx), ErrLost) {
			return result{verdict: Release, cause: err, label: "lost"}
		}
		return result{verdict: Release, cause: err, label: "released"}
	}
	o := s.observe(m.Source)
	if postponed, ok := errors.AsType[*PostponedError](err); ok {
		m.Attempt--
		o.postponed.Inc()
		return result{outcome: retrying, wait: max(postponed.After, minPostponed), cause: err, endless: true}
	}
	o.countFailed(m, err)
	next, wait := s.c.config.policy.after(s.work, m.ID, m.Attempt, reliability.Classify(err) == reliability.ClassPermanent)
	switch {
	case next == again:
		span.Attempt(m.Attempt, err, wait)
		o.retried.Inc()
		return result{outcome: retrying, wait: wait, cause: err, endless: s.c.config.policy.tries == endlessTries}
	case next == later:
		span.Attempt(m.Attempt, err, wait)
		o.retried.Inc()
		return result{verdict: Retry, wait: wait, cause: err, label: "retried"}
	case s.traits.DeadLetters:
		return result{verdict: Reject, cause: err, label: "dead", fault: fmt.Errorf("dead after attempt %d: %w", m.Attempt, err)}
	default:
		return s.judgeByStrategy(span, m, err)
	}
}

// judgeByStrategy says what follows when a message failed for good and there is no dead letter.
func (s *session) judgeByStrategy(span *trace.Span, m *Message, err error) result {
	p := &s.c.config.policy
	o := s.observe(m.Source)
	switch p.strategy {
	case NackStrategy:
		span.Attempt(m.Attempt, err, p.max)
		o.retried.Inc()
		if !s.lanesOff && m.Lane != (Lane{}) || !s.traits.Redelivers || s.traits.DelaysOffLane {
			// Off its lane its followers would overtake it; or the broker does not give it again, or only at times that were planned.
			return result{outcome: retrying, wait: p.max, cause: err, endless: true}
		}
		return result{verdict: Retry, wait: min(p.max, s.traits.MaxDelay), cause: err, label: "retried"}
	case AckStrategy:
		o.discarded.Inc()
		return result{verdict: Ack, cause: err, label: "discarded", fault: fmt.Errorf("discarded after attempt %d: %w", m.Attempt, err)}
	case NackExitStrategy:
		fallthrough
	default:
		return result{outcome: exiting, cause: err, fault: fmt.Errorf("kept after attempt %d, the service ends: %w", m.Attempt, err)}
	}
}

// concludeLocked carries r out.
func (s *session) concludeLocked(m *Message, r result) {
	t := &m.task
	if r.verdict == Release && s.work.Err() != nil {
		s.closing = true // else its followers would be started when it is given back, and overtake it
	}
	switch {
	case t.lost, t.revoked && (r.outcome != settled || r.verdict == Release):
		s.lostLocked(m)
	case r.outcome == exiting:
		s.exitLocked(m, r.cause)
	case s.closing && (r.outcome != settled || r.verdict == Release):
		s.holdLaneLocked(m)
		t.state = waiting // giveBack takes it, after the intake is over
		if s.given {
			s.releaseLocked(m)
		}
	case r.outcome == retrying, r.outcome == untouched:
		if r.endless {
			t.noteTrouble(r.cause)
		}
		s.pauseLocked(m, r.wait)
	default:
		t.state = settling
		settlement := Settlement{Message: m, Verdict: r.verdict, Delay: r.wait, Cause: r.cause}
		switch r.verdict {
		case Reject:
			s.holdLaneLocked(m)
			if onDead := s.c.config.policy.onDead; onDead != nil {
				settlement.Written = func(ctx context.Context) error { return s.tellDead(ctx, m, r.cause) }
			}
		case Release:
			s.holdLaneLocked(m) // its followers are given back after it, not started
		case Ack, Retry:
			s.leaveLaneLocked(m)
		}
		s.pendLocked(settlement)
	}
}

// tellDead calls the user's function, with the values of the delivery's context (span, correlation ID) in the life of the settlement.
func (s *session) tellDead(ctx context.Context, m *Message, cause error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = reliability.Recovered(r)
		}
	}()
	return s.c.config.policy.onDead(valuesOf{Context: ctx, values: m.task.work.ctx}, m, cause)
}

// valuesOf is a context with the life of one context and the values of another.
type valuesOf struct {
	context.Context
	values context.Context //nolint:containedctx // that is what it is for
}

func (c valuesOf) Value(key any) any { return c.values.Value(key) }

// While a Volatile source is drained, the first pauses of a message are left out, and further ones are bounded.
const (
	drainHurry = 10
	drainPause = 100 * time.Millisecond
)

// pauseLocked makes m wait for its next attempt, and its lane with it; no worker does. When a Volatile source is drained there is no pause, or a short one
// where a message fails again and again: its policy may have no end.
func (s *session) pauseLocked(m *Message, wait time.Duration) {
	s.holdLaneLocked(m)
	if s.draining {
		if m.task.drained++; m.task.drained <= drainHurry {
			m.task.state = waiting
			s.ready.pushFront(m)
			return
		}
		wait = min(wait, drainPause)
	}
	m.task.state = paused
	m.task.timer = time.AfterFunc(wait, func() { s.due(m) })
}
