package jaeger

import (
	"encoding/binary"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Values of the enums of jaeger.thrift.
const (
	tagString = 0
	tagDouble = 1
	tagBool   = 2
	tagLong   = 3
	tagBinary = 4

	refFollowsFrom = 1

	flagSampled = 1
)

const (
	serviceNameKey = attribute.Key("service.name")
	// unknownService is what the specification calls a service without a name.
	unknownService = "unknown_service"
	eventKey       = attribute.Key("event")
)

// spanEncoder encodes spans and processes as the structs of jaeger.thrift. It must not be used concurrently.
type spanEncoder struct {
	encoder
	scratch []attribute.KeyValue // tags that are not attributes of the span; kept for the next span
}

// process appends a Process struct (jaeger.thrift): the service's name and the rest of the resource.
func (e *spanEncoder) process(res *resource.Resource) {
	name := unknownService
	tags := e.scratch[:0]
	for it := res.Iter(); it.Next(); {
		kv := it.Attribute()
		if kv.Key == serviceNameKey {
			name = kv.Value.String()
			continue
		}
		tags = append(tags, kv)
	}
	outer := e.begin()
	e.string(1, name)
	if len(tags) > 0 {
		e.list(2, len(tags))
		e.tags(tags)
	}
	e.end(outer)
	e.keep(tags)
}

// span appends a Span struct (jaeger.thrift).
func (e *spanEncoder) span(s sdktrace.ReadOnlySpan) {
	sc := s.SpanContext()
	traceID, spanID, parentID := sc.TraceID(), sc.SpanID(), s.Parent().SpanID()
	start := s.StartTime()

	outer := e.begin()
	e.i64(1, signed(traceID[8:]))
	e.i64(2, signed(traceID[:8]))
	e.i64(3, signed(spanID[:]))
	e.i64(4, signed(parentID[:]))
	e.string(5, s.Name())
	links := s.Links()
	if len(links) > 0 {
		e.list(6, len(links))
		for i := range links {
			e.reference(links[i].SpanContext)
		}
	}
	// Only the bit for sampled: the second bit is "random trace ID" in W3C Trace Context, but "debug" in Jaeger.
	var flags int32
	if sc.IsSampled() {
		flags = flagSampled
	}
	e.i32(7, flags)
	e.i64(8, start.UnixMicro())
	e.i64(9, max(s.EndTime().Sub(start).Microseconds(), 0))
	attrs := s.Attributes()
	derived := appendDerived(e.scratch[:0], s)
	if n := len(attrs) + len(derived); n > 0 {
		e.list(10, n)
		e.tags(attrs)
		e.tags(derived)
	}
	e.keep(derived)
	e.logs(s, links)
	e.end(outer)
}

// logs appends the events of s, and the links that have attributes.
func (e *spanEncoder) logs(s sdktrace.ReadOnlySpan, links []sdktrace.Link) {
	events := s.Events()
	n := len(events)
	for i := range links {
		if len(links[i].Attributes) > 0 {
			n++
		}
	}
	if n == 0 {
		return
	}
	e.list(11, n)
	for i := range events {
		e.event(&events[i])
	}
	for i := range links {
		if len(links[i].Attributes) > 0 {
			e.linkLog(s.StartTime().UnixMicro(), &links[i])
		}
	}
}

func (e *spanEncoder) reference(sc oteltrace.SpanContext) {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	outer := e.begin()
	e.i32(1, refFollowsFrom)
	e.i64(2, signed(traceID[8:]))
	e.i64(3, signed(traceID[:8]))
	e.i64(4, signed(spanID[:]))
	e.end(outer)
}

func (e *spanEncoder) event(ev *sdktrace.Event) {
	fields := e.scratch[:0]
	if !hasKey(ev.Attributes, eventKey) {
		fields = append(fields, eventKey.String(ev.Name))
	}
	if n := ev.DroppedAttributeCount; n > 0 {
		fields = append(fields, attribute.Int("otel.event.dropped_attributes_count", n))
	}
	e.log(ev.Time.UnixMicro(), fields, ev.Attributes)
	e.keep(fields)
}

func (e *spanEncoder) linkLog(micros int64, l *sdktrace.Link) {
	fields := e.scratch[:0]
	fields = append(fields,
		eventKey.String("link"),
		attribute.String("trace_id", l.SpanContext.TraceID().String()),
		attribute.String("span_id", l.SpanContext.SpanID().String()),
	)
	e.log(micros, fields, l.Attributes)
	e.keep(fields)
}

func (e *spanEncoder) log(micros int64, fields, attrs []attribute.KeyValue) {
	outer := e.begin()
	e.i64(1, micros)
	e.list(2, len(fields)+len(attrs))
	e.tags(fields)
	e.tags(attrs)
	e.end(outer)
}

func (e *spanEncoder) tags(kvs []attribute.KeyValue) {
	for i := range kvs {
		e.tag(&kvs[i])
	}
}

func (e *spanEncoder) tag(kv *attribute.KeyValue) {
	outer := e.begin()
	e.string(1, string(kv.Key))
	switch v := kv.Value; v.Type() {
	case attribute.STRING:
		e.i32(2, tagString)
		e.string(3, v.AsString())
	case attribute.FLOAT64:
		e.i32(2, tagDouble)
		e.double(4, v.AsFloat64())
	case attribute.BOOL:
		e.i32(2, tagBool)
		e.bool(5, v.AsBool())
	case attribute.INT64:
		e.i32(2, tagLong)
		e.i64(6, v.AsInt64())
	case attribute.BYTESLICE:
		e.i32(2, tagBinary)
		e.binary(7, string(v.AsByteSlice()))
	default: // slices and maps: JSON text; a value without data: ""
		e.i32(2, tagString)
		e.string(3, v.String())
	}
	e.end(outer)
}

// keep keeps the array of tags for the next span, but none of the strings in it.
func (e *spanEncoder) keep(tags []attribute.KeyValue) {
	clear(tags)
	e.scratch = tags[:0]
}

// appendDerived appends the tags that Jaeger wants for what OpenTelemetry keeps in fields of the span.
func appendDerived(tags []attribute.KeyValue, s sdktrace.ReadOnlySpan) []attribute.KeyValue {
	switch s.SpanKind() {
	case oteltrace.SpanKindClient, oteltrace.SpanKindServer, oteltrace.SpanKindProducer, oteltrace.SpanKindConsumer:
		tags = append(tags, attribute.String("span.kind", s.SpanKind().String()))
	case oteltrace.SpanKindUnspecified, oteltrace.SpanKindInternal:
	}
	scope := s.InstrumentationScope()
	if scope.Name != "" {
		tags = append(tags, attribute.String("otel.scope.name", scope.Name))
	}
	if scope.Version != "" {
		tags = append(tags, attribute.String("otel.scope.version", scope.Version))
	}
	status := s.Status()
	switch status.Code {
	case codes.Ok:
		tags = append(tags, attribute.String("otel.status_code", "OK"))
	case codes.Error:
		tags = append(tags, attribute.Bool("error", true), attribute.String("otel.status_code", "ERROR"))
	case codes.Unset:
	}
	if status.Description != "" {
		tags = append(tags, attribute.String("otel.status_description", status.Description))
	}
	if state := s.SpanContext().TraceState(); state.Len() > 0 {
		tags = append(tags, attribute.String("w3c.tracestate", state.String()))
	}
	tags = appendCount(tags, "otel.dropped_attributes_count", s.DroppedAttributes())
	tags = appendCount(tags, "otel.dropped_events_count", s.DroppedEvents())
	return appendCount(tags, "otel.dropped_links_count", s.DroppedLinks())
}

func appendCount(tags []attribute.KeyValue, key string, n int) []attribute.KeyValue {
	if n == 0 {
		return tags
	}
	return append(tags, attribute.Int(key, n))
}

func hasKey(kvs []attribute.KeyValue, key attribute.Key) bool {
	for i := range kvs {
		if kvs[i].Key == key {
			return true
		}
	}
	return false
}

// signed reads 8 bytes as Thrift, which has no unsigned integers, wants them: the bits are meant, not the value.
func signed(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
