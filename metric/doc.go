// Package metric is the one door to github.com/prometheus/client_golang: an injectable registry, and counters, gauges and histograms that are bound to
// their label values once and then cost a few nanoseconds and no allocation.
//
// Nothing here is global but one atomic default. A service has a [Registry] of its own and puts it into the context of everything that it starts;
// [FromContext] finds it again. So two services in one process, or two tests, do not share series.
//
//	requests := metric.FromContext(ctx).Counter(metric.Opts{Name: "orders_total", Help: "Orders taken.", Labels: []string{"country"}})
//	fromFrance := requests.With("FR") // keep it
//	fromFrance.Inc()
//
// Names follow the OpenTelemetry semantic conventions in Prometheus spelling with unit suffixes; durations are seconds. Label values come from small sets:
// a route pattern, never a path. What is not bounded by design is bounded by force: after [SeriesLimit] children a vector hands out one overflow child.
package metric
