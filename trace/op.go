package trace

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/beatlabs/patron/metric"
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Op is a kind of work that happens again and again: a route, a consumer, a call of one method on one target. It is made once and kept, because it holds its
// metric children, bound once for each [Telemetry]. It may be used concurrently.
type Op struct {
	kind     Kind
	name     string
	attrs    []attribute.KeyValue
	family   family
	start    []oteltrace.SpanStartOption
	spanless bool

	last     atomic.Pointer[binding] // the binding used last: one pointer comparison when there is one service in the process
	bindings sync.Map                // *Telemetry → *binding
}

// NewOp returns an Op. The name becomes the name of its spans, so it must come from a small set ("GET /orders/{invoice}", "process orders"); attrs are
// constant attributes of its spans, and where the semantic conventions of kind ask for them, labels of its metrics.
func NewOp(kind Kind, name string, attrs ...attribute.KeyValue) *Op {
	f := familyOf(kind)
	return &Op{
		kind: kind, name: name, attrs: append([]attribute.KeyValue(nil), attrs...), family: f,
		start: []oteltrace.SpanStartOption{oteltrace.WithSpanKind(f.span)},
	}
}

// WithoutSpan makes the units of o be counted but not traced, and returns o. It must be called before o is used. What runs inside such a unit still joins the
// trace that came in.
func (o *Op) WithoutSpan() *Op {
	o.spanless = true
	return o
}

// Name returns the name given to [NewOp].
func (o *Op) Name() string { return o.name }

// binding holds the metric children of an Op in one Telemetry.
type binding struct {
	telemetry *Telemetry
	inFlight  *metric.Gauge        // nil: the kind has no metrics
	durations *metric.HistogramVec // nil: the kind has no metrics
	labels    []string             // values of the constant labels
	status    bool

	mu       sync.Mutex // guards replacing children
	children atomic.Pointer[map[outcome]*metric.Histogram]
}

// outcome is what the labels of a duration depend on at the end of a unit.
type outcome struct {
	status    int
	errorType string
}

func (o *Op) bind(t *Telemetry) *binding {
	if b := o.last.Load(); b != nil && b.telemetry == t {
		return b
	}
	if b, ok := o.bindings.Load(t); ok {
		o.last.Store(b.(*binding)) //nolint:forcetypeassert // only bindings are stored
		return b.(*binding)        //nolint:forcetypeassert // only bindings are stored
	}
	b, _ := o.bindings.LoadOrStore(t, o.newBinding(t))
	o.last.Store(b.(*binding)) //nolint:forcetypeassert // only bindings are stored
	return b.(*binding)        //nolint:forcetypeassert // only bindings are stored
}

func (o *Op) newBinding(t *Telemetry) *binding {
	b := &binding{telemetry: t, status: o.family.status}
	b.children.Store(&map[outcome]*metric.Histogram{})
	if o.family.duration == "" {
		return b
	}
	names := labelNames(o.family.labels)
	if b.status {
		names = append(names, labelName(keyHTTPStatus))
	}
	names = append(names, labelName(keyErrorType))
	b.labels = o.values(o.family.labels)
	b.durations = t.metrics.Histogram(metric.Opts{Name: o.family.duration, Help: o.family.help, Labels: names})
	b.inFlight = t.metrics.Gauge(metric.Opts{
		Name: o.family.inFlight, Help: o.family.flying, Labels: labelNames(o.family.flyingBy),
	}).With(o.values(o.family.flyingBy)...)
	return b
}

// duration returns the histogram child for out. The map is copied when it grows, which it does a few times in the life of an Op, so that reading needs no lock.
func (b *binding) duration(out outcome) *metric.Histogram {
	if h, ok := (*b.children.Load())[out]; ok {
		return h
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := *b.children.Load()
	if h, ok := old[out]; ok {
		return h
	}
	values := append([]string(nil), b.labels...)
	if b.status {
		status := ""
		if out.status != 0 {
			status = strconv.Itoa(out.status)
		}
		values = append(values, status)
	}
	h := b.durations.With(append(values, out.errorType)...)
	if len(old) >= metric.SeriesLimit {
		return h
	}
	grown := maps.Clone(old)
	grown[out] = h
	b.children.Store(&grown)
	return h
}

func (o *Op) values(keys []attribute.Key) []string {
	values := make([]string, len(keys))
	for i, key := range keys {
		for _, a := range o.attrs {
			if a.Key == key {
				values[i] = a.Value.String()
			}
		}
	}
	return values
}

// labelName spells an attribute name as Prometheus wants it.
func labelName(key attribute.Key) string { return strings.ReplaceAll(string(key), ".", "_") }

func labelNames(keys []attribute.Key) []string {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = labelName(key)
	}
	return names
}
