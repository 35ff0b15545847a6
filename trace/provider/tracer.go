package provider

import (
	"context"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// tracerProvider is an oteltrace.TracerProvider whose tracers can be pointed to another one: to the SDK's when the provider starts, to none when it stops.
// So tracers that were made early join in, and nobody has to ask again.
type tracerProvider struct {
	embedded.TracerProvider

	mu      sync.Mutex // guards what follows
	target  source
	tracers map[instrumentation.Scope]*tracer
}

var _ oteltrace.TracerProvider = (*tracerProvider)(nil)

// source is what tracers make their spans with.
type source struct {
	oteltrace.TracerProvider
	refusals refusals
	ids      sdktrace.IDGenerator
}

func newTracerProvider() *tracerProvider {
	return &tracerProvider{target: source{TracerProvider: noop.NewTracerProvider()}, tracers: make(map[instrumentation.Scope]*tracer)}
}

// Tracer returns the tracer of a scope: the same one for the same name, version, schema and attributes.
func (p *tracerProvider) Tracer(name string, oo ...oteltrace.TracerOption) oteltrace.Tracer {
	c := oteltrace.NewTracerConfig(oo...)
	scope := instrumentation.Scope{
		Name: name, Version: c.InstrumentationVersion(), SchemaURL: c.SchemaURL(), Attributes: c.InstrumentationAttributes(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.tracers[scope]
	if !ok {
		t = &tracer{provider: p, name: name, options: oo}
		t.use(p.target)
		p.tracers[scope] = t
	}
	return t
}

// use points all tracers, those of the future included, to target.
func (p *tracerProvider) use(target source) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for _, t := range p.tracers {
		t.use(target)
	}
}

// tracer passes everything on to the tracer of the current target.
type tracer struct {
	embedded.Tracer

	provider *tracerProvider
	name     string
	options  []oteltrace.TracerOption
	target   atomic.Pointer[target]
}

// target is the tracer of a source, and what it is known not to sample.
type target struct {
	oteltrace.Tracer
	refusals refusals
	ids      sdktrace.IDGenerator
}

var _ oteltrace.Tracer = (*tracer)(nil)

func (t *tracer) use(s source) {
	t.target.Store(&target{Tracer: s.Tracer(t.name, t.options...), refusals: s.refusals, ids: s.ids})
}

// Start starts a span of the current target. It costs one atomic load more than the target's own Start.
func (t *tracer) Start(ctx context.Context, name string, oo ...oteltrace.SpanStartOption) (context.Context, oteltrace.Span) {
	return t.target.Load().Start(ctx, name, oo...)
}
