package log_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
)

func newJSON(w io.Writer, level plog.Level) plog.Backend {
	return plog.JSON(w, plog.NewLevelVar(level))
}

func TestJSONKeepsTheContractOfABackend(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, newJSON, plog.LevelKey, plog.MessageKey, plog.TimeKey, plog.SourceKey, slog.LevelKey, slog.SourceKey)
}

// ambientBackend writes to one logger, through the handler that finds the logger in the context of each record.
type ambientBackend struct {
	slog.Handler
	b plog.Backend
}

func (a ambientBackend) LevelVar() *plog.LevelVar { return a.b.LevelVar() }

func (a ambientBackend) Handle(ctx context.Context, r slog.Record) error {
	return a.Handler.Handle(plog.WithContext(ctx, plog.New(a.b)), r)
}

func (a ambientBackend) Enabled(ctx context.Context, level slog.Level) bool {
	return a.b.Enabled(ctx, level)
}

func (a ambientBackend) WithAttrs(attrs []slog.Attr) slog.Handler {
	return ambientBackend{a.Handler.WithAttrs(attrs), a.b}
}

func (a ambientBackend) WithGroup(name string) slog.Handler {
	return ambientBackend{a.Handler.WithGroup(name), a.b}
}

func TestTheAmbientHandlerKeepsTheContractOfABackend(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, func(w io.Writer, level plog.Level) plog.Backend {
		return ambientBackend{plog.Handler(), newJSON(w, level)}
	}, plog.LevelKey, plog.MessageKey, plog.TimeKey, plog.SourceKey, slog.LevelKey, slog.SourceKey)
}

func TestJSONHasTheFieldsOfALine(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	before := time.Now()

	l.Slog().Warn("x", "took", 1500*time.Millisecond, "err", errors.New("gone"), slog.Group("g", "took", time.Second))

	got := out.one(t)
	assertEqual(t, "lvl", got["lvl"], any("warn"))
	assertEqual(t, "msg", got["msg"], any("x"))
	assertEqual(t, "duration in seconds", got["took"], any(1.5))
	assertEqual(t, "error", got["err"], any("gone"))
	text, _ := got["time"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Before(before.Truncate(0)) || at.Location() != time.UTC {
		t.Errorf("time: got %q (%v), want RFC 3339 in UTC, not before %v", text, err, before)
	}
}

func TestAnySlogHandlerBecomesABackend(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	b := plog.NewHandler(slog.NewJSONHandler(&buf, &slog.HandlerOptions{Level: slog.LevelWarn}), nil)
	l := plog.New(b)
	ctx := correlation.ContextWithID(plog.WithContext(t.Context(), l), "c-1")

	plog.FromContext(ctx).Info("below what the handler itself lets through")
	plog.Slog(ctx).WithGroup("g").WarnContext(ctx, "x", "a", 1)

	got := backendtest.Decode(t, buf.Bytes())
	assertEqual(t, "level", got[slog.LevelKey], any("WARN"))
	assertEqual(t, "ID", got[plog.CorrelationIDKey], any("c-1"))
}

func TestARecordThatIsSharedIsNotChanged(t *testing.T) {
	t.Parallel()
	out, other := &lines{}, &lines{}
	both := slog.New(slog.NewMultiHandler(plog.JSON(out, nil), plog.JSON(other, nil)))
	ctx := correlation.ContextWithID(t.Context(), "c-1")

	both.InfoContext(ctx, "x", "a", 1, "b", 2, "c", 3, "d", 4, "e", 5, "f", 6)

	for _, w := range []*lines{out, other} {
		got := w.one(t)
		assertEqual(t, "ID", got[plog.CorrelationIDKey], any("c-1"))
		assertEqual(t, "last attribute", got["f"], any(6.0))
	}
}
