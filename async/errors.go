package async

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/reliability"
)

// Errors that decide, for errors.Is.
var (
	// ErrLost says that a message is no longer ours: its claim was revoked, its lease ran out, its channel closed. The broker gives it again.
	ErrLost = errors.New("async: message no longer ours")
	// ErrClosed says that a producer or its broker is closed: the message was not accepted and will not be.
	ErrClosed = errors.New("async: closed")
	// ErrUnknown says that a message may have arrived, or not.
	ErrUnknown = errors.New("async: outcome unknown")
	// ErrDuplicate says that the effect of a message has happened before: a handler that finds out returns it, wrapped or not, and the message is taken off
	// its source as if it had been done now. No policy is asked. In a batch it counts only for messages that a [*BatchError] names.
	ErrDuplicate = errors.New("async: duplicate message")
	// ErrStalled says, in what [Component.Check] returns, that messages wait and nothing moves; see [WithWatchdog].
	ErrStalled = errors.New("stalled")
)

// BatchError says which messages of a batch failed. Messages that it does not name are done. It is made with [FailAt] and [StopAt], or by hand.
type BatchError struct {
	Errors map[int]error // index in the batch → why
	// Stop is the index from which on nothing was touched, if Stopped is set: those messages are neither done nor failed, and come again.
	Stop    int
	Stopped bool
}

// FailAt returns a BatchError for one message; Add names further ones.
func FailAt(i int, err error) *BatchError { return &BatchError{Errors: map[int]error{i: err}} }

// StopAt returns the error of a batch handler that stopped at message i to keep its order: those before i are done, i failed with err, the rest is
// untouched.
func StopAt(i int, err error) *BatchError {
	return &BatchError{Errors: map[int]error{i: err}, Stop: i + 1, Stopped: true}
}

// Add names one more failed message and returns e. A nil err is ignored.
func (e *BatchError) Add(i int, err error) *BatchError {
	if err == nil {
		return e
	}
	if e.Errors == nil {
		e.Errors = make(map[int]error)
	}
	e.Errors[i] = err
	return e
}

// Err returns e as an error, or nil if it names no message.
func (e *BatchError) Err() error {
	if e == nil || len(e.Errors) == 0 && !e.Stopped {
		return nil
	}
	return e
}

// Error names the failed messages, the first ten of them.
func (e *BatchError) Error() string {
	const most = 10
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the batch failed", len(e.Errors))
	for n, i := range slices.Sorted(maps.Keys(e.Errors)) {
		if n == most {
			b.WriteString("; …")
			break
		}
		b.WriteString("; " + strconv.Itoa(i) + ": " + e.Errors[i].Error())
	}
	return b.String()
}

// Unwrap returns the errors, in the order of their indexes.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, 0, len(e.Errors))
	for _, i := range slices.Sorted(maps.Keys(e.Errors)) {
		errs = append(errs, e.Errors[i])
	}
	return errs
}

// DecodeError says that a message cannot be decoded, because of Err: trying again is of no use.
type DecodeError struct{ Err error }

// Error says "decode" and the cause.
func (e *DecodeError) Error() string { return "decode: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

// Class makes the error permanent, see [reliability.Classify].
func (e *DecodeError) Class() reliability.Class { return reliability.ClassPermanent }

// PostponedError says that a handler did not begin with a message, because of Err, and wants it again after a while: another delivery of the same message is at
// work, or what it takes to know that cannot be reached. The lane of the message waits meanwhile, at the cost of a timer; no attempt is spent and no policy is
// asked, so nothing bounds how often this happens. [Component.Check] tells of a message to which it happens for long.
type PostponedError struct {
	After time.Duration // until the next start; one below 10 ms counts as 10 ms
	Err   error         // why
}

// minPostponed keeps a message that is postponed from keeping a worker busy.
const minPostponed = 10 * time.Millisecond

// Error says "postponed", for how long, and the cause.
func (e *PostponedError) Error() string {
	text := "postponed for " + e.After.String()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *PostponedError) Unwrap() error { return e.Err }

// Class makes the error transient, whatever its cause is, see [reliability.Classify].
func (e *PostponedError) Class() reliability.Class { return reliability.ClassTransient }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
