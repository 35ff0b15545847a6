package log

import (
	"context"
	"log/slog"
)

// WithContext returns a copy of ctx that carries l, for [FromContext] and [Slog]. A nil l leaves ctx as it is.
func WithContext(ctx context.Context, l Logger) context.Context {
	if l == nil {
		return ctx
	}
	return &loggerContext{Context: ctx, c: coreOf(l)}
}

// FromContext returns the logger that ctx carries, else the one of the process. Its lines have the correlation ID, trace ID and span ID of ctx, which are
// looked up when a line is written: a logger that writes nothing costs one small allocation. It is a *[Leveled].
func FromContext(ctx context.Context) Logger { return &Leveled{c: resolve(ctx), ctx: ctx} }

// Slog returns the logger that ctx carries, else the one of the process, as a *slog.Logger. It is made once for each logger, so calling Slog for every line
// costs a look into the context and no allocation. The IDs come with each call: use InfoContext(ctx, …) and its like.
func Slog(ctx context.Context) *slog.Logger { return resolve(ctx).slog }

// Enabled reports whether a line of level would be written by the logger of ctx. Ask before you compute what only the line needs.
func Enabled(ctx context.Context, level Level) bool { return level >= resolve(ctx).level() }

// resolve returns the core of the logger that ctx carries, else the one of the process.
func resolve(ctx context.Context) *core {
	if ctx != nil {
		if holder, ok := ctx.Value(loggerKey{}).(*loggerContext); ok && holder.c != nil {
			return holder.c
		}
	}
	return processCore()
}

type loggerKey struct{}

// loggerContext is a context of its own instead of context.WithValue, which needs a second object for the key and the value.
type loggerContext struct {
	context.Context
	c *core // nil: the one of the process
}

func (c *loggerContext) Value(key any) any {
	if key == (loggerKey{}) {
		return c
	}
	return c.Context.Value(key)
}
