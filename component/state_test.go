package component_test

import (
	"slices"
	"testing"

	"github.com/beatlabs/patron/component"
	"github.com/google/go-cmp/cmp"
)

func TestStatesAreNamedInTheOrderOfALife(t *testing.T) {
	t.Parallel()
	var names []string
	for s := range component.States() {
		names = append(names, s.String())
	}
	if diff := cmp.Diff([]string{"new", "starting", "running", "stopping", "stopped", "failed"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestEveryStateButTheNamedOnesIsUnknown(t *testing.T) {
	t.Parallel()
	known := slices.Collect(component.States())
	for n := range 256 {
		s := component.State(n)
		if got, want := s.String() == "unknown state", !slices.Contains(known, s); got != want {
			t.Errorf("State(%d) is %q: unknown %t, want %t", n, s, got, want)
		}
	}
}

func TestTheZeroStateIsNew(t *testing.T) {
	t.Parallel()
	var s component.State
	if s != component.New {
		t.Errorf("got %v, want new", s)
	}
}

func TestStatesStopsWhenAsked(t *testing.T) {
	t.Parallel()
	for s := range component.States() {
		if s == component.Starting {
			return
		}
	}
	t.Error("starting was not yielded")
}
