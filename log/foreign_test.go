package log_test

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
)

func TestFieldsAndIDsAreAppendedForALoggerWithoutThem(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	l := plog.Wrap(r)
	ctx := correlation.ContextWithID(plog.WithContext(t.Context(), l), "c-1")

	l.Sub(map[string]any{"b": "two words", "a": 1}).Infof("order %d", 7)
	plog.FromContext(ctx).Warn("x")
	plog.Wrap(plog.FromContext(ctx)).Sub(map[string]any{"a": 1}).Errorf("x")
	plog.Slog(ctx).With("a", 1).WithGroup("g").ErrorContext(ctx, "x", "b", "line\nbreak")
	plog.Slog(ctx).DebugContext(ctx, "x", "msg", "y")

	assertEqual(t, "calls", r.take(), strings.Join([]string{
		`Info: order 7 a=1 b="two words"`,
		`Warn: x correlationID=c-1`,
		`Error: x a=1 correlationID=c-1`,
		`Error: x a=1 g.b="line\nbreak" correlationID=c-1`,
		`Debug: x fields.msg=y correlationID=c-1`,
	}, "\n"))
}

// fielded is a Logger that makes children and changes the map it is given.
type fielded struct {
	recorder
	fields   map[string]any
	children []*fielded
}

func (f *fielded) Sub(fields map[string]any) plog.Logger {
	child := &fielded{fields: maps.Clone(fields)}
	f.children = append(f.children, child)
	clear(fields)
	return child
}

func TestALoggerThatMakesChildrenIsAskedToMakeThem(t *testing.T) {
	t.Parallel()
	root := &fielded{}
	l := plog.Wrap(root)
	fields := map[string]any{"a": 1}
	ctx := correlation.ContextWithID(plog.WithContext(t.Context(), l), "c-1")

	l.Sub(fields).Info("child")
	plog.FromContext(ctx).Info("in a context")

	assertEqual(t, "the caller's map", fields["a"], any(1))
	assertEqual(t, "call of the first child", root.children[0].take(), "Info: child")
	assertEqual(t, "field of the first child", root.children[0].fields["a"], any(1))
	assertEqual(t, "call of the second child", root.children[1].take(), "Info: in a context")
	assertEqual(t, "ID of the second child", root.children[1].fields[plog.CorrelationIDKey], any("c-1"))
}

// leveled is a Logger with a level of its own.
type leveled struct {
	recorder
	level plog.Level
}

func (l *leveled) Level() plog.Level { return l.level }

type settable struct{ leveled }

func (s *settable) SetLevel(level plog.Level) { s.level = level }

func TestTheLevelOfALoggerIsAsked(t *testing.T) {
	t.Parallel()
	fixed := plog.Wrap(&leveled{level: plog.WarnLevel})
	assertEqual(t, "level", fixed.Level(), plog.WarnLevel)
	fixed.SetLevel(plog.ErrorLevel)
	assertEqual(t, "level when raised", fixed.Level(), plog.ErrorLevel)
	fixed.SetLevel(plog.DebugLevel)
	assertEqual(t, "level when lowered", fixed.Level(), plog.WarnLevel)

	s := &settable{leveled{level: plog.WarnLevel}}
	l := plog.Wrap(s)
	l.SetLevel(plog.DebugLevel)
	assertEqual(t, "level that was set", s.level, plog.DebugLevel)
	assertEqual(t, "level", l.Level(), plog.DebugLevel)

	without := plog.Wrap(&recorder{})
	without.SetLevel(plog.ErrorLevel)
	assertEqual(t, "level of a logger without one", without.Level(), plog.ErrorLevel)
}

// bridged is a Logger with a slog side.
type bridged struct {
	recorder
	h slog.Handler
}

func (b *bridged) Handler() slog.Handler { return b.h }

func TestTheSlogSideOfALoggerIsUsed(t *testing.T) {
	t.Parallel()
	backend, out := newLogger(plog.InfoLevel)
	for name, h := range map[string]slog.Handler{
		"backend": backend.Handler(),
		"handler": slog.NewJSONHandler(out, nil),
	} {
		b := &bridged{h: h}
		ctx := correlation.ContextWithID(plog.WithContext(t.Context(), b), "c-1")

		plog.Slog(ctx).InfoContext(ctx, "x", "a", 1)
		assertEqual(t, name+": ID of a slog line", out.one(t)[plog.CorrelationIDKey], any("c-1"))

		plog.Wrap(b).Info("plain")
		assertEqual(t, name+": plain line", b.take(), "Info: plain")

		plog.FromContext(ctx).Info("with an ID")
		assertEqual(t, name+": ID of a line", out.one(t)[plog.CorrelationIDKey], any("c-1"))
	}
}

func TestWrapReturnsOursAsItIs(t *testing.T) {
	t.Parallel()
	l, _ := newLogger(plog.InfoLevel)
	if plog.Wrap(l) != l {
		t.Error("Wrap: got another logger")
	}
	if slices.Contains([]any{plog.Wrap(nil)}, any(nil)) {
		t.Error("Wrap(nil): got nil")
	}
}
