//go:build !race

package bench_test

import (
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/bench/bar"
)

// The race detector allocates, too, hence the build tag. Allocations do not depend on the machine: they are a test, where times are a table.

func TestAMessageAllocatesLittle(t *testing.T) { // not parallel: counts the allocations of the process
	most, ok := bar.MostAllocs("Engine/concurrency-1", "patron")
	if !ok {
		t.Fatal("no bar")
	}
	for what, oo := range map[string][]async.OptionFunc{
		"concurrency 1": nil,
		"concurrency 4": {async.WithConcurrency(4)},
	} {
		s := engine(nothing, oo...)(t)
		s.lay(3 * chunk)

		got := testing.AllocsPerRun(2, func() { s.work(chunk) }) / chunk // and once before, to warm up

		if got > most {
			t.Errorf("%s: got %.2f allocations a message, want at most %v", what, got, most)
		}
	}
}

func TestADisabledLineAllocatesNothing(t *testing.T) { // not parallel: counts the allocations of the process
	ctx, l := logger(t)
	s := l.Slog()
	for who, line := range map[string]func(){
		"patron-slog":   func() { s.DebugContext(ctx, said, "invoice", "536365") },
		"patron-logger": func() { l.Debugf("order %s accepted", "536365") },
	} {
		most, ok := bar.MostAllocs("Log/disabled", who)
		if !ok {
			t.Fatal("no bar")
		}

		if got := testing.AllocsPerRun(1000, line); got > most {
			t.Errorf("%s: got %v allocations, want at most %v", who, got, most)
		}
	}
}
