// Package provider sets the OpenTelemetry SDK up: sampler, exporters, resource, span limits and propagators, with a life that begins only when it is told.
//
// Everything else in the module writes spans through the OpenTelemetry API and never links the SDK; this package is where the two meet.
//
//	p, err := provider.New("orders", "1.2.3",
//		provider.WithExporter(exporter),
//		provider.WithSampler(sampler))
//	…
//	err = p.Start(ctx)
//	defer func() { err = p.Shutdown(flushCtx) }()
//
// # Life
//
// [New] validates; it opens nothing and starts no goroutine. [Provider.TracerProvider] may be handed out at once and stays the same: its spans are
// non-recording before [Provider.Start] and after [Provider.Shutdown], and pass on the trace that they find in their context. Shutdown belongs to the very
// end of a service, because it sends what is still queued.
//
// # Nothing is lost in silence
//
// Exporters get their spans in batches from a queue of their own, which is bounded. When the exporter cannot keep up, spans are dropped, unless
// [WithBlocking] makes whoever ends a span wait instead. The batch processor is our own and not the SDK's, because that one does not tell how many
// spans it dropped: here each loss has a reason and a counter, see [Provider.Drops]. Errors of exporters go to [WithErrorHandler].
//
// # Environment
//
// This package reads no environment variable. What OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and OTEL_PROPAGATORS hold can be given
// to [ParseResourceAttributes], [ParseSampler] and [ParsePropagators], whose results are options. The SDK itself reads some when Start runs, and of those:
//
//   - OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME are merged into the resource, but lose against what New was given. A name is always given;
//   - OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG have no effect, because a sampler is always set;
//   - OTEL_SPAN_* and the other limits have no effect, because limits are always set (see [WithSpanLimits]);
//   - OTEL_BSP_* are never read, because the SDK's batch processor is not used;
//   - OTEL_GO_X_* switch experiments of the SDK on.
package provider
