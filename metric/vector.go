package metric

import "github.com/prometheus/client_golang/prometheus"

// Histogram returns the histogram that o describes. It is registered once: a second call with the same Opts returns the same vector. If the name is taken by
// something else, or if o is not valid, the histogram works but is not gathered, and [HistogramVec.Err] says why.
func (r *Registry) Histogram(o Opts) *HistogramVec {
	if len(o.Buckets) == 0 {
		o.Buckets = DurationBuckets()
	}
	return vectorOf(r, o, func(o Opts) (*HistogramVec, error) {
		build := func(o Opts) *prometheus.HistogramVec {
			return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: o.Name, Help: o.Help, Buckets: o.Buckets}, o.Labels)
		}
		vec, err := register(r, &o, build)
		return &HistogramVec{children: children[*Histogram]{labels: len(o.Labels), err: err, create: func(values []string) *Histogram {
			observer := vec.With(o.labels(values))
			exemplars, _ := observer.(prometheus.ExemplarObserver)
			return &Histogram{observer: observer, exemplars: exemplars}
		}}}, err
	})
}

// Counter returns the counter that o describes; see [Registry.Histogram] for what happens on a second call. Its name should end in _total.
func (r *Registry) Counter(o Opts) *CounterVec {
	o.Buckets = nil
	return vectorOf(r, o, func(o Opts) (*CounterVec, error) {
		vec, err := register(r, &o, func(o Opts) *prometheus.CounterVec {
			return prometheus.NewCounterVec(prometheus.CounterOpts{Name: o.Name, Help: o.Help}, o.Labels)
		})
		return &CounterVec{children: children[*Counter]{labels: len(o.Labels), err: err, create: func(values []string) *Counter {
			return &Counter{counter: vec.With(o.labels(values))}
		}}}, err
	})
}

// Gauge returns the gauge that o describes; see [Registry.Histogram] for what happens on a second call.
func (r *Registry) Gauge(o Opts) *GaugeVec {
	o.Buckets = nil
	return vectorOf(r, o, func(o Opts) (*GaugeVec, error) {
		vec, err := register(r, &o, func(o Opts) *prometheus.GaugeVec {
			return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: o.Name, Help: o.Help}, o.Labels)
		})
		return &GaugeVec{
			children: children[*Gauge]{labels: len(o.Labels), err: err, create: func(values []string) *Gauge {
				return &Gauge{gauge: vec.With(o.labels(values))}
			}},
			remove: func(values []string) { vec.Delete(o.labels(values)) },
		}, err
	})
}

// HistogramVec is a histogram with labels. It may be used concurrently. [Registry.Histogram] makes it.
type HistogramVec struct{ children children[*Histogram] }

// Err says why the metric is not gathered, or nil.
func (v *HistogramVec) Err() error { return v.children.err }

// With returns the child for values, one for each label and in their order; missing values are empty and surplus ones ignored, and what is not UTF-8 in a value
// becomes "_". The child may be kept, which saves the search, and used concurrently.
func (v *HistogramVec) With(values ...string) *Histogram { return v.children.with(values) }

// CounterVec is a counter with labels. It may be used concurrently. [Registry.Counter] makes it.
type CounterVec struct{ children children[*Counter] }

// Err says why the metric is not gathered, or nil.
func (v *CounterVec) Err() error { return v.children.err }

// With returns the child for values; see [HistogramVec.With].
func (v *CounterVec) With(values ...string) *Counter { return v.children.with(values) }

// GaugeVec is a gauge with labels. It may be used concurrently. [Registry.Gauge] makes it.
type GaugeVec struct {
	children children[*Gauge]
	remove   func(values []string)
}

// Err says why the metric is not gathered, or nil.
func (v *GaugeVec) Err() error { return v.children.err }

// With returns the child for values; see [HistogramVec.With].
func (v *GaugeVec) With(values ...string) *Gauge { return v.children.with(values) }

// Delete forgets the child for values, which are read as With reads them, so that a series whose subject is gone (a revoked partition) does not stay behind.
// A child that somebody kept counts on, unseen. Delete makes room for another child under [SeriesLimit].
func (v *GaugeVec) Delete(values ...string) { v.children.remove(values, v.remove) }
