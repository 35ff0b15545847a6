// Package jaeger speaks to what understands Jaeger: an exporter that sends finished spans to a Jaeger agent, and the samplers of the Jaeger clients.
//
// The [Exporter] sends compact Thrift in UDP datagrams (agent.thrift, emitBatch), the protocol of port 6831. Jaeger itself has retired its agent; the
// protocol lives on in the Jaeger receiver of the OpenTelemetry Collector and in Jaeger 2, which is built on it. The encoder is part of this package and
// needs no Thrift library.
//
//	exporter, err := jaeger.NewExporter("localhost", 6831)
//	sampler, err := jaeger.NewSampler("probabilistic", 0.01)
//	p, err := provider.New("orders", "1.2.3", provider.WithExporter(exporter), provider.WithSampler(sampler))
//
// # Delivery
//
// UDP promises nothing, and tracing must never hold up the work that it watches: what cannot be sent is dropped and counted (see [Exporter.Drops]).
// The socket is opened by the first export, never by the constructor. It is opened anew after an error, and every 30 s if the host is a name, so that an
// agent that was restarted or has moved is found again. A host that refuses (there is no agent) says so by ICMP, which the kernel reports with the next
// packet: that packet is sent again over a new socket, and the refused one is counted.
//
// # Mapping
//
// The mapping is the one that the OpenTelemetry specification gives for Jaeger:
//
//   - trace ID: two signed 64-bit halves; span ID and parent span ID: signed 64-bit, big endian;
//   - times: microseconds, rounded down; flags: 1 for a sampled span;
//   - attributes: tags of type string, bool, long, double or binary; slices and maps: string tags of JSON text;
//   - resource: the process; service.name is its name, the rest are its tags;
//   - kind: tag span.kind (client, server, producer, consumer; none for internal);
//   - status: tags otel.status_code (OK or ERROR; none if unset), otel.status_description, and error = true for an error;
//   - scope: tags otel.scope.name and otel.scope.version; trace state: tag w3c.tracestate;
//   - events: logs with the name in the field event, unless the event has an attribute of that name;
//   - links: references of type FOLLOWS_FROM; attributes of a link, which a reference cannot hold, go into a log with event = link, trace_id and span_id;
//   - what the span's limits cut off: otel.dropped_attributes_count, otel.dropped_events_count, otel.dropped_links_count, and
//     otel.event.dropped_attributes_count in a log.
//
// Strings that are not UTF-8 are sent with U+FFFD in the place of what is wrong, because a receiver may refuse the whole packet otherwise.
package jaeger
