package line

import (
	"context"
	"log/slog"

	"github.com/beatlabs/patron/correlation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// IDs are what ties a line to its piece of work.
type IDs struct {
	Correlation string
	Span        oteltrace.SpanContext
}

// IDsOf returns the IDs that ctx carries; a nil one has none. It allocates nothing.
func IDsOf(ctx context.Context) IDs {
	if ctx == nil {
		return IDs{}
	}
	return IDs{Correlation: correlation.IDFromContext(ctx), Span: oteltrace.SpanContextFromContext(ctx)}
}

// Empty reports whether there is nothing to write.
func (i *IDs) Empty() bool { return i.Correlation == "" && !i.Span.IsValid() }

// Attrs returns the IDs as attributes.
func (i *IDs) Attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 3)
	if i.Correlation != "" {
		attrs = append(attrs, slog.String(CorrelationIDKey, i.Correlation))
	}
	if i.Span.IsValid() {
		attrs = append(attrs, slog.String(TraceIDKey, i.Span.TraceID().String()), slog.String(SpanIDKey, i.Span.SpanID().String()))
	}
	return attrs
}
