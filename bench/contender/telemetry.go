package contender

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Mode says what is done with spans.
type Mode uint8

// The modes.
const (
	Unsampled Mode = iota // no trace is sampled: the ratio 0
	Sampled               // all are, and go in batches to an exporter that discards them
)

// String returns the name in lower case.
func (m Mode) String() string {
	if m == Sampled {
		return "sampled"
	}
	return "unsampled"
}

// ParseMode returns the mode with the given name.
func ParseMode(s string) (Mode, error) {
	for _, m := range []Mode{Unsampled, Sampled} {
		if m.String() == s {
			return m, nil
		}
	}
	return 0, fmt.Errorf("mode %q: want unsampled or sampled", s)
}

func (m Mode) sampler() sdktrace.Sampler {
	if m == Sampled {
		return sdktrace.AlwaysSample()
	}
	return sdktrace.NeverSample()
}

// discard is an exporter that counts spans and forgets them.
type discard struct{ spans atomic.Int64 }

func (d *discard) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	d.spans.Add(int64(len(spans)))
	return nil
}

func (d *discard) Shutdown(context.Context) error { return nil }

// telemetry is what a peer of patron is given: the SDK with its own batch processor, and a registry for its metrics.
type telemetry struct {
	tracers     *sdktrace.TracerProvider
	propagators propagation.TextMapPropagator
	registry    *prometheus.Registry
	meters      *sdkmetric.MeterProvider // whose metrics are gathered by registry; made when it is asked for
	spans       *discard
}

func newTelemetry(mode Mode) *telemetry {
	spans := new(discard)
	return &telemetry{
		tracers:     sdktrace.NewTracerProvider(sdktrace.WithSampler(mode.sampler()), sdktrace.WithBatcher(spans)),
		propagators: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
		registry:    prometheus.NewRegistry(),
		spans:       spans,
	}
}

// meterProvider returns OpenTelemetry's metrics, exposed for Prometheus.
func (t *telemetry) meterProvider() (metric.MeterProvider, error) {
	if t.meters == nil {
		reader, err := otelprometheus.New(otelprometheus.WithRegisterer(t.registry))
		if err != nil {
			return nil, err
		}
		t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}
	return t.meters, nil
}

func (t *telemetry) exported(ctx context.Context) (int64, error) {
	err := t.tracers.ForceFlush(ctx)
	return t.spans.spans.Load(), err
}

func (t *telemetry) shutdown(ctx context.Context) error {
	if t.meters != nil {
		if err := t.meters.Shutdown(ctx); err != nil {
			return err
		}
	}
	return t.tracers.Shutdown(ctx)
}

// observations returns how many durations the histograms of a registry hold: those of the histogram with the most, as some record sizes besides.
func observations(g prometheus.Gatherer) (uint64, error) {
	families, err := g.Gather()
	if err != nil {
		return 0, err
	}
	var most uint64
	for _, family := range families {
		if !strings.Contains(family.GetName(), "seconds") {
			continue
		}
		var n uint64
		for _, m := range family.GetMetric() {
			n += m.GetHistogram().GetSampleCount()
		}
		most = max(most, n)
	}
	return most, nil
}
