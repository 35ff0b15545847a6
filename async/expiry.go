package async

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/reliability"
)

// ErrExpired is the cause of a dead letter whose handler was not started before Message.Expires. It is a failure like any other that is permanent, so without a
// dead letter the [Strategy] decides; never is the message dropped in silence. What was started in time is tried as often as the policy says. The engine looks
// when it would start the handler, so a message that nobody receives stays where it is, and a driver has nothing to do but carry the time.
var ErrExpired = errors.New("async: message expired")

// expiredError says of a message that no handler was started on it.
type expiredError struct{ at time.Time }

func (e *expiredError) Error() string {
	return fmt.Sprintf("%v at %s", ErrExpired, e.at.UTC().Format(time.RFC3339Nano))
}

// Unwrap returns ErrExpired.
func (e *expiredError) Unwrap() error { return ErrExpired }

// Class makes the error permanent, see [reliability.Classify].
func (e *expiredError) Class() reliability.Class { return reliability.ClassPermanent }

// expiry returns why the handler must not be started on m, or nil. Its first start is counted already.
func expiry(m *Message) error {
	if m.Expires.IsZero() || m.Attempt > 1 || time.Now().Before(m.Expires) {
		return nil
	}
	return &expiredError{at: m.Expires}
}

// unlessExpired is the outermost layer around a handler.
func unlessExpired(next ProcessorFunc) ProcessorFunc {
	return func(ctx context.Context, m *Message) error {
		if err := expiry(m); err != nil {
			return err
		}
		return next(ctx, m)
	}
}

// unlessAnyExpired is the same around the handler of batches. If some of a batch have expired the handler is not called: those are dead, and the rest is the
// next batch.
func unlessAnyExpired(next BatchFunc) BatchFunc {
	return func(ctx context.Context, mm []*Message) error {
		var batch *BatchError
		for i, m := range mm {
			if err := expiry(m); err != nil {
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

// countFailed counts a failed attempt at m; one that expired was none, and is given back.
func (o *observation) countFailed(m *Message, err error) {
	if _, ok := errors.AsType[*expiredError](err); ok {
		m.Attempt--
		o.expired.Inc()
		return
	}
	o.failed.Inc()
}
