package log

import (
	"context"
	"log/slog"
)

// Leveled is the [Logger] of this package, with all that a Logger may offer beyond its twelve methods. Each logger that this package returns is one:
// [FromContext] and [Sub] too. It may be used concurrently. The zero value writes through the logger of the process; see [SetDefault].
//
// The lowest level that is written is shared by parents, children and the slog side.
type Leveled struct {
	c   *core           // nil: the one of the process at the time of use
	ctx context.Context //nolint:containedctx // whose IDs are added; nil: none. The methods of the seed's Logger have no context.
}

var (
	_ Logger      = (*Leveled)(nil)
	_ Subber      = (*Leveled)(nil)
	_ Leveler     = (*Leveled)(nil)
	_ LevelSetter = (*Leveled)(nil)
	_ SlogHandler = (*Leveled)(nil)
)

// New returns a Logger that writes through b, which must not be nil.
func New(b Backend) *Leveled { return &Leveled{c: newCore(b)} }

// Wrap returns l with everything that [Leveled] has: l itself if it is one already. What l does not offer is done for it: fields of children and IDs are
// appended to the message as key=value, the level is a threshold before it, and its slog side writes lines of text. Wrap(nil) writes through the logger of
// the process.
func Wrap(l Logger) *Leveled {
	switch l := l.(type) {
	case nil:
		return &Leveled{}
	case *Leveled:
		return l
	default:
		return &Leveled{c: newForeignCore(l)}
	}
}

// coreOf returns the core that l writes through, nil for that of the process.
func coreOf(l Logger) *core {
	if lv := Wrap(l); lv != nil {
		return lv.c
	}
	return nil
}

func (l *Leveled) core() *core {
	if l == nil || l.c == nil {
		return processCore()
	}
	return l.c
}

func (l *Leveled) context() context.Context {
	if l == nil || l.ctx == nil {
		return context.Background()
	}
	return l.ctx
}

// Enabled reports whether a line of level would be written. Ask before you compute what only the line needs.
func (l *Leveled) Enabled(level Level) bool { return level >= l.Level() }

// Level returns the lowest level that is written.
func (l *Leveled) Level() Level { return l.core().level() }

// SetLevel makes level the lowest that is written, by l, its parents and children, and their slog side. It takes effect at once.
func (l *Leveled) SetLevel(level Level) { l.core().setLevel(level) }

// Sub returns a child whose lines carry fields as well; a field of the child replaces one of the same key. The map is neither kept nor changed; values that
// are pointers, maps or slices must not be changed afterwards.
func (l *Leveled) Sub(fields map[string]any) Logger {
	return &Leveled{c: l.core().sub(fields), ctx: l.context()}
}

// Slog returns the slog side of l. It writes the IDs of the context that each call brings, so use the methods whose names end with Context.
func (l *Leveled) Slog() *slog.Logger { return l.core().slog }

// Handler returns the handler of [Leveled.Slog].
func (l *Leveled) Handler() slog.Handler { return l.core().handler }

// Debug writes a line at debug level.
func (l *Leveled) Debug(args ...any) {
	if c := l.core(); c.enabled(DebugLevel) {
		c.print(l.context(), DebugLevel, args)
	}
}

// Debugf writes a line at debug level.
func (l *Leveled) Debugf(format string, args ...any) {
	if c := l.core(); c.enabled(DebugLevel) {
		c.printf(l.context(), DebugLevel, format, args)
	}
}

// Info writes a line at info level.
func (l *Leveled) Info(args ...any) {
	if c := l.core(); c.enabled(InfoLevel) {
		c.print(l.context(), InfoLevel, args)
	}
}

// Infof writes a line at info level.
func (l *Leveled) Infof(format string, args ...any) {
	if c := l.core(); c.enabled(InfoLevel) {
		c.printf(l.context(), InfoLevel, format, args)
	}
}

// Warn writes a line at warn level.
func (l *Leveled) Warn(args ...any) {
	if c := l.core(); c.enabled(WarnLevel) {
		c.print(l.context(), WarnLevel, args)
	}
}

// Warnf writes a line at warn level.
func (l *Leveled) Warnf(format string, args ...any) {
	if c := l.core(); c.enabled(WarnLevel) {
		c.printf(l.context(), WarnLevel, format, args)
	}
}

// Error writes a line at error level.
func (l *Leveled) Error(args ...any) {
	if c := l.core(); c.enabled(ErrorLevel) {
		c.print(l.context(), ErrorLevel, args)
	}
}

// Errorf writes a line at error level.
func (l *Leveled) Errorf(format string, args ...any) {
	if c := l.core(); c.enabled(ErrorLevel) {
		c.printf(l.context(), ErrorLevel, format, args)
	}
}

// Panic writes a line at panic level, if that is enabled, and panics with the message in any case.
func (l *Leveled) Panic(args ...any) { l.core().panic(l.context(), args) }

// Panicf writes a line at panic level, if that is enabled, and panics with the message in any case.
func (l *Leveled) Panicf(format string, args ...any) {
	l.core().panicf(l.context(), format, args)
}

// Fatal writes a line at fatal level, if that is enabled, and ends the process with status 1 in any case. Deferred functions do not run.
func (l *Leveled) Fatal(args ...any) { l.core().fatal(l.context(), args) }

// Fatalf writes a line at fatal level, if that is enabled, and ends the process with status 1 in any case. Deferred functions do not run.
func (l *Leveled) Fatalf(format string, args ...any) {
	l.core().fatalf(l.context(), format, args)
}
