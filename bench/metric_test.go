package bench_test

import (
	"testing"
	"time"

	"github.com/beatlabs/patron/metric"
	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkMetric counts and observes. Bound children are what patron keeps for each kind of work; to find one by its labels is what is done by hand.
func BenchmarkMetric(b *testing.B) {
	labels := []string{"method", "route", "code"}
	counters := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "a_total", Help: "Counts."}, labels)
	histograms := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "b_seconds", Help: "Durations.", Buckets: metric.DurationBuckets()}, labels)
	registry := metric.NewRegistry()
	ourCounters := registry.Counter(metric.Opts{Name: "a_total", Help: "Counts.", Labels: labels})
	ourHistograms := registry.Histogram(metric.Opts{Name: "b_seconds", Help: "Durations.", Labels: labels})
	values := []string{"GET", "/users/{id}", "200"}
	counter, histogram := counters.WithLabelValues(values...), histograms.WithLabelValues(values...)
	ourCounter, ourHistogram := ourCounters.With(values...), ourHistograms.With(values...)
	now, id := time.Now(), [16]byte{1}

	runCases(b, "counter", []benchCase{
		{"client_golang-bound", counter.Inc},
		{"client_golang-by-labels", func() { counters.WithLabelValues(values...).Inc() }},
		{"patron-bound", ourCounter.Inc},
		{"patron-by-labels", func() { ourCounters.With(values...).Inc() }},
	})
	runCases(b, "histogram", []benchCase{
		{"client_golang-bound", func() { histogram.Observe(0.004) }},
		{"client_golang-by-labels", func() { histograms.WithLabelValues(values...).Observe(0.004) }},
		{"client_golang-exemplar", func() {
			histogram.(prometheus.ExemplarObserver).ObserveWithExemplar(0.004, prometheus.Labels{"trace_id": "01000000000000000000000000000000"})
		}},
		{"patron-bound", func() { ourHistogram.Observe(0.004) }},
		{"patron-by-labels", func() { ourHistograms.With(values...).Observe(0.004) }},
		{"patron-exemplar", func() { ourHistogram.ObserveTraced(0.004, now, id) }},
	})
}
