package provider

import (
	"encoding/hex"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// append adds the line of s.
func (b *jsonBuffer) append(s sdktrace.ReadOnlySpan) {
	if res := s.Resource(); b.encoded == nil || res != b.resource {
		b.resource, b.encoded = res, appendResource(b.encoded[:0], res)
	}
	b.line = append(appendSpan(b.line, s), b.encoded...)
	b.line = append(b.line, "}\n"...)
	b.lines++
}

// appendSpan appends the object of s but for the resource and the end.
func appendSpan(b []byte, s sdktrace.ReadOnlySpan) []byte {
	sc := s.SpanContext()
	start, end := s.StartTime(), s.EndTime()
	b = append(b, '{')
	b = appendIDs(b, sc)
	if parent := s.Parent(); parent.HasSpanID() {
		id := parent.SpanID()
		b = append(b, `,"parent_span_id":"`...)
		b = append(hex.AppendEncode(b, id[:]), '"')
	}
	if state := sc.TraceState(); state.Len() > 0 {
		b = append(b, `,"trace_state":`...)
		b = appendString(b, state.String())
	}
	b = append(b, `,"name":`...)
	b = appendString(b, s.Name())
	b = append(b, `,"kind":"`...)
	b = append(b, oteltrace.ValidateSpanKind(s.SpanKind()).String()...)
	b = append(b, `","start":`...)
	b = appendTime(b, start)
	b = append(b, `,"end":`...)
	b = appendTime(b, end)
	b = append(b, `,"duration_ns":`...)
	b = strconv.AppendInt(b, int64(end.Sub(start)), 10)
	b = appendStatus(b, s.Status())
	b = appendAttributes(b, s.Attributes())
	b = appendEvents(b, s.Events())
	b = appendLinks(b, s.Links())
	b = appendDropped(b, s)
	return appendScope(b, s.InstrumentationScope())
}

func appendIDs(b []byte, sc oteltrace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	b = append(b, `"trace_id":"`...)
	b = hex.AppendEncode(b, traceID[:])
	b = append(b, `","span_id":"`...)
	return append(hex.AppendEncode(b, spanID[:]), '"')
}

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendStatus(b []byte, s sdktrace.Status) []byte {
	switch s.Code {
	case codes.Ok:
		b = append(b, `,"status":{"code":"ok"`...)
	case codes.Error:
		b = append(b, `,"status":{"code":"error"`...)
	default:
		b = append(b, `,"status":{"code":"unset"`...)
	}
	if s.Description != "" {
		b = append(b, `,"description":`...)
		b = appendString(b, s.Description)
	}
	return append(b, '}')
}

// appendAttributes appends a member of an object that is not the first, or nothing.
func appendAttributes(b []byte, kvs []attribute.KeyValue) []byte {
	if len(kvs) == 0 {
		return b
	}
	b = append(b, `,"attributes":{`...)
	for i := range kvs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAttribute(b, &kvs[i])
	}
	return append(b, '}')
}

func appendAttribute(b []byte, kv *attribute.KeyValue) []byte {
	b = appendString(b, string(kv.Key))
	b = append(b, ':')
	switch v := kv.Value; v.Type() {
	case attribute.STRING:
		return appendString(b, v.AsString())
	case attribute.INT64:
		return strconv.AppendInt(b, v.AsInt64(), 10)
	case attribute.BOOL:
		return strconv.AppendBool(b, v.AsBool())
	case attribute.FLOAT64:
		return appendFloat(b, v.AsFloat64())
	case attribute.EMPTY:
		return append(b, "null"...)
	case attribute.BYTESLICE:
		return appendString(b, v.String())
	default: // slices and maps: the text of the value is JSON
		return append(b, v.String()...)
	}
}

func appendEvents(b []byte, events []sdktrace.Event) []byte {
	if len(events) == 0 {
		return b
	}
	b = append(b, `,"events":[`...)
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		ev := &events[i]
		b = append(b, `{"time":`...)
		b = appendTime(b, ev.Time)
		b = append(b, `,"name":`...)
		b = appendString(b, ev.Name)
		b = appendAttributes(b, ev.Attributes)
		b = appendDroppedAttributes(b, ev.DroppedAttributeCount)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendLinks(b []byte, links []sdktrace.Link) []byte {
	if len(links) == 0 {
		return b
	}
	b = append(b, `,"links":[`...)
	for i := range links {
		if i > 0 {
			b = append(b, ',')
		}
		l := &links[i]
		b = append(b, '{')
		b = appendIDs(b, l.SpanContext)
		b = appendAttributes(b, l.Attributes)
		b = appendDroppedAttributes(b, l.DroppedAttributeCount)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendDroppedAttributes(b []byte, n int) []byte {
	if n == 0 {
		return b
	}
	b = append(b, `,"dropped_attributes":`...)
	return strconv.AppendInt(b, int64(n), 10)
}

func appendDropped(b []byte, s sdktrace.ReadOnlySpan) []byte {
	attrs, events, links := s.DroppedAttributes(), s.DroppedEvents(), s.DroppedLinks()
	if attrs == 0 && events == 0 && links == 0 {
		return b
	}
	b = append(b, `,"dropped":{"attributes":`...)
	b = strconv.AppendInt(b, int64(attrs), 10)
	b = append(b, `,"events":`...)
	b = strconv.AppendInt(b, int64(events), 10)
	b = append(b, `,"links":`...)
	b = strconv.AppendInt(b, int64(links), 10)
	return append(b, '}')
}

func appendScope(b []byte, scope instrumentation.Scope) []byte {
	b = append(b, `,"scope":{"name":`...)
	b = appendString(b, scope.Name)
	if scope.Version != "" {
		b = append(b, `,"version":`...)
		b = appendString(b, scope.Version)
	}
	return append(b, '}')
}

func appendResource(b []byte, res *resource.Resource) []byte {
	b = append(b, `,"resource":{`...)
	for it := res.Iter(); it.Next(); {
		i, kv := it.IndexedAttribute()
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAttribute(b, &kv)
	}
	return append(b, '}')
}
