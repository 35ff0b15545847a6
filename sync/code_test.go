package sync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	psync "github.com/beatlabs/patron/sync"
)

// codes is the table of the documentation, and the one of gRPC.
var codes = []struct {
	code   psync.Code
	number uint32
	name   string
	status int
}{
	{psync.Canceled, 1, "Canceled", 499},
	{psync.Unknown, 2, "Unknown", 500},
	{psync.InvalidArgument, 3, "InvalidArgument", 400},
	{psync.DeadlineExceeded, 4, "DeadlineExceeded", 504},
	{psync.NotFound, 5, "NotFound", 404},
	{psync.AlreadyExists, 6, "AlreadyExists", 409},
	{psync.PermissionDenied, 7, "PermissionDenied", 403},
	{psync.ResourceExhausted, 8, "ResourceExhausted", 429},
	{psync.FailedPrecondition, 9, "FailedPrecondition", 400},
	{psync.Aborted, 10, "Aborted", 409},
	{psync.OutOfRange, 11, "OutOfRange", 400},
	{psync.Unimplemented, 12, "Unimplemented", 501},
	{psync.Internal, 13, "Internal", 500},
	{psync.Unavailable, 14, "Unavailable", 503},
	{psync.DataLoss, 15, "DataLoss", 500},
	{psync.Unauthenticated, 16, "Unauthenticated", 401},
}

func TestCodesAreThoseOfGRPC(t *testing.T) {
	t.Parallel()
	all := slices.Collect(psync.Codes())
	if len(all) != len(codes) {
		t.Fatalf("Codes: got %d, want %d", len(all), len(codes))
	}
	for i, c := range codes {
		if all[i] != c.code || uint32(c.code) != c.number || c.code.String() != c.name || c.code.HTTPStatus() != c.status {
			t.Errorf("code %d: got %d %v with status %d, want %s with status %d", c.number, c.code, c.code, c.code.HTTPStatus(), c.name, c.status)
		}
	}
}

func TestEveryNumberBetweenTheFirstAndTheLastCodeHasAName(t *testing.T) {
	t.Parallel()
	for c := psync.Canceled; c <= psync.Unauthenticated; c++ {
		if strings.HasPrefix(c.String(), "Code(") {
			t.Errorf("code %d has no name", uint32(c))
		}
	}
	for _, c := range []psync.Code{0, 17} {
		if got, want := c.String(), fmt.Sprintf("Code(%d)", uint32(c)); got != want {
			t.Errorf("String of what is no code: got %q, want %q", got, want)
		}
		if got := c.HTTPStatus(); got != 500 {
			t.Errorf("HTTPStatus of what is no code: got %d, want 500", got)
		}
	}
}

func TestCodesStopsWhenAsked(t *testing.T) {
	t.Parallel()
	for c := range psync.Codes() {
		if c != psync.Canceled {
			t.Fatalf("got %v after the break", c)
		}
		break
	}
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want psync.Code
	}{
		"nil":                    {nil, 0},
		"an Error":               {psync.NewError(psync.NotFound, ""), psync.NotFound},
		"a wrapped Error":        {fmt.Errorf("x: %w", psync.NewError(psync.Aborted, "")), psync.Aborted},
		"a joined Error":         {errors.Join(errors.New("x"), psync.NewError(psync.DataLoss, "")), psync.DataLoss},
		"the outer of two":       {&psync.Error{Code: psync.Internal, Err: psync.NewError(psync.NotFound, "")}, psync.Internal},
		"a code around a cancel": {&psync.Error{Code: psync.Unavailable, Err: context.Canceled}, psync.Unavailable},
		"no code":                {&psync.Error{}, psync.Unknown},
		"a code that is none":    {&psync.Error{Code: 99}, psync.Unknown},
		"a nil Error":            {(*psync.Error)(nil), psync.Unknown},
		"a plain error":          {errors.New("x"), psync.Unknown},
		"context.Canceled":       {fmt.Errorf("x: %w", context.Canceled), psync.Canceled},
		"a deadline":             {context.DeadlineExceeded, psync.DeadlineExceeded},
	} {
		if got := psync.CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%s): got %v, want %v", name, got, c.want)
		}
	}
}
