package tracetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Recorder is a [trace.Telemetry] that remembers. It may be used concurrently. Make it with [New]; the zero value is not usable.
type Recorder struct {
	journal   *journal
	telemetry *trace.Telemetry
}

// OptionFunc changes what [New] makes.
type OptionFunc func(*config) error

type config struct {
	sampler  sdktrace.Sampler
	registry *metric.Registry
}

// WithSampler sets which traces are recorded. Default: all, but those whose parent is remote and was not sampled.
func WithSampler(s sdktrace.Sampler) OptionFunc {
	return func(c *config) error {
		if s == nil {
			return errors.New("sampler: nil")
		}
		c.sampler = s
		return nil
	}
}

// WithRegistry sets where the metrics go. Default: an empty registry.
func WithRegistry(r *metric.Registry) OptionFunc {
	return func(c *config) error {
		if r == nil {
			return errors.New("registry: nil")
		}
		c.registry = r
		return nil
	}
}

// New returns an empty Recorder, which propagates as [trace.W3C] does. It panics with every fault if an option is wrong: this is a package for tests, and a
// test that goes on without its telemetry would prove nothing.
func New(oo ...OptionFunc) *Recorder {
	c := config{sampler: sdktrace.ParentBased(sdktrace.AlwaysSample())}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	if err := errors.Join(errs...); err != nil {
		panic(fmt.Errorf("tracetest: new: %w", err))
	}
	if c.registry == nil {
		c.registry = metric.NewRegistry()
	}
	j := newJournal()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(c.sampler), sdktrace.WithSpanProcessor(j))
	return &Recorder{journal: j, telemetry: trace.NewTelemetry(provider, nil, c.registry)}
}

// Telemetry returns what records.
func (r *Recorder) Telemetry() *trace.Telemetry { return r.telemetry }

// Context returns a copy of ctx in which everything is recorded.
func (r *Recorder) Context(ctx context.Context) context.Context {
	return trace.WithTelemetry(ctx, r.telemetry)
}

// Spans returns the spans that ended, in the order in which they did.
func (r *Recorder) Spans() []Span { return r.journal.ended() }

// Named returns those of [Recorder.Spans] with the given name.
func (r *Recorder) Named(name string) []Span {
	return slices.DeleteFunc(r.Spans(), func(s Span) bool { return s.Name != name })
}

// Await waits until n spans or more have ended since the last [Recorder.Reset] and returns them all, or until ctx ends and returns an error that says how many
// there are and which are still open.
func (r *Recorder) Await(ctx context.Context, n int) ([]Span, error) {
	for {
		changed := r.journal.changes()
		spans := r.Spans()
		if len(spans) >= n {
			return spans, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return spans, fmt.Errorf("tracetest: %d of %d spans ended, open: %q: %w", len(spans), n, r.Open(), context.Cause(ctx))
		}
	}
}

// Open returns the names of the spans that began and have not ended, in the order in which they began. What no sampler chose is not among them.
func (r *Recorder) Open() []string { return r.journal.open() }

// AssertNoneOpen reports an error to tb if a span is open.
func (r *Recorder) AssertNoneOpen(tb testing.TB) {
	tb.Helper()
	if open := r.Open(); len(open) > 0 {
		tb.Errorf("spans that began and did not end: %q", open)
	}
}

// Reset forgets the spans that ended. Open ones stay open, and metrics keep their values.
func (r *Recorder) Reset() { r.journal.reset() }
