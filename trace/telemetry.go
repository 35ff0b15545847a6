package trace

import (
	"context"
	"sync/atomic"

	"github.com/beatlabs/patron/metric"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// instrumentation is the name of the tracer, which OpenTelemetry shows as the scope of a span.
const instrumentation = "github.com/beatlabs/patron"

// Telemetry is where the spans and metrics of one service go. It may be used concurrently. Make it with [NewTelemetry]; the zero value is not usable.
type Telemetry struct {
	tracer     atomic.Pointer[tracerBox]
	propagator propagation.TextMapPropagator
	metrics    *metric.Registry
}

// tracerBox gives the atomic a concrete type to point to.
type tracerBox struct {
	oteltrace.Tracer
	dropper dropper // nil: the tracer is none
}

// dropper is a tracer that knows of some spans that they are not sampled, as that of package provider does.
type dropper interface {
	// Drop returns what Start would return for a span without options that is not sampled, or false: then Start has to be asked.
	Drop(ctx context.Context) (context.Context, oteltrace.Span, bool)
}

// NewTelemetry returns a Telemetry. A nil provider means OpenTelemetry's global one, which records nothing until somebody sets it; a nil propagator means
// [W3C]; a nil registry means [metric.Default] at the time of the call.
func NewTelemetry(tp oteltrace.TracerProvider, p propagation.TextMapPropagator, r *metric.Registry) *Telemetry {
	if p == nil {
		p = W3C()
	}
	if r == nil {
		r = metric.Default()
	}
	t := &Telemetry{propagator: p, metrics: r}
	if tp == nil {
		tp = otel.GetTracerProvider()
	}
	t.SetTracerProvider(tp)
	return t
}

// W3C returns the default propagator: W3C Trace Context and W3C Baggage.
func W3C() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// SetTracerProvider makes spans from now on go to tp. The service calls it when its provider is up.
func (t *Telemetry) SetTracerProvider(tp oteltrace.TracerProvider) {
	tracer := tp.Tracer(instrumentation, oteltrace.WithSchemaURL(SchemaURL))
	d, _ := tracer.(dropper)
	t.tracer.Store(&tracerBox{Tracer: tracer, dropper: d})
}

// Metrics returns the registry.
func (t *Telemetry) Metrics() *metric.Registry { return t.metrics }

// Propagator returns the propagator.
func (t *Telemetry) Propagator() propagation.TextMapPropagator { return t.propagator }

// processDefault holds the Telemetry for contexts that carry none; fallback stands in until a service installed one.
var processDefault, fallback atomic.Pointer[Telemetry]

// SetDefault makes t the Telemetry of the process: what [FromContext] returns for a context that carries none. A nil t goes back to OpenTelemetry's globals
// and Prometheus' default registerer.
func SetDefault(t *Telemetry) { processDefault.Store(t) }

type telemetryKey struct{}

// WithTelemetry returns a copy of ctx that carries t, and its registry for [metric.FromContext]. A nil t leaves ctx as it is.
func WithTelemetry(ctx context.Context, t *Telemetry) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(metric.WithRegistry(ctx, t.metrics), telemetryKey{}, t)
}

// FromContext returns the Telemetry that ctx carries, else the one of the process, else one over OpenTelemetry's globals and Prometheus' default registerer. It
// is never nil.
func FromContext(ctx context.Context) *Telemetry {
	if t, ok := ctx.Value(telemetryKey{}).(*Telemetry); ok {
		return t
	}
	if t := processDefault.Load(); t != nil {
		return t
	}
	if t := fallback.Load(); t != nil {
		return t
	}
	fallback.CompareAndSwap(nil, NewTelemetry(nil, nil, nil))
	return fallback.Load()
}
