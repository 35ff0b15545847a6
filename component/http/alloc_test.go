//go:build !race

package http_test

import (
	"testing"

	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The numbers are those of the whole request, in which net/http has 3 of its own: the request, the match of the path and a header of the handler. observed
// adds one to all of them. The race detector allocates, too.
func TestARequestAllocatesLittle(t *testing.T) { //nolint:paralleltest // counts the allocations of the process
	for name, tt := range map[string]struct {
		route   *phttp.RouteBuilder
		sampler sdktrace.Sampler
		most    float64
	}{
		"raw handler, not sampled": {route: phttp.NewRawRouteBuilder("/users/{id}", serveUser), sampler: sdktrace.NeverSample(), most: 10},
		"processor, not sampled":   {route: phttp.NewRouteBuilder("/users/{id}", psync.Handle(getUser)), sampler: sdktrace.NeverSample(), most: 20},
		"raw handler, sampled":     {route: phttp.NewRawRouteBuilder("/users/{id}", serveUser), sampler: sdktrace.AlwaysSample(), most: 21},
		"raw handler, not traced":  {route: phttp.NewRawRouteBuilder("/users/{id}", serveUser).WithTrace(false), sampler: sdktrace.AlwaysSample(), most: 8},
	} {
		one := loop(t, observed(t, bareComponent(t, tt.route), tt.sampler))
		if got := testing.AllocsPerRun(1000, one); got > tt.most {
			t.Errorf("%s: got %v allocations, want at most %v", name, got, tt.most)
		}
	}
	base := loop(t, observed(t, rawMux(), sdktrace.NeverSample()))
	if got := testing.AllocsPerRun(1000, base); got > 4 {
		t.Errorf("net/http alone: got %v allocations, want 4", got)
	}
}
