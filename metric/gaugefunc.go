package metric

import (
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// GaugeFunc returns the gauge that o describes, whose children are read when they are gathered: for what knows its level by itself. See [Registry.Histogram]
// for what happens on a second call, and [GaugeFuncVec.Add] for how a child comes about.
func (r *Registry) GaugeFunc(o Opts) *GaugeFuncVec {
	o.Buckets = nil
	return vectorOf(r, o, func(o Opts) (*GaugeFuncVec, error) {
		vec, err := register(r, &o, newSamplers)
		return &GaugeFuncVec{children: children[*samplers]{labels: len(o.Labels), err: err, create: func(values []string) *samplers {
			return vec.child(o.labels(values))
		}}}, err
	})
}

// GaugeFuncVec is a gauge whose children are functions. It may be used concurrently. [Registry.GaugeFunc] makes it.
type GaugeFuncVec struct{ children children[*samplers] }

// Err says why the metric is not gathered, or nil.
func (v *GaugeFuncVec) Err() error { return v.children.err }

// Add makes read the child for values, which are read as [HistogramVec.With] reads them. If there is one already, both count: the child is the sum of its
// functions. They are called at each scrape, perhaps several at a time, so read must be fast and may be called concurrently. When it returns false, what it
// reads is gone, and it is not called again; a child whose functions are all gone is not gathered. A nil read is ignored.
func (v *GaugeFuncVec) Add(read func() (level float64, ok bool), values ...string) {
	if read != nil {
		v.children.with(values).add(read)
	}
}

// samplers is one child: the functions whose sum it is.
type samplers struct {
	values []string

	mu    sync.Mutex // guards reads
	reads []*sampler
}

type sampler struct{ read func() (float64, bool) }

func (s *samplers) add(read func() (float64, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = append(s.reads, &sampler{read: read})
}

// sum returns the sum, or false if nothing is left to be read.
func (s *samplers) sum() (float64, bool) {
	s.mu.Lock()
	reads := slices.Clone(s.reads)
	s.mu.Unlock()
	total, gone := 0.0, make(map[*sampler]bool)
	for _, r := range reads {
		level, ok := r.read()
		if ok {
			total += level
		} else {
			gone[r] = true
		}
	}
	if len(gone) > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reads = slices.DeleteFunc(s.reads, func(r *sampler) bool { return gone[r] })
	}
	return total, len(reads) > len(gone)
}

// samplersVec is the collector of a [GaugeFuncVec].
type samplersVec struct {
	opts Opts
	desc *prometheus.Desc

	mu  sync.Mutex // guards all
	all map[string]*samplers
}

var _ prometheus.Collector = (*samplersVec)(nil)

func newSamplers(o Opts) *samplersVec {
	return &samplersVec{opts: o, desc: prometheus.NewDesc(o.Name, o.Help, o.Labels, nil), all: make(map[string]*samplers)}
}

// child returns the child for labels; two vectors over one Prometheus registry share it.
func (v *samplersVec) child(labels prometheus.Labels) *samplers {
	values := make([]string, len(v.opts.Labels))
	for i, name := range v.opts.Labels {
		values[i] = labels[name]
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	key := fmt.Sprintf("%q", values)
	c := v.all[key]
	if c == nil {
		c = &samplers{values: values}
		v.all[key] = c
	}
	return c
}

// Describe implements prometheus.Collector.
func (v *samplersVec) Describe(to chan<- *prometheus.Desc) { to <- v.desc }

// Collect implements prometheus.Collector.
func (v *samplersVec) Collect(to chan<- prometheus.Metric) {
	v.mu.Lock()
	all := make([]*samplers, 0, len(v.all))
	for _, c := range v.all {
		all = append(all, c)
	}
	v.mu.Unlock()
	for _, c := range all {
		if level, ok := c.sum(); ok {
			to <- prometheus.MustNewConstMetric(v.desc, prometheus.GaugeValue, level, c.values...)
		}
	}
}
