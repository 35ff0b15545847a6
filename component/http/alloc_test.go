//go:build !race

package http_test

import (
	"net/http"
	"runtime/metrics"
	"testing"
	"time"

	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The numbers are those of the whole request, of which 4 are those of net/http alone: the request, its context, the match of the path and a header of the
// handler. The race detector allocates, too.
func TestARequestAllocatesLittle(t *testing.T) { //nolint:paralleltest // counts the allocations of the process
	for name, tt := range map[string]struct {
		handler http.Handler
		sampler sdktrace.Sampler
		most    float64
	}{
		"net/http":                {handler: rawMux(), sampler: sdktrace.NeverSample(), most: 4},
		"raw handler, unsampled":  {handler: rawRoute(t), sampler: sdktrace.NeverSample(), most: 8},
		"raw handler, sampled":    {handler: rawRoute(t), sampler: sdktrace.AlwaysSample(), most: 12},
		"processor, unsampled":    {handler: typedRoute(t), sampler: sdktrace.NeverSample(), most: 16},
		"processor, sampled":      {handler: typedRoute(t), sampler: sdktrace.AlwaysSample(), most: 20},
		"raw handler, not traced": {handler: untracedRoute(t), sampler: sdktrace.AlwaysSample(), most: 6},
	} {
		one := loop(t, observed(t, tt.handler, tt.sampler))
		if got := testing.AllocsPerRun(1000, one); got > tt.most {
			t.Errorf("%s: got %v allocations, want at most %v", name, got, tt.most)
		}
	}
}

func TestARequestStartsNoGoroutine(t *testing.T) { // not parallel: it counts the goroutines of the process
	const requests = 1000
	timed := bareComponent(t, phttp.NewRouteBuilder("/users/{id}", psync.Handle(getUser)).WithTimeout(time.Minute))
	one := loop(t, observed(t, timed, sdktrace.AlwaysSample()))

	before := goroutinesCreated()
	for range requests {
		one()
	}
	if got := goroutinesCreated() - before; got > requests/10 { // the runtime and the exporter start some now and then
		t.Errorf("got %d goroutines for %d requests, want none", got, requests)
	}
}

// goroutinesCreated returns how many goroutines the process has started.
func goroutinesCreated() uint64 {
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
