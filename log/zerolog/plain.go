package zerolog

import (
	"context"
	"log/slog"
	"strconv"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/line"
)

// Most lines have neither groups nor a key twice. They are encoded here, in one pass and into one piece, which is clean by construction; zerolog gets it as the
// value of the first field. Any other line is left to the methods of zerolog's events, and to line.Clean.

// appendPlain appends what follows the key of the level, or reports false for a line that is not so plain.
func (h *handler) appendPlain(ctx context.Context, dst []byte, r *slog.Record) ([]byte, bool) {
	top := &h.scopes[0]
	dst = line.AppendString(dst, plog.Level(r.Level).String())
	if !r.Time.IsZero() {
		dst = h.out.clock.AppendTime(append(dst, `,"`+plog.TimeKey+`":`...), r.Time)
	}
	if source := h.out.sources.Of(r.PC); source != "" {
		dst = line.AppendString(append(dst, `,"`+plog.SourceKey+`":`...), source)
	}
	dst = line.AppendString(append(dst, `,"`+plog.MessageKey+`":`...), r.Message)
	if len(top.plain) > 0 {
		dst = append(append(dst, ','), top.plain...)
	}
	dst = appendIDs(ctx, dst, top)
	ok, seen, n := true, top.keys, 0
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "" || line.Own(a.Key) || seen.MayHave(a.Key) && (top.has(a.Key, nil) || line.Within(r, n, a.Key)) {
			ok = false
			return false
		}
		seen = seen.With(a.Key)
		n++
		dst, ok = appendValue(line.AppendKey(dst, a.Key), a.Value)
		return ok
	})
	return dst, ok
}

// appendIDs appends the IDs of ctx that are not bound.
func appendIDs(ctx context.Context, dst []byte, bound *scope) []byte {
	ids := line.IDsOf(ctx)
	if ids.Correlation != "" && !bound.has(plog.CorrelationIDKey, nil) {
		dst = line.AppendString(append(dst, `,"`+plog.CorrelationIDKey+`":`...), ids.Correlation)
	}
	if !ids.Span.IsValid() {
		return dst
	}
	if !bound.has(plog.TraceIDKey, nil) {
		id := ids.Span.TraceID()
		dst = quotedHex(append(dst, `,"`+plog.TraceIDKey+`":`...), id[:])
	}
	if !bound.has(plog.SpanIDKey, nil) {
		id := ids.Span.SpanID()
		dst = quotedHex(append(dst, `,"`+plog.SpanIDKey+`":`...), id[:])
	}
	return dst
}

// appendValue appends what writeAttr writes, or reports false for what it does not know: groups, and what may turn out to be one.
func appendValue(dst []byte, v slog.Value) ([]byte, bool) {
	switch v.Kind() {
	case slog.KindString:
		return line.AppendString(dst, v.String()), true
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10), true
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool()), true
	case slog.KindFloat64:
		return line.AppendFloat(dst, v.Float64()), true
	case slog.KindDuration:
		return line.AppendFloat(dst, v.Duration().Seconds()), true
	case slog.KindTime:
		return line.AppendTime(dst, v.Time()), true
	case slog.KindAny:
		text, raw := encodeAny(v.Any())
		if raw != nil {
			return append(dst, line.Clean(raw)...), true
		}
		return line.AppendString(dst, text), true
	case slog.KindGroup, slog.KindLogValuer:
		return dst, false
	default:
		return dst, false
	}
}
