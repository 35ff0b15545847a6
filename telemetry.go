package patron

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/jaeger"
	"github.com/beatlabs/patron/trace/provider"
	"go.opentelemetry.io/otel"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// flushTime is how long the last spans may take to leave at the end of Run.
const flushTime = 3 * time.Second

// telemetry is where the spans and metrics of the service go.
type telemetry struct {
	*trace.Telemetry

	tracers  oteltrace.TracerProvider
	provider *provider.Provider // nil: somebody else's
}

// newTelemetry makes the tracing that variables and options ask for. Nothing is sent before start.
func newTelemetry(name, version string, c *config, logger plog.Logger) (*telemetry, error) {
	var errs []error
	collect := func(oo []provider.OptionFunc, err error) []provider.OptionFunc {
		errs = append(errs, err)
		return oo
	}
	log := plog.Wrap(logger).Slog()
	oo := []provider.OptionFunc{
		provider.WithErrorHandler(func(err error) { log.Warn("spans were not exported", "error", err) }),
		provider.WithPropagators(c.env.otelPropagators...),
	}
	if c.tracerProvider == nil {
		oo = append(oo, collect(resourceOf(c.env))...)
		oo = append(oo, collect(exporterOf(c.env))...)
		oo = append(oo, collect(samplerOf(c.env))...)
		oo = append(oo, c.tracing...)
	}
	p, err := provider.New(name, version, oo...)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	t := &telemetry{tracers: c.tracerProvider}
	if c.tracerProvider == nil {
		t.tracers, t.provider = p.TracerProvider(), p
	}
	t.Telemetry = trace.NewTelemetry(t.tracers, p.Propagator(), c.registry)
	return t, nil
}

// resourceOf describes the service as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES do. The former wins over the latter.
func resourceOf(env *environment) ([]provider.OptionFunc, error) {
	attrs, err := provider.ParseResourceAttributes(env.otelResource)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", env.assignment(varOTelResource), err)
	}
	if env.otelService != "" {
		attrs = append(attrs, trace.ServiceName(env.otelService))
	}
	if len(attrs) == 0 {
		return nil, nil
	}
	return []provider.OptionFunc{provider.WithResource(attrs...)}, nil
}

// exporterOf sends spans to the Jaeger agent, if there is one.
func exporterOf(env *environment) ([]provider.OptionFunc, error) {
	if env.jaegerHost == "" {
		return nil, nil
	}
	e, err := jaeger.NewExporter(env.jaegerHost, env.jaegerPort)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", env.assignment(varJaegerHost), err)
	}
	return []provider.OptionFunc{provider.WithExporter(e)}, nil
}

// samplerOf is the sampler of Jaeger's variables if one of them is set, else that of OpenTelemetry's, else Jaeger's default.
func samplerOf(env *environment) ([]provider.OptionFunc, error) {
	if env.has(varOTelSampler) && !env.has(varSamplerType, varSamplerParam) {
		s, err := provider.ParseSampler(env.otelSampler, env.otelSamplerArg)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", env.assignment(varOTelSampler), env.assignment(varOTelSamplerArg), err)
		}
		return []provider.OptionFunc{provider.WithSampler(s)}, nil
	}
	s, err := jaeger.NewSampler(env.samplerType, env.samplerParam)
	if err != nil {
		return nil, fmt.Errorf("%s=%q, %s=%q: %w", varSamplerType, env.samplerType,
			varSamplerParam, cmp.Or(env.values[varSamplerParam], "0.0"), err)
	}
	return []provider.OptionFunc{provider.WithSampler(s)}, nil
}

// install makes t the default of the process.
func (t *telemetry) install() {
	metric.SetDefault(t.Metrics())
	trace.SetDefault(t.Telemetry)
}

// start brings the provider up. Its spans are recorded from then on.
func (t *telemetry) start(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	dropped := t.Metrics().CounterFunc(metric.Opts{
		Name: "patron_trace_spans_dropped_total", Help: "Spans that were lost on the way to an exporter.", Labels: []string{"exporter", "reason"},
	})
	for _, d := range t.provider.Drops() {
		dropped.Add(d.Read, d.Exporter, d.Reason)
	}
	if err := t.provider.Start(ctx); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// flush sends what is queued and ends the provider, within ctx.
func (t *telemetry) flush(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// setOTelGlobals makes libraries that know OpenTelemetry's globals only join the traces of the service.
func (t *telemetry) setOTelGlobals(log *slog.Logger) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("opentelemetry", "error", err) }))
	otel.SetTracerProvider(t.tracers)
	otel.SetTextMapPropagator(t.Propagator())
}
