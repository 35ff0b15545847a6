package trace

import (
	"slices"
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
	op        *Op
	telemetry *Telemetry
	inFlight  *metric.Gauge        // nil: the kind has no metrics
	durations *metric.HistogramVec // nil: the kind has no metrics
	labels    []string             // values of the constant labels
	status    bool

	mu       sync.Mutex // guards replacing children
	children atomic.Pointer[[]child]
}

// child is what an outcome leads to.
type child struct {
	outcome
	histogram *metric.Histogram
	attrs     []attribute.KeyValue // of the span
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
	b := &binding{op: o, telemetry: t, status: o.family.status}
	b.children.Store(new([]child))
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

// maxChildren is how many outcomes of an Op are kept at hand. A route has a handful; what comes after that many is looked for in the vector each time.
const maxChildren = 32

// childFor returns what out leads to. The slice is copied when it grows, which it does a few times in the life of an Op, so that reading needs no lock. What is
// common comes early and is found early, before a map would have its hash.
func (b *binding) childFor(out outcome) *child {
	known := *b.children.Load()
	if i := indexOf(known, out); i >= 0 {
		return &known[i]
	}
	if len(known) >= maxChildren {
		return b.newChild(out)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	known = *b.children.Load()
	if i := indexOf(known, out); i >= 0 {
		return &known[i]
	}
	c := b.newChild(out)
	if len(known) < maxChildren {
		grown := append(slices.Clip(known), *c)
		b.children.Store(&grown)
	}
	return c
}

func indexOf(known []child, out outcome) int {
	for i := range known {
		if known[i].outcome == out {
			return i
		}
	}
	return -1
}

func (b *binding) newChild(out outcome) *child {
	c := &child{outcome: out, attrs: out.attributes()}
	if b.durations != nil {
		c.histogram = b.durations.With(b.labelValues(out)...)
	}
	return c
}

func (b *binding) labelValues(out outcome) []string {
	values := slices.Clone(b.labels)
	if b.status {
		status := ""
		if out.status != 0 {
			status = strconv.Itoa(out.status)
		}
		values = append(values, status)
	}
	return append(values, out.errorType)
}

// attributes returns what a span says about its outcome.
func (o outcome) attributes() []attribute.KeyValue {
	var attrs []attribute.KeyValue
	if o.status != 0 {
		attrs = append(attrs, HTTPStatus(o.status))
	}
	if o.errorType != "" {
		attrs = append(attrs, keyErrorType.String(o.errorType))
	}
	return attrs
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
