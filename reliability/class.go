package reliability

import (
	"context"
	"errors"

	psync "github.com/beatlabs/patron/sync"
)

// Class says what an error means for whoever must react to it.
type Class uint8

// The classes. There is no class that means "not known": what nobody classified is transient, because giving up on work that could succeed loses it,
// while a useless second try only costs time.
const (
	// ClassNone is the class of a nil error.
	ClassNone Class = iota
	// ClassTransient errors may go away: another try makes sense.
	ClassTransient
	// ClassPermanent errors stay: the same input fails again, however often it is tried.
	ClassPermanent
	// ClassCanceled errors say that the caller gave up. They are no verdict on the work or on the other side: neutral for a breaker, abandoned for a
	// consumer.
	ClassCanceled
)

// String returns the name of the class in lower case.
func (c Class) String() string {
	switch c {
	case ClassNone:
		return "none"
	case ClassTransient:
		return "transient"
	case ClassPermanent:
		return "permanent"
	case ClassCanceled:
		return "canceled"
	default:
		return "unknown class"
	}
}

// Classify returns the class of err. The outermost mark decides: [Permanent] or [Transient] around an error, or a type with a method
// Class() Class anywhere in its tree. Without a mark, a [psync.Error] is judged by its code, context.Canceled is ClassCanceled, and everything else, panics
// and context.DeadlineExceeded included, is ClassTransient. It never blocks and may be called concurrently.
//
// An encoding.DataError says nothing of whose data it is, so whoever decodes decides: what a request sent is ClassPermanent, because psync.Request.Decode
// gives it a code; an answer of another service may be better the next time.
func Classify(err error) Class {
	if err == nil {
		return ClassNone
	}
	if m, ok := errors.AsType[interface {
		error
		Class() Class
	}](err); ok {
		return m.Class()
	}
	if _, ok := errors.AsType[*psync.Error](err); ok {
		return classOfCode(psync.CodeOf(err))
	}
	if errors.Is(err, context.Canceled) {
		return ClassCanceled
	}
	return ClassTransient
}

// classOfCode follows the guidance of the gRPC status codes on what a client may retry.
func classOfCode(code psync.Code) Class {
	switch code {
	case psync.Canceled:
		return ClassCanceled
	case psync.InvalidArgument, psync.NotFound, psync.AlreadyExists, psync.PermissionDenied, psync.FailedPrecondition, psync.OutOfRange,
		psync.Unimplemented, psync.DataLoss, psync.Unauthenticated:
		return ClassPermanent
	case psync.Unknown, psync.DeadlineExceeded, psync.ResourceExhausted, psync.Aborted, psync.Internal, psync.Unavailable:
		return ClassTransient
	default:
		return ClassTransient
	}
}

// Permanent marks err so that [Classify] says [ClassPermanent]; nil stays nil.
//
// The mark keeps the text of err and is transparent for errors.Is and errors.As.
func Permanent(err error) error { return mark(err, ClassPermanent) }

// Transient marks err so that [Classify] says [ClassTransient]; nil stays nil.
//
// The mark keeps the text of err and is transparent for errors.Is and errors.As.
func Transient(err error) error { return mark(err, ClassTransient) }

func mark(err error, c Class) error {
	if err == nil {
		return nil
	}
	return &markedError{err: err, class: c}
}

type markedError struct {
	err   error
	class Class
}

func (e *markedError) Error() string { return e.err.Error() }
func (e *markedError) Unwrap() error { return e.err }
func (e *markedError) Class() Class  { return e.class }
