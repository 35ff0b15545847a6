//go:build !race

package contender_test

import (
	"runtime/metrics"
	"testing"

	"github.com/beatlabs/patron/bench/bar"
)

// The race detector allocates, too, hence the build tag. Allocations do not depend on the machine: they are a test, where times are a table.

func TestARequestAllocatesWhatItMay(t *testing.T) { // not parallel: counts the allocations of the process
	for _, w := range workloads(t) {
		t.Run(w.name, func(t *testing.T) {
			what := "HTTP/" + w.request.Method + "/" + w.mode.String()
			most, ok := bar.MostAllocs(what, w.contender.Name)
			if !ok {
				return
			}
			_, x := start(t, w)

			if got := testing.AllocsPerRun(1000, x.Do); got > most {
				t.Errorf("got %v allocations, want at most %v", got, most)
			}
		})
	}
}

func TestARequestStartsNoGoroutine(t *testing.T) { // not parallel: counts the goroutines of the process
	for _, w := range workloads(t) {
		t.Run(w.name, func(t *testing.T) {
			_, x := start(t, w)
			x.Do()

			const n = 1000
			before := created(t)
			for range n {
				x.Do()
			}

			// The runtime and the exporters start a few in the background, whatever the number of requests.
			if got := created(t) - before; got > n/100 {
				t.Errorf("got %d goroutines started by %d requests, want none", got, n)
			}
		})
	}
}

// created returns how many goroutines the process has started.
func created(tb testing.TB) uint64 {
	tb.Helper()
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		tb.Fatalf("%s: not a metric of this Go", sample[0].Name)
	}
	return sample[0].Value.Uint64()
}
