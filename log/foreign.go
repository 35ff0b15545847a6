package log

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/beatlabs/patron/log/internal/line"
)

// foreign is a Logger that this package did not make. Arguments reach it as they are, unless there is something to add that it cannot take as fields.
type foreign struct {
	logger    Logger
	subber    Subber // logger, if it is one
	hasFields bool   // fields are bound to the handler and must be appended to the text
}

func newForeignCore(l Logger) *core {
	subber, _ := l.(Subber)
	leveler, _ := l.(Leveler)
	setter, _ := l.(LevelSetter)
	b := foreignBackend(l)
	c := newCore(b)
	c.leveler, c.setter, c.foreign = leveler, setter, &foreign{logger: l, subber: subber}
	if setter != nil {
		c.gate = NewLevelVar(DebugLevel) // not the one of b, which the setter sets
	}
	return c
}

// foreignBackend returns the slog side of l.
func foreignBackend(l Logger) Backend {
	if sh, ok := l.(SlogHandler); ok {
		if b, ok := sh.Handler().(Backend); ok {
			return b
		}
		return NewHandler(sh.Handler(), NewLevelVar(DebugLevel))
	}
	h := newHandler(newTextHandler(l), NewLevelVar(DebugLevel))
	h.rename = line.ReserveSlog
	h.own |= line.KeysOf(slog.LevelKey, slog.SourceKey)
	return h
}

func (f *foreign) withFields() *foreign {
	child := *f
	child.hasFields = true
	return &child
}

func (f *foreign) print(ctx context.Context, h slog.Handler, level Level, args []any) {
	if l := f.plain(ctx); l != nil {
		call(l, level, args)
		return
	}
	f.handle(ctx, h, level, sprint(args))
}

func (f *foreign) printf(ctx context.Context, h slog.Handler, level Level, format string, args []any) {
	if l := f.plain(ctx); l != nil {
		callf(l, level, format, args)
		return
	}
	f.handle(ctx, h, level, sprintf(format, args))
}

// plain returns the Logger that can take the line as it is, or nil if there is something to append.
func (f *foreign) plain(ctx context.Context) Logger {
	if f.hasFields {
		return nil
	}
	ids := line.IDsOf(ctx)
	if ids.Empty() {
		return f.logger
	}
	if f.subber == nil {
		return nil
	}
	fields := make(map[string]any, 3)
	for _, id := range ids.Attrs() {
		fields[id.Key] = id.Value.String()
	}
	return f.subber.Sub(fields)
}

func (f *foreign) handle(ctx context.Context, h slog.Handler, level Level, msg string) {
	_ = h.Handle(exactLevel{ctx}, slog.NewRecord(time.Now(), slog.Level(level), msg, 0)) // a Logger reports no errors
}

// exactLevel marks the context of a record that came from Fatal or Panic. Records of slog with such a level must neither exit nor panic.
type exactLevel struct{ context.Context } //nolint:containedctx // it is a context

// textHandler is the slog side of a foreign Logger: the message, then the attributes as key=value.
type textHandler struct {
	logger Logger
	attrs  slog.Handler // writes attributes only, to out
	out    *textBuffer
}

type textBuffer struct {
	mu  sync.Mutex // held from the reset until the text has been taken
	buf bytes.Buffer
}

func newTextHandler(l Logger) *textHandler {
	out := &textBuffer{}
	return &textHandler{logger: l, out: out, attrs: slog.NewTextHandler(&out.buf, &slog.HandlerOptions{
		Level: slog.Level(DebugLevel) - 1<<20,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{}
			}
			return a
		},
	})}
}

func (h *textHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *textHandler) Handle(ctx context.Context, r slog.Record) error {
	text, err := h.text(ctx, r)
	if err != nil {
		return err
	}
	level := Level(r.Level)
	if _, ok := ctx.(exactLevel); !ok {
		level = min(level, ErrorLevel)
	}
	if text != "" {
		text = " " + text
	}
	call(h.logger, level, []any{r.Message + text})
	return nil
}

func (h *textHandler) text(ctx context.Context, r slog.Record) (string, error) {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.buf.Reset()
	if err := h.attrs.Handle(ctx, r); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(h.out.buf.Bytes(), []byte("\n"))), nil
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &textHandler{logger: h.logger, attrs: h.attrs.WithAttrs(attrs), out: h.out}
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	return &textHandler{logger: h.logger, attrs: h.attrs.WithGroup(name), out: h.out}
}

func call(l Logger, level Level, args []any) {
	switch {
	case level >= PanicLevel:
		defer func() { _ = recover() }() // its caller panics, with the message
		l.Panic(args...)
	case level >= FatalLevel:
		l.Fatal(args...)
	case level >= ErrorLevel:
		l.Error(args...)
	case level >= WarnLevel:
		l.Warn(args...)
	case level >= InfoLevel:
		l.Info(args...)
	default:
		l.Debug(args...)
	}
}

func callf(l Logger, level Level, format string, args []any) {
	switch {
	case level >= PanicLevel:
		defer func() { _ = recover() }()
		l.Panicf(format, args...)
	case level >= FatalLevel:
		l.Fatalf(format, args...)
	case level >= ErrorLevel:
		l.Errorf(format, args...)
	case level >= WarnLevel:
		l.Warnf(format, args...)
	case level >= InfoLevel:
		l.Infof(format, args...)
	default:
		l.Debugf(format, args...)
	}
}
