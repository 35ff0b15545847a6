package metric

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Registry is where the metrics of one service live. It may be used concurrently and must not be copied. Make it with [NewRegistry] or [Wrap]; the zero value
// and nil are not usable.
type Registry struct {
	registerer prometheus.Registerer
	gatherer   prometheus.Gatherer
	ofProcess  bool // the gatherer is prometheus.DefaultGatherer

	mu      sync.Mutex // guards vectors
	vectors map[string]described
}

// described is a vector and what it was made from.
type described struct {
	opts   Opts
	vector any
}

// NewRegistry returns an empty registry of its own.
func NewRegistry() *Registry { return Wrap(prometheus.NewRegistry()) }

// Wrap returns a Registry that registers with and gathers from registry, which the caller may go on using for collectors of its own. Wrap a registry once and
// keep the result: the limit of series is that of the Registry.
func Wrap(registry *prometheus.Registry) *Registry {
	process, ok := prometheus.DefaultGatherer.(*prometheus.Registry)
	return newRegistry(registry, registry, ok && process == registry)
}

func newRegistry(r prometheus.Registerer, g prometheus.Gatherer, ofProcess bool) *Registry {
	return &Registry{registerer: r, gatherer: g, ofProcess: ofProcess, vectors: make(map[string]described)}
}

// Registerer returns the Prometheus registerer, for collectors that are not made here.
func (r *Registry) Registerer() prometheus.Registerer { return r.registerer }

// Gatherer returns what gathers the metrics of this registry alone.
func (r *Registry) Gatherer() prometheus.Gatherer { return r.gatherer }

// processDefault holds the registry for contexts that carry none, which the service sets; fallback stands in until then.
var processDefault, fallback atomic.Pointer[Registry]

// SetDefault makes r the registry of the process: what [FromContext] returns for a context that carries none. A nil r goes back to
// prometheus.DefaultRegisterer.
func SetDefault(r *Registry) { processDefault.Store(r) }

type registryKey struct{}

// WithRegistry returns a copy of ctx that carries r. A nil r hides the one that ctx carries.
func WithRegistry(ctx context.Context, r *Registry) context.Context {
	return context.WithValue(ctx, registryKey{}, r)
}

// FromContext returns the registry that ctx carries, else the default of the process, else one over prometheus.DefaultRegisterer. It is never nil.
func FromContext(ctx context.Context) *Registry {
	if r, ok := ctx.Value(registryKey{}).(*Registry); ok && r != nil {
		return r
	}
	return Default()
}

// Default returns the registry of the process, see [SetDefault]. Without one it returns a registry over prometheus.DefaultRegisterer as that was at the first
// such call, always the same one.
func Default() *Registry {
	if r := processDefault.Load(); r != nil {
		return r
	}
	if r := fallback.Load(); r != nil {
		return r
	}
	fallback.CompareAndSwap(nil, newRegistry(prometheus.DefaultRegisterer, prometheus.DefaultGatherer, true))
	return fallback.Load()
}

// vectorOf returns the vector of r with the name that o says: the one that was made from the same Opts before, else a new one. A vector that is not gathered
// is not kept.
func vectorOf[V any](r *Registry, o Opts, create func(Opts) (V, error)) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, taken := r.vectors[o.Name]
	if v, ok := d.vector.(V); ok && d.opts.equal(o) {
		return v
	}
	v, err := create(o.clone())
	if err == nil && !taken {
		r.vectors[o.Name] = described{opts: o.clone(), vector: v}
	}
	return v
}

// register returns what is registered under the description of the collector that build makes of o: that collector, or an equal one that was there before, so
// that a component that is made twice counts on. The mutex of r is held.
//
// A collector that cannot be registered (same name, other labels) still counts, unseen: an instrument must not bring a service down. It is built of an o that
// has become harmless, because client_golang panics at the first child of a collector whose labels or buckets are wrong.
func register[C prometheus.Collector](r *Registry, o *Opts, build func(Opts) C) (C, error) {
	err := o.check()
	if d, ok := r.vectors[o.Name]; ok && err == nil && d.opts.Buckets != nil && o.Buckets != nil && !slices.Equal(d.opts.Buckets, o.Buckets) {
		err = errors.New("the name is taken by a histogram with other buckets") // which client_golang would not notice
	}
	if err == nil {
		c := build(*o)
		if err = r.registerer.Register(c); err == nil {
			return c, nil
		}
		if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			if same, ok := already.ExistingCollector.(C); ok {
				return same, nil
			}
			err = errors.New("the name is taken by a metric of another kind")
		}
	}
	err = fmt.Errorf("metric: register %q: %w", o.Name, err)
	*o = o.harmless()
	return build(*o), err
}
