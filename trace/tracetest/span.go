package tracetest

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Span is a span that ended, in plain values that go-cmp and a %+v show well.
type Span struct {
	Name         string         // as it was at the end of the span
	Kind         string         // internal, server, client, producer or consumer
	TraceID      string         // 32 hexadecimal digits
	SpanID       string         // 16 hexadecimal digits
	ParentID     string         // that of the parent; "" if there is none
	ParentRemote bool           // the parent came in a carrier
	Attributes   map[string]any // by key
	Events       []Event        // in the order in which they happened
	Links        []Link         // in the order in which they were added
	Status       string         // unset, error or ok
	Description  string         // of the status
	Start, End   time.Time      // what the span was told, not when it was recorded
}

// Event is something that happened within a span: its Name, its Attributes by key, and its Time.
type Event struct {
	Name       string
	Attributes map[string]any
	Time       time.Time
}

// Link is another span that a span has to do with: its TraceID and SpanID, in hexadecimal digits, and the Attributes of the link by key.
type Link struct {
	TraceID    string
	SpanID     string
	Attributes map[string]any
}

// ChildOf reports whether p is the parent of s.
func (s Span) ChildOf(p Span) bool { return s.TraceID == p.TraceID && s.ParentID == p.SpanID }

func spanOf(r sdktrace.ReadOnlySpan) Span {
	s := Span{
		Name: r.Name(), Kind: r.SpanKind().String(),
		TraceID: r.SpanContext().TraceID().String(), SpanID: r.SpanContext().SpanID().String(),
		Attributes: mapOf(r.Attributes()),
		Status:     statusOf(r.Status()), Description: r.Status().Description,
		Start: r.StartTime(), End: r.EndTime(),
	}
	if p := r.Parent(); p.IsValid() {
		s.ParentID, s.ParentRemote = p.SpanID().String(), p.IsRemote()
	}
	for _, e := range r.Events() {
		s.Events = append(s.Events, Event{Name: e.Name, Attributes: mapOf(e.Attributes), Time: e.Time})
	}
	for _, l := range r.Links() {
		s.Links = append(s.Links, Link{
			TraceID: l.SpanContext.TraceID().String(), SpanID: l.SpanContext.SpanID().String(), Attributes: mapOf(l.Attributes),
		})
	}
	return s
}

// mapOf keeps the types of OpenTelemetry: string, bool, int64, float64 and slices of them.
func mapOf(attrs []attribute.KeyValue) map[string]any {
	m := make(map[string]any, len(attrs))
	for _, a := range attrs {
		m[string(a.Key)] = a.Value.AsInterface()
	}
	return m
}
