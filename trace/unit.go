package trace

import (
	"context"
	"slices"
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
}

// Begin starts a unit of work: it joins or starts the trace and the correlation ID, starts a span, and counts the unit as in flight. The context it returns is
// the one to work in; it carries the span and the correlation ID. Every Begin needs one [Span.End]. Begin does not block and may be called concurrently.
func Begin(ctx context.Context, u Unit) (context.Context, *Span) {
	s := new(Span)
	return s.Begin(ctx, u), s
}

// Begin is the function [Begin] in memory of the caller's: s must be zero, and must not be copied or moved from then on.
func (s *Span) Begin(ctx context.Context, u Unit) context.Context {
	t := FromContext(ctx)
	s.op, s.binding, s.start = u.Op, u.Op.bind(t), u.Start
	if s.start.IsZero() {
		s.start = time.Now()
	}
	if u.In != nil {
		ctx = t.propagator.Extract(ctx, u.In)
		ctx = correlation.ContextWithID(ctx, incomingID(ctx, u.In))
	} else if correlation.IDFromContext(ctx) == "" {
		ctx = correlation.ContextWithID(ctx, correlation.New())
	}
	if !u.Op.spanless {
		ctx = s.startSpan(ctx, t, u)
	}
	if u.Out != nil {
		t.propagator.Inject(ctx, u.Out)
		u.Out.Set(correlation.HeaderID, correlation.IDFromContext(ctx))
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

func (s *Span) startSpan(ctx context.Context, t *Telemetry, u Unit) context.Context {
	options := u.Op.start
	if !u.Start.IsZero() || len(u.Links) > 0 {
		options = append(append(make([]oteltrace.SpanStartOption, 0, len(options)+2), options...),
			oteltrace.WithTimestamp(s.start), oteltrace.WithLinks(u.Links...))
	}
	ctx, s.span = t.tracer.Load().Start(ctx, u.Op.name, options...)
	if s.span.IsRecording() {
		known := u.Op.attrs // clipped, so that append copies: all units of the Op share them
		s.span.SetAttributes(append(slices.Clip(known), keyCorrelation.String(correlation.IDFromContext(ctx)))...)
	}
	return ctx
}

// Start begins a step of the caller's own inside a unit: a child span of what ctx carries, without metrics and never logged. Name comes from a small set. Every
// Start needs one [Span.End].
func Start(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, *Span) {
	s := &Span{op: internalOp, start: time.Now()}
	ctx, s.span = FromContext(ctx).tracer.Load().Start(ctx, name)
	if len(attrs) > 0 && s.span.IsRecording() {
		s.span.SetAttributes(attrs...)
	}
	s.ctx = ctx
	return ctx, s
}

// internalOp stands for every step that [Start] begins; it is never bound.
var internalOp = &Op{kind: Internal} //nolint:gochecknoglobals // a constant that Go has no word for
