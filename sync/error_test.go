package sync_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/beatlabs/patron/encoding"
	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
)

func TestConstructorsSayTheCode(t *testing.T) {
	t.Parallel()
	fault := psync.Fault{Pointer: "/a", Detail: "is required"}
	for name, c := range map[string]struct{ got, want *psync.Error }{
		"NewError":            {psync.NewError(psync.Aborted, "m"), &psync.Error{Code: psync.Aborted, Message: "m"}},
		"Errorf":              {psync.Errorf(psync.NotFound, "order %d", 7), &psync.Error{Code: psync.NotFound, Message: "order 7"}},
		"NewErrorWithPayload": {psync.NewErrorWithPayload(psync.DataLoss, 7), &psync.Error{Code: psync.DataLoss, Payload: 7}},
		"NewValidationError": {
			psync.NewValidationError("m", fault),
			&psync.Error{Code: psync.InvalidArgument, Message: "m", Faults: []psync.Fault{fault}},
		},
		"NewUnauthorizedError": {psync.NewUnauthorizedError("m"), &psync.Error{Code: psync.Unauthenticated, Message: "m"}},
		"NewForbiddenError":    {psync.NewForbiddenError("m"), &psync.Error{Code: psync.PermissionDenied, Message: "m"}},
		"NewNotFoundError":     {psync.NewNotFoundError("m"), &psync.Error{Code: psync.NotFound, Message: "m"}},
		"NewServiceUnavailableError": {
			psync.NewServiceUnavailableError("m", time.Second),
			&psync.Error{Code: psync.Unavailable, Message: "m", RetryAfter: time.Second},
		},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", name, diff)
		}
	}
}

func TestTheTextOfAnErrorIsForTheLog(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]*psync.Error{
		"NotFound":                      {Code: psync.NotFound},
		"NotFound: order 7":             {Code: psync.NotFound, Message: "order 7"},
		"NotFound: order 7: EOF":        {Code: psync.NotFound, Message: "order 7", Err: io.EOF},
		"Internal: EOF":                 {Code: psync.Internal, Err: io.EOF},
		"Code(0): EOF":                  {Err: io.EOF},
		`InvalidArgument: m: "/a" is x`: {Code: psync.InvalidArgument, Message: "m", Faults: []psync.Fault{{Pointer: "/a", Detail: "is x"}}},
		`InvalidArgument: "/\n" is x (and 2 more): EOF`: {
			Code: psync.InvalidArgument, Faults: []psync.Fault{{Pointer: "/\n", Detail: "is x"}, {}, {}}, Err: io.EOF,
		},
	} {
		if got := err.Error(); got != want {
			t.Errorf("Error: got %q, want %q", got, want)
		}
	}
}

func TestAnErrorIsFoundInTheTreeAndShowsItsCause(t *testing.T) {
	t.Parallel()
	want := &psync.Error{Code: psync.Unavailable, Err: fmt.Errorf("x: %w", io.ErrUnexpectedEOF)}
	err := fmt.Errorf("orders: %w", want)

	got, ok := errors.AsType[*psync.Error](err)

	if !ok || got != want {
		t.Errorf("errors.AsType: got %v, want %v", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("errors.Is(%v, cause): got false", err)
	}
}

func TestTheStatusOfAnErrorKnowsMoreThanItsCode(t *testing.T) {
	t.Parallel()
	faults := []psync.Fault{{Detail: "is wrong"}}
	for name, c := range map[string]struct {
		err  *psync.Error
		want int
	}{
		"with faults":         {&psync.Error{Code: psync.InvalidArgument, Faults: faults}, 422},
		"without faults":      {&psync.Error{Code: psync.InvalidArgument}, 400},
		"an unknown type":     {&psync.Error{Code: psync.InvalidArgument, Err: &encoding.MediaTypeError{Err: encoding.ErrContentType}}, 415},
		"too large":           {&psync.Error{Code: psync.InvalidArgument, Err: encoding.ErrTooLarge}, 413},
		"faults of a state":   {&psync.Error{Code: psync.FailedPrecondition, Faults: faults}, 400},
		"another code's type": {&psync.Error{Code: psync.Internal, Err: encoding.ErrContentType}, 500},
		"no code":             {&psync.Error{}, 500},
	} {
		if got := c.err.HTTPStatus(); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestANilErrorInAnErrorIsUnknownAndNoPanic(t *testing.T) {
	t.Parallel()
	var e *psync.Error
	err := fmt.Errorf("orders: %w", e)

	if got := err.Error(); got != "orders: Unknown: nil error" {
		t.Errorf("Error: got %q", got)
	}
	if psync.CodeOf(err) != psync.Unknown || e.HTTPStatus() != 500 || errors.Is(err, io.EOF) {
		t.Errorf("got %v and %d, want Unknown and 500", psync.CodeOf(err), e.HTTPStatus())
	}
}
