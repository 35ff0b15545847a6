package metric

import (
	"encoding/hex"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// exemplarInterval is the least time between two exemplars of a child.
const exemplarInterval = time.Second

// Histogram is one child of a [HistogramVec]. It may be used concurrently; no method blocks.
type Histogram struct {
	observer     prometheus.Observer
	exemplars    prometheus.ExemplarObserver
	lastExemplar atomic.Int64 // Unix nanoseconds
}

// Observe records a value, in the unit of the metric.
func (h *Histogram) Observe(value float64) { h.observer.Observe(value) }

// ObserveTraced records a value that belongs to a sampled trace and was measured at now. At most once a second the trace ID becomes the exemplar of its bucket:
// an exemplar for each would cost 14 allocations a request.
func (h *Histogram) ObserveTraced(value float64, now time.Time, traceID [16]byte) {
	nano, last := now.UnixNano(), h.lastExemplar.Load()
	early := nano >= last && nano-last < int64(exemplarInterval) // a clock that was set back does not silence the exemplars
	if h.exemplars == nil || early || !h.lastExemplar.CompareAndSwap(last, nano) {
		h.observer.Observe(value)
		return
	}
	h.exemplars.ObserveWithExemplar(value, prometheus.Labels{"trace_id": hex.EncodeToString(traceID[:])})
}

// Counter is one child of a [CounterVec]. It may be used concurrently; no method blocks.
type Counter struct{ counter prometheus.Counter }

// Inc adds one.
func (c *Counter) Inc() { c.counter.Inc() }

// Add adds n, which must not be negative: a negative n is ignored, since a counter never falls.
func (c *Counter) Add(n float64) {
	if n > 0 {
		c.counter.Add(n)
	}
}

// Gauge is one child of a [GaugeVec]. It may be used concurrently; no method blocks.
type Gauge struct{ gauge prometheus.Gauge }

// Set makes value the current one.
func (g *Gauge) Set(value float64) { g.gauge.Set(value) }

// Inc adds one.
func (g *Gauge) Inc() { g.gauge.Inc() }

// Dec takes one away.
func (g *Gauge) Dec() { g.gauge.Dec() }

// Add adds n, which may be negative.
func (g *Gauge) Add(n float64) { g.gauge.Add(n) }
