package async

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
