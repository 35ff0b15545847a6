package trace

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/reliability"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Span is a unit of work that has begun. [Begin] and [Start] make it. Its methods belong to the one goroutine that does the work, except End, of which the
// first call of any goroutine counts.
type Span struct {
	binding     *binding
	correlation correlation.Context
	ctx         context.Context //nolint:containedctx // End logs with the IDs of the context that Begin made
	span        oteltrace.Span  // nil: counted only
	start       time.Time

	status    int
	errorType string
	level     slog.Level
	levelSet  bool
	recorded  bool // the span was recorded when it began
	ended     atomic.Bool
}

// IsRecording reports whether attributes and events of the span will be seen. Build none without asking.
func (s *Span) IsRecording() bool { return s.recorded && s.span.IsRecording() }

// SpanContext returns the IDs of the span; of a unit without span, those of the span around it.
func (s *Span) SpanContext() oteltrace.SpanContext {
	if s.span == nil {
		return oteltrace.SpanContextFromContext(s.ctx)
	}
	return s.span.SpanContext()
}

// SetAttributes adds attributes to a span that is recorded.
func (s *Span) SetAttributes(attrs ...attribute.KeyValue) {
	if s.IsRecording() {
		s.span.SetAttributes(attrs...)
	}
}

// AddEvent adds an event to a span that is recorded.
func (s *Span) AddEvent(name string, attrs ...attribute.KeyValue) {
	if s.IsRecording() {
		s.span.AddEvent(name, oteltrace.WithAttributes(attrs...))
	}
}

// SetStatus tells the HTTP status of the outcome.
func (s *Span) SetStatus(code int) { s.status = code }

// SetErrorType tells what sort of outcome it is, for the label error_type, where the error alone does not say it. It must come from a small set.
func (s *Span) SetErrorType(name string) { s.errorType = name }

// LogAt makes End log at level, whatever the outcome: a refusal with Retry-After is a warning, not a fault of the server.
func (s *Span) LogAt(level slog.Level) { s.level, s.levelSet = level, true }

// Attempt records that attempt n (1 is the first) failed with err, which must not be nil, and that another one follows after wait: an event of the span, and a
// line at warn; a panic is logged at error with its stack.
func (s *Span) Attempt(n int, err error, wait time.Duration) {
	if s.IsRecording() {
		s.span.AddEvent("attempt failed", oteltrace.WithAttributes(
			keyAttempt.Int(n), keyAttemptWait.Float64(wait.Seconds()), keyErrorKind.String(errorType(err)), keyErrorMessage.String(err.Error())))
	}
	level := slog.LevelWarn
	p, panicked := errors.AsType[*reliability.PanicError](err)
	if panicked {
		level = slog.LevelError
	}
	logger := plog.Slog(s.ctx)
	if !logger.Enabled(s.ctx, level) {
		return
	}
	args := []slog.Attr{slog.String("op", s.binding.op.name), slog.Int("attempt", n), slog.Duration("wait", wait), slog.String("error", err.Error())}
	if panicked {
		args = append(args, slog.String("stack", string(p.Stack)))
	}
	logger.LogAttrs(s.ctx, level, "attempt failed", args...)
}

// End ends the unit: the status and duration of the span, the duration histogram, the in-flight gauge, and one log line if a server or consumer failed. A
// second End does nothing. It does not block.
//
// A server's fault (5xx, a panic, a dead letter) is logged at error, a caller's fault (4xx) at debug; clients, producers and steps are never logged.
func (s *Span) End(err error) {
	if !s.ended.CompareAndSwap(false, true) {
		return
	}
	taken := max(time.Since(s.start), 0) // a start that another clock told may be in the future
	out := outcome{status: s.status, errorType: s.outcomeType(err)}
	c := s.binding.childFor(out)
	if c.histogram != nil {
		s.binding.inFlight.Dec()
		s.observe(c.histogram, taken)
	}
	s.log(err, out, taken)
	if s.recorded {
		s.describeOutcome(err, c)
	}
	if s.span != nil {
		s.span.End()
	}
}

// observe records the duration. The time of day is not asked for: it is only needed for exemplars, and the start knows it.
func (s *Span) observe(h *metric.Histogram, taken time.Duration) {
	if sc := s.sampled(); sc.IsValid() {
		h.ObserveTraced(taken.Seconds(), s.start.Add(taken), sc.TraceID())
		return
	}
	h.Observe(taken.Seconds())
}

