package provider

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errExport = errors.New("back end away")

// recorder is an exporter that keeps the names of spans, batch by batch. With gate it waits for a token, or its context, before each batch.
type recorder struct {
	gate chan struct{}

	mu        sync.Mutex
	batches   [][]string
	err       error // what ExportSpans returns
	shutdowns int
}

var _ sdktrace.SpanExporter = (*recorder)(nil)

func (r *recorder) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if r.gate != nil {
		select {
		case <-r.gate:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	var names []string
	for _, s := range spans {
		names = append(names, s.Name())
	}
	r.batches = append(r.batches, names)
	return nil
}

func (r *recorder) Shutdown(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shutdowns++
	return nil
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// names returns the names of all spans that were exported.
func (r *recorder) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, b := range r.batches {
		out = append(out, b...)
	}
	return out
}

func (r *recorder) sizes() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []int
	for _, b := range r.batches {
		out = append(out, len(b))
	}
	return out
}

// mustNew returns a provider that has not been started.
func mustNew(tb testing.TB, oo ...OptionFunc) *Provider {
	tb.Helper()
	p, err := New("orders", "1.2.3", oo...)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// started returns a provider that runs, and ends with the test.
func started(tb testing.TB, oo ...OptionFunc) *Provider {
	tb.Helper()
	p := mustNew(tb, oo...)
	if err := p.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Shutdown(context.WithoutCancel(tb.Context())) })
	return p
}

// emit starts and ends a span.
func emit(p *Provider, names ...string) {
	for _, n := range names {
		_, s := p.TracerProvider().Tracer("test").Start(context.Background(), n)
		s.End()
	}
}

// drops returns the counters that are not 0, as "exporter/reason".
func drops(p *Provider) map[string]uint64 {
	out := map[string]uint64{}
	for _, d := range p.Drops() {
		if n := d.Read(); n > 0 {
			out[d.Exporter+"/"+d.Reason] = n
		}
	}
	return out
}

// stub is a sampled span.
func stub(name string) tracetest.SpanStub {
	return tracetest.SpanStub{
		Name:        name,
		SpanContext: oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2}, TraceFlags: 1}),
		Resource:    resource.Empty(),
	}
}
