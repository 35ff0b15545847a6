package sync_test

import (
	"context"
	"testing"

	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
)

// aired is a value that reports the faults that it is told, so that order and merging can be seen from outside.
type aired struct {
	Pointers []string `json:"pointers"`
	N        int      `json:"n"`
}

func (a aired) Validate() []psync.Fault {
	var ff []psync.Fault
	for _, p := range a.Pointers {
		ff = append(ff, psync.Fault{Pointer: p, Detail: "x"})
	}
	return ff
}

func TestFaultsAreInTheOrderOfTheirPointers(t *testing.T) {
	t.Parallel()
	got := validate(t, aired{Pointers: []string{"/b", "/a/10", "/a/2/z", "/a/2", "/a/b", "/a", "", "/a~1b", "/2", "/10", "/"}})
	want := []string{"x", "/ x", "/2 x", "/10 x", "/a x", "/a/2 x", "/a/2/z x", "/a/10 x", "/a/b x", "/a~1b x", "/b x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestWhatCouldNotBeDecodedIsNotValidated(t *testing.T) {
	t.Parallel()
	p := psync.Handle(func(_ context.Context, a aired) (int, error) { return a.N, nil })

	_, err := p(t.Context(), newRequest(`{"n":"x","pointers":["/n","/n/below","/nearby","/pointers/4/x",{}]}`))

	// The first one is said by the string that took the place of the object.
	want := []string{"x", "/n must be an integer, not a string", "/nearby x", "/pointers/4 must be a string, not an object"}
	if diff := cmp.Diff(want, lines(t, err)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}