// sampled returns the context of a span that is recorded somewhere, else an invalid one.
func (s *Span) sampled() oteltrace.SpanContext {
	if s.span != nil {
		if sc := s.span.SpanContext(); sc.IsSampled() {
			return sc
		}
	}
	return oteltrace.SpanContext{}
}

func (s *Span) describeOutcome(err error, c *child) {
	if len(c.attrs) > 0 {
		s.span.SetAttributes(c.attrs...)
	}
	if s.failed(err, c.outcome) {
		s.recordFailure(err)
	}
}

// recordFailure makes the span one of an error; err may be nil, when the status said it.
func (s *Span) recordFailure(err error) {
	if err == nil {
		s.span.SetStatus(codes.Error, "")
		return
	}
	s.span.SetStatus(codes.Error, err.Error())
	attrs := []attribute.KeyValue{keyErrorKind.String(errorType(err)), keyErrorMessage.String(err.Error())}
	if p, ok := errors.AsType[*reliability.PanicError](err); ok {
		attrs = append(attrs, keyErrorStack.String(string(p.Stack)))
	}
	s.span.AddEvent("exception", oteltrace.WithAttributes(attrs...))
}

// failed says whether the span is one of an error: for a server, its own faults only, and an error that nobody made a status of is one.
func (s *Span) failed(err error, out outcome) bool {
	switch s.binding.op.kind {
	case HTTPServer:
		return s.status >= 500 || out.errorType == "panic" || s.status == 0 && err != nil && out.errorType != "canceled"
	case HTTPClient:
		return err != nil || s.status >= 400
	case Internal, Consumer, Producer, DBClient:
		return err != nil
	default:
		return err != nil
	}
}

// outcomeType is the value of error_type: what was set, the status of an HTTP failure as the semantic conventions want it, else the sort of the error.
func (s *Span) outcomeType(err error) string {
	if s.errorType != "" {
		return s.errorType
	}
	threshold := 400
	if s.binding.op.kind == HTTPServer {
		threshold = 500
	}
	t := errorType(err)
	switch {
	case t == "panic":
		return t
	case s.status >= threshold:
		return strconv.Itoa(s.status)
	case s.binding.op.kind == HTTPServer && s.status != 0:
		return "" // an error that became a 4xx is the caller's
	default:
		return t
	}
}

// errorType maps an error to one of a few names.
func errorType(err error) string {
	if err == nil {
		return ""
	}
	if _, ok := errors.AsType[*reliability.PanicError](err); ok {
		return "panic"
	}
	if timedOut(err) {
		return "timeout"
	}
	switch reliability.Classify(err) {
	case reliability.ClassCanceled:
		return "canceled"
	case reliability.ClassPermanent:
		return "permanent"
	case reliability.ClassTransient:
		return "transient"
	case reliability.ClassNone:
		return ""
	default:
		return "other"
	}
}

// timedOut knows the errors of contexts, of package net and of what follows their example.
func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

func (s *Span) log(err error, out outcome, taken time.Duration) {
	if s.binding.op.family.failure == "" {
		return
	}
	var level slog.Level
	switch {
	case s.levelSet:
		level = s.level
	case s.failed(err, out):
		level = slog.LevelError
	case err != nil, s.status >= 400:
		level = slog.LevelDebug
	default:
		return
	}
	logger := plog.Slog(s.ctx)
	if !logger.Enabled(s.ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("op", s.binding.op.name), slog.Duration("duration", taken)}
	if s.status != 0 {
		attrs = append(attrs, slog.Int("status", s.status))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
		if p, ok := errors.AsType[*reliability.PanicError](err); ok {
			attrs = append(attrs, slog.String("stack", string(p.Stack)))
		}
	}
	logger.LogAttrs(s.ctx, level, s.binding.op.family.failure, attrs...) //nolint:sloglint // one of two constants of kind.go
}

// AddLink links the trace that carrier came with to a span that is recorded; ctx is where the telemetry is looked for.
func (s *Span) AddLink(ctx context.Context, carrier Carrier) {
	if !s.IsRecording() {
		return
	}
	from := FromContext(ctx).propagator.Extract(context.Background(), carrier)
	if sc := oteltrace.SpanContextFromContext(from); sc.IsValid() {
		s.span.AddLink(oteltrace.Link{SpanContext: sc})
	}
}

// Inject writes the trace context, baggage and correlation ID of ctx to one more carrier; [Begin] has done it for Unit.Out.
func (s *Span) Inject(ctx context.Context, out Carrier) {
	FromContext(ctx).propagator.Inject(ctx, out)
	out.Set(correlation.HeaderID, correlation.IDFromContext(ctx))
}
