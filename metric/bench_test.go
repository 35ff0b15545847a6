package metric_test

import (
	"testing"
	"time"

	"github.com/beatlabs/patron/metric"
)

func TestBoundChildrenDoNotAllocate(t *testing.T) {
	r := metric.NewRegistry()
	counters := r.Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b"}})
	counter := counters.With("1", "2")
	gauge := r.Gauge(metric.Opts{Name: "x", Help: "X."}).With()
	histogram := r.Histogram(metric.Opts{Name: "x_seconds", Help: "X."}).With()
	now := time.Unix(1_700_000_000, 0)
	histogram.ObserveTraced(1, now, [16]byte{1})

	for name, f := range map[string]func(){
		"counter":                     counter.Inc,
		"gauge":                       gauge.Inc,
		"histogram":                   func() { histogram.Observe(0.1) },
		"histogram, within a second":  func() { histogram.ObserveTraced(0.1, now, [16]byte{1}) },
		"the search for a child":      func() { counters.With("1", "2") },
		"the search for the overflow": func() { counters.With("1") },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func BenchmarkCounter(b *testing.B) {
	c := metric.NewRegistry().Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a"}}).With("1")
	b.ReportAllocs()
	for b.Loop() {
		c.Inc()
	}
}

func BenchmarkHistogram(b *testing.B) {
	h := metric.NewRegistry().Histogram(metric.Opts{Name: "x_seconds", Help: "X.", Labels: []string{"a"}}).With("1")
	b.ReportAllocs()
	for b.Loop() {
		h.Observe(0.02)
	}
}

func BenchmarkHistogramTraced(b *testing.B) {
	h := metric.NewRegistry().Histogram(metric.Opts{Name: "x_seconds", Help: "X.", Labels: []string{"a"}}).With("1")
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		h.ObserveTraced(0.02, now, [16]byte{1})
	}
}

func BenchmarkWith(b *testing.B) {
	v := metric.NewRegistry().Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b", "c"}})
	b.ReportAllocs()
	for b.Loop() {
		v.With("GET", "/orders/{invoice}", "200")
	}
}
