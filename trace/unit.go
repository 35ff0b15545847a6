package trace

import (
	"context"
	"time"

	"github.com/beatlabs/patron/correlation"
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Unit is one unit of work that is about to begin.
type Unit struct {
	// Op is the kind of work, made once.
	Op *Op
	// In is what the work came with, for a server or consumer: the trace context, the baggage and the correlation ID are taken from it. A correlation ID that is
	// absent or not valid is replaced by a new one.
	In Carrier
	// Out is what goes out, for a client or producer: they are written to it.
	Out Carrier
	// Start is when the work began. Zero: now.
	Start time.Time
	// Links name the traces that a batch works for.
	Links []oteltrace.Link
	// Describer is asked for more attributes if the span is recorded. Nil: there are none.
	Describer Describer
}

// Describer knows what is worth knowing about one unit alone. It saves the memory and the time that [Span.SetAttributes] takes after [Begin].
type Describer interface {
	// AppendAttributes appends to the attributes of a span, and returns them.
	AppendAttributes(attrs []attribute.KeyValue) []attribute.KeyValue
}

// Begin starts a unit of work: it joins or starts the trace and the correlation ID, starts a span, and counts the unit as in flight. The context it returns is
// the one to work in; it carries the span and the correlation ID. Every Begin needs one [Span.End]. Begin does not block and may be called concurrently.
func Begin(ctx context.Context, u Unit) (context.Context, *Span) {
	s := new(Span)
	return s.Begin(ctx, u), s
}

// Begin is the function [Begin] in memory of the caller's: s must be zero, and must not be copied or moved from then on. The context that it returns is part of
// that memory, so nobody may use it for something else as long as anybody has a context that was made from it: that is, in general, never.
func (s *Span) Begin(ctx context.Context, u Unit) context.Context {
	t := FromContext(ctx)
	s.binding, s.start = u.Op.bind(t), u.Start
	if s.start.IsZero() {
		s.start = time.Now()
	}
	var id string
	if u.In != nil {
		ctx = t.propagator.Extract(ctx, u.In)
		id = incomingID(ctx, u.In)
		ctx = s.correlation.Init(ctx, id)
	} else if id = correlation.IDFromContext(ctx); id == "" {
		id = correlation.New()
		ctx = s.correlation.Init(ctx, id)
	}
	if !u.Op.spanless {
		ctx = s.startSpan(ctx, t, &u, id)
	}
	if u.Out != nil {
		t.propagator.Inject(ctx, u.Out)
		u.Out.Set(correlation.HeaderID, id)
	}
	if s.binding.inFlight != nil {
		s.binding.inFlight.Inc()
	}
	s.ctx = ctx
	return ctx
}

// incomingID takes the ID that came in; one that is not valid counts as absent. An ID that is in the context already (a batch, a test) comes before a new one.
func incomingID(ctx context.Context, in Carrier) string {
	if id := in.Get(correlation.HeaderID); correlation.Valid(id) {
		return id
	}
	if id := correlation.IDFromContext(ctx); id != "" {
		return id
	}
	return correlation.New()
}

func (s *Span) startSpan(ctx context.Context, t *Telemetry, u *Unit, id string) context.Context {
	tracer := t.tracer.Load()
	if tracer.dropper != nil {
		if dropped, span, ok := tracer.dropper.Drop(ctx); ok {
			s.span = span
			return dropped
		}
	}
	options := u.Op.start
	if !u.Start.IsZero() || len(u.Links) > 0 {
		options = append(append(make([]oteltrace.SpanStartOption, 0, len(options)+2), options...),
			oteltrace.WithTimestamp(s.start), oteltrace.WithLinks(u.Links...))
	}
	ctx, s.span = tracer.Start(ctx, u.Op.name, options...)
	if s.recorded = s.span.IsRecording(); s.recorded {
		s.describe(u, id)
	}
	return ctx
}

// describedBy is how many attributes a [Describer] is expected to append.
const describedBy = 4

// describe sets all that is known about a unit when it begins.
func (s *Span) describe(u *Unit, id string) {
	attrs := append(make([]attribute.KeyValue, 0, len(u.Op.attrs)+1+describedBy), u.Op.attrs...)
	attrs = append(attrs, keyCorrelation.String(id))
	if u.Describer != nil {
		attrs = u.Describer.AppendAttributes(attrs)
	}
	if u.Op.family.status { // there will be one more attribute at the end, for which the SDK would move all of them to a place of twice the size,
		first := len(attrs)/2 + 1
		s.span.SetAttributes(attrs[:first]...) // so let it double half of them instead
		attrs = attrs[first:]
	}
	if len(attrs) > 0 {
		s.span.SetAttributes(attrs...)
	}
}

// Start begins a step of the caller's own inside a unit: a child span of what ctx carries, without metrics and never logged. Name comes from a small set. Every
// Start needs one [Span.End].
func Start(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, *Span) {
	s := &Span{binding: step, start: time.Now()}
	ctx, s.span = FromContext(ctx).tracer.Load().Start(ctx, name)
	s.recorded = s.span.IsRecording()
	if len(attrs) > 0 && s.recorded {
		s.span.SetAttributes(attrs...)
	}
	s.ctx = ctx
	return ctx, s
}

// step stands for what every step that [Start] begins is bound to. It has no metrics, so it is the same in every Telemetry.
var step = (&Op{kind: Internal}).newBinding(nil) //nolint:gochecknoglobals // a constant that Go has no word for
