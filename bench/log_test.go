package bench_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	plog "github.com/beatlabs/patron/log"
	pzerolog "github.com/beatlabs/patron/log/zerolog"
	"github.com/rs/zerolog"
)

const said = "order accepted"

func logger(tb testing.TB) (context.Context, *plog.Leveled) {
	tb.Helper()
	l, err := pzerolog.New(io.Discard, plog.InfoLevel, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return plog.WithContext(tb.Context(), l), l
}

// BenchmarkLog writes lines to nowhere. There are two measures: zerolog's own line with its time in seconds, and zerolog writing what a line of ours has,
// which is the place of the call and a time with nanoseconds in UTC.
func BenchmarkLog(b *testing.B) {
	ctx, l := logger(b)
	raw := zerolog.New(io.Discard).Level(zerolog.InfoLevel)
	std := slog.New(slog.NewJSONHandler(io.Discard, nil))
	source := slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{AddSource: true}))
	sub := l.Sub(map[string]any{"customer": "17850", "invoice": "536365", "lines": 7, "value": 139.12, "paid": true})
	runCases(b, "5-fields", []benchCase{
		{"zerolog", func() { fields5(raw.Info().Timestamp()).Msg(said) }},
		{"zerolog-same-content", func() {
			var buf [48]byte
			now := append(time.Now().UTC().AppendFormat(append(buf[:0], '"'), time.RFC3339Nano), '"')
			fields5(raw.Info().RawJSON("time", now).Caller()).Msg(said)
		}},
		{"slog-json", func() { std.LogAttrs(ctx, slog.LevelInfo, said, attrs5()...) }},
		{"slog-json-source", func() { source.LogAttrs(ctx, slog.LevelInfo, said, attrs5()...) }},
		{"patron-slog", func() {
			plog.Slog(ctx).LogAttrs(ctx, slog.LevelInfo, said, slog.String("customer", "17850"), slog.String("invoice", "536365"), slog.Int("lines", 7),
				slog.Float64("value", 139.12), slog.Bool("paid", true))
		}},
		{"patron-logger-sub", func() { sub.Info(said) }},
	})
	runCases(b, "disabled", []benchCase{
		{"zerolog", func() { raw.Debug().Str("invoice", "536365").Msg(said) }},
		{"slog-json", func() { std.DebugContext(ctx, said, "invoice", "536365") }},
		{"patron-slog", func() { l.Slog().DebugContext(ctx, said, "invoice", "536365") }},
		{"patron-slog-of-context", func() { plog.Slog(ctx).DebugContext(ctx, said, "invoice", "536365") }},
		{"patron-logger", func() { l.Debugf("order %s accepted", "536365") }},
	})
}

func fields5(e *zerolog.Event) *zerolog.Event {
	return e.Str("customer", "17850").Str("invoice", "536365").Int("lines", 7).Float64("value", 139.12).Bool("paid", true)
}

func attrs5() []slog.Attr {
	return []slog.Attr{
		slog.String("customer", "17850"), slog.String("invoice", "536365"), slog.Int("lines", 7), slog.Float64("value", 139.12), slog.Bool("paid", true),
	}
}
