package sync_test

import (
	"context"
	"slices"
	"testing"

	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
)

func TestTheFirstMiddlewareIsTheOutermost(t *testing.T) {
	t.Parallel()
	var transcript []string
	trace := func(name string) psync.MiddlewareFunc {
		return func(next psync.ProcessorFunc) psync.ProcessorFunc {
			transcript = append(transcript, "wrap "+name)
			return func(ctx context.Context, req *psync.Request) (*psync.Response, error) {
				transcript = append(transcript, "enter "+name)
				defer func() { transcript = append(transcript, "leave "+name) }()
				return next(ctx, req)
			}
		}
	}
	mm := []psync.MiddlewareFunc{trace("a"), nil, trace("b")}
	before := slices.Clone(mm)

	p := psync.Chain(func(context.Context, *psync.Request) (*psync.Response, error) {
		transcript = append(transcript, "process")
		return psync.NewResponse(7), nil
	}, mm...)
	res, err := p(t.Context(), psync.NewRequest(nil, nil, nil, nil))

	if err != nil || res.Payload != 7 {
		t.Errorf("got %v and %v, want the payload 7", res, err)
	}
	want := []string{"wrap b", "wrap a", "enter a", "enter b", "process", "leave b", "leave a"}
	if diff := cmp.Diff(want, transcript); diff != "" {
		t.Errorf("transcript: want -, got +\n%s", diff)
	}
	if len(before) != len(mm) || mm[1] != nil {
		t.Errorf("Chain changed the slice that it was given")
	}
}
