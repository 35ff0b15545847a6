package metric_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/beatlabs/patron/metric"
)

func Example() {
	registry := metric.NewRegistry()
	ctx := metric.WithRegistry(context.Background(), registry)

	orders := metric.FromContext(ctx).Counter(metric.Opts{Name: "orders_total", Help: "Orders taken.", Labels: []string{"country"}})
	fromFrance := orders.With("FR") // keep it
	fromFrance.Inc()
	fromFrance.Add(2)

	answer := httptest.NewRecorder()
	registry.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(ctx, "GET", "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.Contains(line, "orders_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// # HELP orders_total Orders taken.
	// # TYPE orders_total counter
	// orders_total{country="FR"} 3
}

func ExampleCounterVec_Err() {
	registry := metric.NewRegistry()
	registry.Counter(metric.Opts{Name: "orders_total", Help: "Orders taken."})

	taken := registry.Gauge(metric.Opts{Name: "orders_total", Help: "Orders taken."}) //nolint:promlinter // that is the point
	taken.With().Set(1)                                                               // works, unseen

	fmt.Println(taken.Err())
	// Output: metric: register "orders_total": the name is taken by a metric of another kind
}

func ExampleGaugeVec_Delete() {
	registry := metric.NewRegistry()
	lag := registry.Gauge(metric.Opts{Name: "lag_messages", Help: "Messages not read.", Labels: []string{"partition"}})
	lag.With("0").Set(12)
	lag.With("1").Set(3)

	lag.Delete("0") // the partition went to somebody else

	families, err := registry.Gatherer().Gather()
	fmt.Println(len(families[0].GetMetric()), err)
	// Output: 1 <nil>
}

func ExampleRegistry_CounterFunc() {
	registry := metric.NewRegistry()
	var evicted atomic.Uint64 // of something that counts by itself
	registry.CounterFunc(metric.Opts{Name: "evicted_total", Help: "Entries put out.", Labels: []string{"cache"}}).Add(evicted.Load, "prices")

	evicted.Add(2)

	answer := httptest.NewRecorder()
	registry.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(), "GET", "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "evicted_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// evicted_total{cache="prices"} 2
}
