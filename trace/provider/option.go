package provider

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// DefaultAttributeValueLength is how many characters of an attribute's value are kept, if [WithSpanLimits] does not say otherwise. The specification
// knows no limit; we do, so that one long error text cannot make a span too large to be sent.
const DefaultAttributeValueLength = 16 << 10

// OptionFunc sets an option of [New].
type OptionFunc func(*config) error

type config struct {
	resource   *resource.Resource
	attributes []attribute.KeyValue // of the resource, later ones win
	sampler    sdktrace.Sampler
	limits     sdktrace.SpanLimits
	ids        sdktrace.IDGenerator
	propagator propagation.TextMapPropagator
	pipelines  []pipeline
	onError    func(error)
}

// WithSampler sets what decides which traces are recorded. Default: all that start here are, and spans with a parent follow the parent's decision. A
// sampler that is not based on the parent breaks traces in the middle; those of [ParseSampler] called parentbased_… and those of trace/jaeger are.
func WithSampler(s sdktrace.Sampler) OptionFunc {
	return func(c *config) error {
		if s == nil {
			return errors.New("sampler is nil")
		}
		c.sampler = s
		return nil
	}
}

// WithExporter sends sampled spans to e, in batches, from a goroutine that Start starts and Shutdown ends. It may be given several times, with different
// exporters; each has its queue. Without options of the batch: 2048 spans of queue, dropping when it is full, 512 spans a batch, a second of delay at
// most.
func WithExporter(e sdktrace.SpanExporter, oo ...BatchOptionFunc) OptionFunc {
	return func(c *config) error {
		if e == nil {
			return errors.New("exporter is nil")
		}
		b, err := newBatchConfig(oo)
		if err != nil {
			return fmt.Errorf("exporter %s: %w", nameOf(e), err)
		}
		c.pipelines = append(c.pipelines, newBatcher(e, b))
		return nil
	}
}

// WithSyncExporter sends each sampled span to e when it ends, while whoever ends it waits. It is for tests and for commands that must not lose the last
// span when they are killed, not for services. It may be given several times. The exporter must not end sampled spans of the same provider itself: it
// would wait for itself.
func WithSyncExporter(e sdktrace.SpanExporter) OptionFunc {
	return func(c *config) error {
		if e == nil {
			return errors.New("sync exporter is nil")
		}
		c.pipelines = append(c.pipelines, newSyncer(e))
		return nil
	}
}

// WithSpanProcessor adds a processor of the SDK, which sees the start and end of every recorded span. It is flushed and shut down with the provider. It
// may be given several times. Exporters and processors see a span in the order in which they were given.
func WithSpanProcessor(sp sdktrace.SpanProcessor) OptionFunc {
	return func(c *config) error {
		if sp == nil {
			return errors.New("span processor is nil")
		}
		c.pipelines = append(c.pipelines, &foreign{SpanProcessor: sp})
		return nil
	}
}

// WithResource adds attributes to the description of the service that goes with every span. They win over the name and version given to New
// (service.name, service.version), and later ones over earlier ones. Each needs a key.
func WithResource(attrs ...attribute.KeyValue) OptionFunc {
	return func(c *config) error {
		var errs []error
		for i, a := range attrs {
			if !a.Valid() {
				errs = append(errs, fmt.Errorf("resource attribute %d: key is empty", i))
			}
		}
		c.attributes = append(c.attributes, attrs...)
		return errors.Join(errs...)
	}
}

// WithSpanLimits bounds what a span may hold; what is beyond is dropped and counted in the span. A negative limit means none; 0 means that nothing of the
// kind is kept. Default: those of the OpenTelemetry specification (128 attributes, events, links, and attributes of each), and 16384 characters of each
// attribute's value ([DefaultAttributeValueLength]).
func WithSpanLimits(l sdktrace.SpanLimits) OptionFunc {
	return func(c *config) error {
		c.limits = l
		return nil
	}
}

// WithIDGenerator sets what makes the IDs of traces and spans. Default: random ones.
func WithIDGenerator(g sdktrace.IDGenerator) OptionFunc {
	return func(c *config) error {
		if g == nil {
			return errors.New("ID generator is nil")
		}
		c.ids = g
		return nil
	}
}

// WithPropagators sets by name how traces and baggage travel, as [ParsePropagators] describes it. Default: tracecontext and baggage.
func WithPropagators(names ...string) OptionFunc {
	return func(c *config) error {
		p, err := ParsePropagators(names)
		if err != nil {
			return err
		}
		c.propagator = p
		return nil
	}
}

// WithErrorHandler sets what is told that an exporter failed in the background, at most once in ten seconds for each exporter, with the number of failures
// since; the counters of [Provider.Drops] are exact. It is called from the goroutine of the exporter (with [WithSyncExporter]: of whoever ends the span)
// and must not block. Default: OpenTelemetry's own handler, otel.Handle.
func WithErrorHandler(f func(error)) OptionFunc {
	return func(c *config) error {
		if f == nil {
			return errors.New("error handler is nil")
		}
		c.onError = f
		return nil
	}
}

func newConfig(name, version string, oo []OptionFunc) (config, error) {
	propagator, err := ParsePropagators(nil)
	c := config{
		sampler: sdktrace.ParentBased(sdktrace.AlwaysSample()),
		// Spelled out, because the SDK's constructor of limits reads the environment.
		limits: sdktrace.SpanLimits{
			AttributeValueLengthLimit:   DefaultAttributeValueLength,
			AttributeValueDepthLimit:    sdktrace.DefaultAttributeValueDepthLimit,
			AttributeCountLimit:         sdktrace.DefaultAttributeCountLimit,
			EventCountLimit:             sdktrace.DefaultEventCountLimit,
			LinkCountLimit:              sdktrace.DefaultLinkCountLimit,
			AttributePerEventCountLimit: sdktrace.DefaultAttributePerEventCountLimit,
			AttributePerLinkCountLimit:  sdktrace.DefaultAttributePerLinkCountLimit,
		},
		ids:        randomIDs{},
		propagator: propagator,
		onError:    otel.Handle,
	}
	errs := []error{err}
	if name == "" {
		errs = append(errs, errors.New("name is empty"))
	}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	c.resource = newResource(name, version, c.attributes)
	for _, pl := range c.pipelines {
		pl.onError(c.onError)
	}
	return c, errors.Join(errs...)
}
