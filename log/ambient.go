package log

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// Handler returns a slog.Handler that writes each record through the logger of its context, else through that of the process. With
//
//	slog.SetDefault(slog.New(plog.Handler()))
//
// libraries that log with slog.InfoContext write to the service whose context they were given, also if several services run in one process. Do not make it
// the backend of a logger, nor set it as slog's default if the logger of the process writes to that default itself: a line would go round in circles.
func Handler() slog.Handler { return &ambient{} }

// ambient is a handler that finds its logger for each record. What was bound to it is bound to the backend of a logger when that is first seen.
type ambient struct {
	parent *ambient                        // nil: nothing is bound
	bind   func(slog.Handler) slog.Handler // binds to a handler what was bound to parent
	last   atomic.Pointer[bound]           // for the logger seen last
}

type bound struct {
	c       *core
	handler slog.Handler // of c, with everything bound
}

var _ slog.Handler = (*ambient)(nil)

func (a *ambient) Enabled(ctx context.Context, level slog.Level) bool {
	return resolve(ctx).handler.Enabled(ctx, level)
}

func (a *ambient) Handle(ctx context.Context, r slog.Record) error {
	return a.over(resolve(ctx)).Handle(ctx, r)
}

// over returns the handler of c with everything bound.
func (a *ambient) over(c *core) slog.Handler {
	if a.parent == nil {
		return c.handler
	}
	if last := a.last.Load(); last != nil && last.c == c {
		return last.handler
	}
	h := a.bind(a.parent.over(c))
	a.last.Store(&bound{c: c, handler: h})
	return h
}

func (a *ambient) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return a
	}
	return &ambient{parent: a, bind: func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) }}
}

func (a *ambient) WithGroup(name string) slog.Handler {
	if name == "" {
		return a
	}
	return &ambient{parent: a, bind: func(h slog.Handler) slog.Handler { return h.WithGroup(name) }}
}
