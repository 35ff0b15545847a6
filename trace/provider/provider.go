package provider

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Errors of the life of a [Provider].
var (
	ErrStarted = errors.New("trace provider: already started")
	ErrStopped = errors.New("trace provider: already shut down")
)

// Provider is the tracing of one service: the SDK with its sampler and exporters. Make one with [New]. Its methods may be called concurrently.
type Provider struct {
	config config
	tracer *tracerProvider

	mu    sync.Mutex // guards what follows
	state state
	sdk   *sdktrace.TracerProvider // nil until Start
}

// state is where a Provider is in its life.
type state int

const (
	idle state = iota
	running
	stopped
)

// New returns the tracing of the service called name, in the given version (empty: unknown). It opens nothing and starts no goroutine: that is left to
// [Provider.Start]. The error joins all that is wrong with the arguments.
//
// Without options every trace that starts here is sampled, traces from elsewhere are followed, W3C Trace Context and Baggage are propagated, and spans go
// nowhere.
func New(name, version string, oo ...OptionFunc) (*Provider, error) {
	c, err := newConfig(name, version, oo)
	if err != nil {
		return nil, fmt.Errorf("trace provider: %w", err)
	}
	return &Provider{config: c, tracer: newTracerProvider()}, nil
}

// Start brings the SDK up and starts a goroutine for each batching exporter. It does not block; ctx bounds starting only, and if it has ended nothing is
// started. The second call returns [ErrStarted], a call after Shutdown [ErrStopped].
func (p *Provider) Start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.state {
	case running:
		return ErrStarted
	case stopped:
		return ErrStopped
	case idle:
	}
	if ctx.Err() != nil {
		return fmt.Errorf("trace provider: start: %w", context.Cause(ctx))
	}
	opts := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(p.config.resource),
		sdktrace.WithSampler(p.config.sampler),
		sdktrace.WithRawSpanLimits(p.config.limits),
		sdktrace.WithIDGenerator(p.config.ids),
	}
	for _, pl := range p.config.pipelines {
		pl.start()
		opts = append(opts, sdktrace.WithSpanProcessor(pl))
	}
	p.sdk = sdktrace.NewTracerProvider(opts...)
	p.state = running
	p.tracer.use(source{TracerProvider: p.sdk, refusals: refusalsOf(p.config.sampler), ids: p.config.ids})
	return nil
}

// TracerProvider returns what instrumented code makes its spans with: the same value at every call, usable at any time. Its spans are non-recording before
// Start and after Shutdown. It never blocks.
func (p *Provider) TracerProvider() oteltrace.TracerProvider { return p.tracer }

// Propagator returns what carries traces and baggage from process to process (see [WithPropagators]).
func (p *Provider) Propagator() propagation.TextMapPropagator { return p.config.propagator }

// Resource returns what describes the service in every span, as New was given it.
func (p *Provider) Resource() *resource.Resource { return p.config.resource }

// ForceFlush exports all spans that have ended and blocks until that is done or ctx ends. Exporters are flushed at the same time, so that one that hangs
// costs the others nothing; the error joins theirs. Before Start and after Shutdown there is nothing to flush.
func (p *Provider) ForceFlush(ctx context.Context) error {
	p.mu.Lock()
	state := p.state
	p.mu.Unlock()
	if state != running {
		return nil
	}
	return p.each(func(pl pipeline) error { return pl.ForceFlush(ctx) })
}

// Shutdown makes new spans non-recording, exports what is queued, shuts the exporters down, all at the same time, and blocks until that is done or ctx
// ends. What was not exported by then is dropped and counted; the error says how much, and joins those of the exporters. An exporter that ignores its
// context keeps its goroutine until it returns. Spans that end after Shutdown are lost. Exporters are shut down also if Start was never called. The second
// call does nothing.
func (p *Provider) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	state, sdk := p.state, p.sdk
	p.state = stopped
	p.mu.Unlock()
	if state == stopped {
		return nil
	}
	p.tracer.use(source{TracerProvider: noop.NewTracerProvider()})
	err := p.each(func(pl pipeline) error { return pl.Shutdown(ctx) })
	if sdk != nil {
		// Cuts off whoever found the SDK behind a span. It shuts the pipelines down once more, which does nothing, so it must not say that ctx has ended.
		err = errors.Join(err, sdk.Shutdown(context.WithoutCancel(ctx)))
	}
	return err
}

// each calls f for all pipelines at the same time and joins their errors in order.
func (p *Provider) each(f func(pipeline) error) error {
	errs := make([]error, len(p.config.pipelines))
	var wg sync.WaitGroup
	for i, pl := range p.config.pipelines {
		wg.Go(func() { errs[i] = f(pl) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
