package sync

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beatlabs/patron/encoding"
)

// Error is a failure with a [Code]. A processor returns it, as a pointer and wrapped as it likes, to say what the caller is told; every other error
// reaches the caller as Unknown, without its text.
//
// Message, Payload, Faults and RetryAfter go out to the caller. Err is for the log: it never goes out. An Error is read only once it is returned.
type Error struct {
	Code       Code
	Message    string        // a sentence for the caller; empty: the transport's own words for the code
	Payload    any           // encoded as the body instead of what the transport would write; nil: nothing
	Faults     []Fault       // what is wrong with the input, all at once; with InvalidArgument
	RetryAfter time.Duration // when trying again may help, rounded up to whole seconds by HTTP; 0: not said
	Err        error         // the cause, for the log alone
}

// NewError returns an Error with a message for the caller. To keep the cause for the log, write an Error with its field Err.
func NewError(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// Errorf is [NewError] with a message formatted as by fmt.Sprintf. The message goes out: put no error into it, but into the field Err.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// NewErrorWithPayload returns an Error whose payload is encoded as the body of the answer.
func NewErrorWithPayload(code Code, payload any) *Error { return &Error{Code: code, Payload: payload} }

// NewValidationError returns an InvalidArgument with its faults: HTTP answers 422, or 400 if there are none. The faults are not copied.
func NewValidationError(message string, ff ...Fault) *Error {
	return &Error{Code: InvalidArgument, Message: message, Faults: ff}
}

// NewUnauthorizedError returns an Unauthenticated error: the caller is not known.
func NewUnauthorizedError(message string) *Error { return NewError(Unauthenticated, message) }

// NewForbiddenError returns a PermissionDenied error: the caller is known and may not.
func NewForbiddenError(message string) *Error { return NewError(PermissionDenied, message) }

// NewNotFoundError returns a NotFound error.
func NewNotFoundError(message string) *Error { return NewError(NotFound, message) }

// NewServiceUnavailableError returns an Unavailable error that says when trying again may help; 0: not said.
func NewServiceUnavailableError(message string, retryAfter time.Duration) *Error {
	return &Error{Code: Unavailable, Message: message, RetryAfter: retryAfter}
}

// A nil *Error that ended up in an error is a mistake that is easily made. Its methods treat it as an Unknown, for they are called where failures are
// reported: a panic there would hide what happened.

// Error returns code, message, first fault and cause in one line, for the log. It is not what the caller reads.
func (e *Error) Error() string {
	if e == nil {
		return Unknown.String() + ": nil error"
	}
	var b strings.Builder
	b.WriteString(e.Code.String())
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	if len(e.Faults) > 0 {
		fmt.Fprintf(&b, ": %q %s", e.Faults[0].Pointer, e.Faults[0].Detail)
		if more := len(e.Faults) - 1; more > 0 {
			fmt.Fprintf(&b, " (and %d more)", more)
		}
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// HTTPStatus returns the status HTTP answers with. It is that of the code, but for an InvalidArgument that tells more: 422 with Faults, 415 if Err is
// encoding.ErrContentType, 413 if it is encoding.ErrTooLarge.
func (e *Error) HTTPStatus() int {
	switch {
	case e == nil:
		return Unknown.HTTPStatus()
	case e.Code != InvalidArgument:
		return e.Code.HTTPStatus()
	case len(e.Faults) > 0:
		return 422
	case errors.Is(e.Err, encoding.ErrContentType):
		return 415
	case errors.Is(e.Err, encoding.ErrTooLarge):
		return 413
	default:
		return e.Code.HTTPStatus()
	}
}
