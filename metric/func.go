package metric

import (
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// CounterFunc returns the counter that o describes, whose children are read when they are gathered: for what counts already by itself. See
// [Registry.Histogram] for what happens on a second call, and [CounterFuncVec.Add] for how a child comes about. Its name should end in _total.
func (r *Registry) CounterFunc(o Opts) *CounterFuncVec {
	o.Buckets = nil
	return vectorOf(r, o, func(o Opts) (*CounterFuncVec, error) {
		vec, err := register(r, &o, newReaders)
		return &CounterFuncVec{children: children[*readers]{labels: len(o.Labels), err: err, create: func(values []string) *readers {
			return vec.child(o.labels(values))
		}}}, err
	})
}

// CounterFuncVec is a counter whose children are functions. It may be used concurrently. [Registry.CounterFunc] makes it.
type CounterFuncVec struct{ children children[*readers] }

// Err says why the metric is not gathered, or nil.
func (v *CounterFuncVec) Err() error { return v.children.err }

// Add makes read the child for values, which are read as [HistogramVec.With] reads them. If there is one already, both count: the child is the sum of its
// functions. They are called at each scrape, perhaps several at a time, so read must be fast, may be called concurrently for ever, and must never return less
// than before. A nil read is ignored.
func (v *CounterFuncVec) Add(read func() uint64, values ...string) {
	if read != nil {
		v.children.with(values).add(read)
	}
}

// readers is one child: the functions whose sum it is.
type readers struct {
	desc   *prometheus.Desc
	values []string

	mu    sync.Mutex // guards reads
	reads []func() uint64
}

func (r *readers) add(read func() uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads = append(r.reads, read)
}

func (r *readers) sum() float64 {
	r.mu.Lock()
	reads := r.reads // only ever appended to
	r.mu.Unlock()
	total := uint64(0)
	for _, read := range reads {
		total += read()
	}
	return float64(total)
}

// readersVec is the collector of a [CounterFuncVec].
type readersVec struct {
	opts Opts
	desc *prometheus.Desc

	mu  sync.Mutex // guards all
	all map[string]*readers
}

var _ prometheus.Collector = (*readersVec)(nil)

func newReaders(o Opts) *readersVec {
	return &readersVec{opts: o, desc: prometheus.NewDesc(o.Name, o.Help, o.Labels, nil), all: make(map[string]*readers)}
}

// child returns the child for labels; two vectors over one Prometheus registry share it.
func (v *readersVec) child(labels prometheus.Labels) *readers {
	values := make([]string, len(v.opts.Labels))
	for i, name := range v.opts.Labels {
		values[i] = labels[name]
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	key := fmt.Sprintf("%q", values)
	c := v.all[key]
	if c == nil {
		c = &readers{desc: v.desc, values: values}
		v.all[key] = c
	}
	return c
}

// Describe implements prometheus.Collector.
func (v *readersVec) Describe(to chan<- *prometheus.Desc) { to <- v.desc }

// Collect implements prometheus.Collector.
func (v *readersVec) Collect(to chan<- prometheus.Metric) {
	v.mu.Lock()
	all := make([]*readers, 0, len(v.all))
	for _, c := range v.all {
		all = append(all, c)
	}
	v.mu.Unlock()
	for _, c := range all {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, c.sum(), c.values...)
	}
}
