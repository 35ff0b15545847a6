package sync

import (
	"context"
	"errors"
	"iter"
	"strconv"
)

// Code says what kind of failure an [Error] is. The codes are the 16 of gRPC, with its numbers, so that one vocabulary serves every transport.
//
// There is no code for success, and the zero value is not a code: an error that says OK would be a lie. [CodeOf] of a nil error is the zero value, and an
// Error whose code is not one of the sixteen counts as [Unknown].
//
//	Code                 HTTP  meaning
//	Canceled             499   the caller gave up
//	Unknown              500   nobody said what failed
//	InvalidArgument      400   the input is wrong, whatever the state of the system; 422 with Faults
//	DeadlineExceeded     504   the time was over; the work may have been done
//	NotFound             404   what was asked for does not exist
//	AlreadyExists        409   what was to be created exists
//	PermissionDenied     403   the caller is known and may not
//	ResourceExhausted    429   a quota or a limit of rate is used up
//	FailedPrecondition   400   the system is not in the state that this needs; trying again alone does not help
//	Aborted              409   a conflict of concurrent work; start the whole again
//	OutOfRange           400   past the end of what there is
//	Unimplemented        501   not offered here
//	Internal             500   a promise of this system is broken
//	Unavailable          503   not now; try again later
//	DataLoss             500   data is lost or corrupt
//	Unauthenticated      401   the caller is not known
type Code uint32

// The codes.
const (
	Canceled           Code = 1
	Unknown            Code = 2
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	AlreadyExists      Code = 6
	PermissionDenied   Code = 7
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
	Aborted            Code = 10
	OutOfRange         Code = 11
	Unimplemented      Code = 12
	Internal           Code = 13
	Unavailable        Code = 14
	DataLoss           Code = 15
	Unauthenticated    Code = 16
)

const (
	minCode = Canceled
	maxCode = Unauthenticated
)

// CodeOf returns the code of err: that of the first [Error] in its tree, Canceled and DeadlineExceeded for the errors of a context, else Unknown. For a nil
// error it returns 0, which is not a code.
func CodeOf(err error) Code {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e == nil || !e.Code.valid() {
			return Unknown
		}
		return e.Code
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	default:
		return Unknown
	}
}

// Codes yields every code in ascending order.
func Codes() iter.Seq[Code] {
	return func(yield func(Code) bool) {
		for c := minCode; c <= maxCode; c++ {
			if !yield(c) {
				return
			}
		}
	}
}

// String returns the name as grpc-go spells it, for example "InvalidArgument", and "Code(17)" for what is not a code.
func (c Code) String() string {
	switch c {
	case Canceled:
		return "Canceled"
	case Unknown:
		return "Unknown"
	case InvalidArgument:
		return "InvalidArgument"
	case DeadlineExceeded:
		return "DeadlineExceeded"
	case NotFound:
		return "NotFound"
	case AlreadyExists:
		return "AlreadyExists"
	case PermissionDenied:
		return "PermissionDenied"
	case ResourceExhausted:
		return "ResourceExhausted"
	case FailedPrecondition:
		return "FailedPrecondition"
	case Aborted:
		return "Aborted"
	case OutOfRange:
		return "OutOfRange"
	case Unimplemented:
		return "Unimplemented"
	case Internal:
		return "Internal"
	case Unavailable:
		return "Unavailable"
	case DataLoss:
		return "DataLoss"
	case Unauthenticated:
		return "Unauthenticated"
	default:
		return "Code(" + strconv.FormatUint(uint64(c), 10) + ")"
	}
}

// HTTPStatus returns the HTTP status of the code, as in the table of [Code]; 500 for what is not a code. [Error.HTTPStatus] knows more: it tells an
// InvalidArgument with Faults from one without.
func (c Code) HTTPStatus() int {
	switch c {
	case Canceled:
		return 499
	case InvalidArgument, FailedPrecondition, OutOfRange:
		return 400
	case Unauthenticated:
		return 401
	case PermissionDenied:
		return 403
	case NotFound:
		return 404
	case AlreadyExists, Aborted:
		return 409
	case ResourceExhausted:
		return 429
	case Unimplemented:
		return 501
	case Unavailable:
		return 503
	case DeadlineExceeded:
		return 504
	case Unknown, Internal, DataLoss:
		return 500
	default:
		return 500
	}
}

func (c Code) valid() bool { return minCode <= c && c <= maxCode }
