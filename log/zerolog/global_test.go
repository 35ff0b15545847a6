package zerolog_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
	"github.com/rs/zerolog"
)

func logEverything(l *plog.Leveled) {
	h := l.Handler().WithAttrs([]slog.Attr{slog.Duration("bound", time.Second)})
	r := slog.NewRecord(time.Date(2010, 12, 1, 8, 26, 0, 1, time.UTC), slog.LevelError, "x", 0)
	r.AddAttrs(slog.Duration("d", time.Second), slog.Float64("f", 1.0/3), slog.Any("err", errors.New("gone")), slog.Any("v", []string{"<"}))
	_ = h.Handle(nil, r) //nolint:staticcheck // no context
}

// change sets a global until the end of the test.
func change[T any](t *testing.T, global *T, value T) {
	t.Helper()
	before := *global
	t.Cleanup(func() { *global = before })
	*global = value
}

// The globals of the library shape the lines of its other users, not ours. The test changes them, so it runs alone.
func TestTheGlobalsOfZerologNeitherChangeNorMatter(t *testing.T) { // not parallel: changes globals
	var before, after bytes.Buffer
	logEverything(mustNew(&before, plog.InfoLevel, nil))
	assertEqual(t, "level field name", zerolog.LevelFieldName, "level")
	assertEqual(t, "message field name", zerolog.MessageFieldName, "message")
	assertEqual(t, "time field name", zerolog.TimestampFieldName, "time")
	assertEqual(t, "time format", zerolog.TimeFieldFormat, time.RFC3339)
	assertEqual(t, "global level", zerolog.GlobalLevel(), zerolog.TraceLevel)

	change(t, &zerolog.LevelFieldName, "l")
	change(t, &zerolog.MessageFieldName, "m")
	change(t, &zerolog.TimeFieldFormat, zerolog.TimeFormatUnix)
	change(t, &zerolog.FloatingPointPrecision, 1)
	change(t, &zerolog.DurationFieldUnit, time.Hour)
	change(t, &zerolog.ErrorMarshalFunc, func(error) any { return "changed" })
	change(t, &zerolog.InterfaceMarshalFunc, func(any) ([]byte, error) { return []byte("changed"), nil })
	zerolog.SetGlobalLevel(zerolog.FatalLevel)
	defer zerolog.SetGlobalLevel(zerolog.TraceLevel)
	logEverything(mustNew(&after, plog.InfoLevel, nil))

	assertEqual(t, "line", after.String(), before.String())
}

func TestZerologDisabledGloballySilencesUntilItIsEnabled(t *testing.T) { // not parallel: changes globals
	var buf bytes.Buffer
	l := mustNew(&buf, plog.InfoLevel, nil)
	zerolog.SetGlobalLevel(zerolog.Disabled)
	defer zerolog.SetGlobalLevel(zerolog.TraceLevel)

	l.Info("x")
	bound := slog.New(l.Handler()).With("s", "a\n\"b", "n", 1, "b", true, "d", time.Second, "t", time.Unix(0, 0),
		slog.Group("g", "a", 1, "err", errors.New("gone")), "chan", make(chan int))
	assertEqual(t, "written while disabled", buf.String(), "")
	zerolog.SetGlobalLevel(zerolog.TraceLevel)
	bound.Info("x")

	got := backendtest.Decode(t, buf.Bytes())
	assertEqual(t, "string", got["s"], any("a\n\"b"))
	assertEqual(t, "duration", got["d"], any(1.0))
	assertEqual(t, "time", got["t"], any("1970-01-01T00:00:00Z"))
	if text := buf.String(); !strings.Contains(text, `"g":{"a":1,"err":"gone"}`) || !strings.Contains(text, "!ERROR") {
		t.Errorf("line: got %s", text)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestAWriteThatFailsIsReportedToZerologsHandler(t *testing.T) { // not parallel: changes globals
	var reported []error
	change(t, &zerolog.ErrorHandler, func(err error) { reported = append(reported, err) })

	mustNew(brokenWriter{}, plog.InfoLevel, nil).Info("x")
	mustNew(brokenWriter{}, plog.InfoLevel, nil, textFormat()).Info("x")

	if len(reported) != 2 || reported[0].Error() != "disk full" {
		t.Errorf("reported: got %v, want disk full twice", reported)
	}
}
