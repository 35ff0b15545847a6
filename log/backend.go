package log

import (
	"io"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/beatlabs/patron/log/internal/line"
)

// The names of the fields that every backend of this module writes by itself.
const (
	LevelKey         = line.LevelKey
	MessageKey       = line.MessageKey
	TimeKey          = line.TimeKey
	SourceKey        = line.SourceKey
	CorrelationIDKey = line.CorrelationIDKey
	TraceIDKey       = line.TraceIDKey
	SpanIDKey        = line.SpanIDKey
)

// Backend writes lines. Beyond the rules of slog.Handler, which testing/slogtest checks, it keeps these:
//
//   - Handle adds the correlation ID, trace ID and span ID of its context, outside of all groups.
//   - Enabled depends on LevelVar only, and so do the handlers that WithAttrs and WithGroup return.
//   - WithAttrs replaces an attribute of the same key and group that was bound before.
//   - One record is one line, written with one Write, whatever its strings hold.
//
// [NewHandler] makes one of any slog.Handler.
type Backend interface {
	slog.Handler
	// LevelVar returns the threshold, which is never nil.
	LevelVar() *LevelVar
}

// JSON returns a backend that needs nothing but the standard library: one JSON object a line on w, which need not be safe for concurrent use. A nil level
// means one of its own, at info. Attributes named like one of the fields of a line, or level or source, are written as fields.NAME. It is what writes lines
// before the set-up; log/zerolog is faster.
func JSON(w io.Writer, level *LevelVar) Backend {
	h := newHandler(slog.NewJSONHandler(line.Writer{W: w}, &slog.HandlerOptions{
		AddSource:   true,
		Level:       slog.Level(DebugLevel) - 1<<20, // the wrapper filters
		ReplaceAttr: rename,
	}), level)
	h.rename = line.ReserveSlog
	h.own |= line.KeysOf(slog.LevelKey, slog.SourceKey)
	return h
}

// rename gives the fields of a slog line our names and forms. Attributes of users never have one of these keys; see [line.ReserveSlog].
func rename(groups []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
		return a
	case slog.KindFloat64:
		if f := a.Value.Float64(); math.IsNaN(f) || math.IsInf(f, 0) { // JSON has no number for it
			a.Value = slog.StringValue(strconv.FormatFloat(f, 'g', -1, 64))
		}
		return a
	default:
	}
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.Time(TimeKey, a.Value.Time().Round(0).In(time.UTC))
	case slog.LevelKey:
		level, _ := a.Value.Any().(slog.Level)
		return slog.String(LevelKey, Level(level).String())
	case slog.MessageKey:
		return slog.Attr{Key: MessageKey, Value: a.Value}
	case slog.SourceKey:
		source, _ := a.Value.Any().(*slog.Source)
		if source == nil || source.File == "" {
			return slog.Attr{}
		}
		return slog.String(SourceKey, line.SourceText(source.File, source.Line))
	default:
		return a
	}
}
