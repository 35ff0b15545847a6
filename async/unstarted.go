package async

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/beatlabs/patron/reliability"
)

// ErrExpired is the cause of a dead letter whose handler was not started before Message.Expires. It is a failure like any other that is permanent, so without a
// dead letter the [Strategy] decides; never is the message dropped in silence. What was started in time is tried as often as the policy says. The engine looks
// when it would start the handler, so a message that nobody receives stays where it is, and a driver has nothing to do but carry the time.
var ErrExpired = errors.New("async: message expired")

// ErrExhausted is the cause of a dead letter that came with as many starts behind it as the policy allows, and of which nothing is known but that no handler
// came to an end: the message takes its process down, or the process died before the dead letter was written. The handler is not started again. It needs a
// dead letter, or AckStrategy; with the other strategies the message is kept, and so it is started.
var ErrExhausted = errors.New("async: message was started as often as allowed, and never finished")

// uncounted is how many starts beyond those of the policy are forgiven where a broker counts deliveries that never led to a start (Traits.ExactAttempts).
const uncounted = 10

// unstartedError says of a message why no handler was started on it: ErrExpired or ErrExhausted.
type unstartedError struct {
	reason error
	detail string
}

func (e *unstartedError) Error() string { return e.reason.Error() + e.detail }

// Unwrap returns the reason.
func (e *unstartedError) Unwrap() error { return e.reason }

// Class makes the error permanent, see [reliability.Classify].
func (e *unstartedError) Class() reliability.Class { return reliability.ClassPermanent }

// gate decides what a handler is not started on.
type gate struct {
	most int // starts of one message
}

// newGate returns the gate of a component.
func newGate(c *config, t Traits) gate {
	most := c.attempts()
	switch {
	case !t.DeadLetters && c.policy.strategy != AckStrategy:
		return gate{most: math.MaxInt}
	case !t.ExactAttempts && most < math.MaxInt-uncounted:
		most += uncounted
	}
	return gate{most: most}
}

// check returns why the handler must not be started on m, or nil. This start is counted already.
func (g gate) check(m *Message) error {
	switch {
	case m.Attempt > g.most:
		return &unstartedError{reason: ErrExhausted, detail: fmt.Sprintf(": %d starts before this delivery", m.Attempt-1)}
	case m.Expires.IsZero(), m.Attempt > 1, time.Now().Before(m.Expires):
		return nil
	default:
		return &unstartedError{reason: ErrExpired, detail: " at " + m.Expires.UTC().Format(time.RFC3339Nano)}
	}
}

// each is the outermost layer around a handler.
func (g gate) each(next ProcessorFunc) ProcessorFunc {
	return func(ctx context.Context, m *Message) error {
		if err := g.check(m); err != nil {
			return err
		}
		return next(ctx, m)
	}
}

// batch is the same around the handler of batches. If some of a batch must not be started the handler is not called: those are dead, and the rest is the next
// batch.
func (g gate) batch(next BatchFunc) BatchFunc {
	return func(ctx context.Context, mm []*Message) error {
		var batch *BatchError
		for i, m := range mm {
			if err := g.check(m); err != nil {
				if batch == nil {
					batch = &BatchError{}
				}
				batch = batch.Add(i, err)
			}
		}
		if batch == nil {
			return next(ctx, mm)
		}
		for i := range mm {
			if batch.Errors[i] == nil {
				batch = batch.Add(i, errUntouched)
			}
		}
		return batch
	}
}

// countFailed counts a failed attempt at m; one that was never started was none, and is given back.
func (o *observation) countFailed(m *Message, err error) {
	unstarted, ok := errors.AsType[*unstartedError](err)
	if !ok {
		o.failed.Inc()
		return
	}
	m.Attempt--
	if errors.Is(unstarted.reason, ErrExpired) {
		o.expired.Inc()
	}
}
