package zerolog_test

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	pzerolog "github.com/beatlabs/patron/log/zerolog"
	"github.com/rs/zerolog"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// fields5 are the five fields that every line of the benchmarks has.
func fields5() map[string]any {
	return map[string]any{"customer": "17850", "invoice": "536365", "lines": 7, "value": 139.12, "paid": true}
}

func benchContext(b *testing.B) (context.Context, *plog.Leveled) {
	b.Helper()
	l, err := pzerolog.New(io.Discard, plog.InfoLevel, nil)
	if err != nil {
		b.Fatal(err)
	}
	return plog.WithContext(b.Context(), l), l
}

// BenchmarkLine writes a line with five fields. raw-caller is what zerolog itself needs for the same line; raw has neither source nor nanoseconds.
func BenchmarkLine(b *testing.B) {
	ctx, l := benchContext(b)
	raw := zerolog.New(io.Discard)
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			raw.Info().Timestamp().Str("customer", "17850").Str("invoice", "536365").Int("lines", 7).Float64("value", 139.12).Bool("paid", true).Msg("order accepted")
		}
	})
	b.Run("raw-caller", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			raw.Info().Str("time", time.Now().UTC().Format(time.RFC3339Nano)).Caller().
				Str("customer", "17850").Str("invoice", "536365").Int("lines", 7).Float64("value", 139.12).Bool("paid", true).Msg("order accepted")
		}
	})
	b.Run("sub", func(b *testing.B) {
		sub := l.Sub(fields5())
		b.ReportAllocs()
		for b.Loop() {
			sub.Info("order accepted")
		}
	})
	b.Run("slog-attrs", func(b *testing.B) {
		s := plog.Slog(ctx)
		b.ReportAllocs()
		for b.Loop() {
			s.LogAttrs(ctx, slog.LevelInfo, "order accepted", slog.String("customer", "17850"), slog.String("invoice", "536365"), slog.Int("lines", 7),
				slog.Float64("value", 139.12), slog.Bool("paid", true))
		}
	})
	b.Run("slog", func(b *testing.B) {
		s := plog.Slog(ctx)
		b.ReportAllocs()
		for b.Loop() {
			s.InfoContext(ctx, "order accepted", "customer", "17850", "invoice", "536365", "lines", 7, "value", 139.12, "paid", true)
		}
	})
	b.Run("slog-ids", func(b *testing.B) {
		ctx := spanContext(correlation.ContextWithID(ctx, "order-536365"))
		s := plog.Slog(ctx)
		b.ReportAllocs()
		for b.Loop() {
			s.InfoContext(ctx, "order accepted", "customer", "17850", "invoice", "536365", "lines", 7, "value", 139.12, "paid", true)
		}
	})
}

func spanContext(ctx context.Context) context.Context {
	return oteltrace.ContextWithSpanContext(ctx, oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1, 2, 3}, SpanID: oteltrace.SpanID{4, 5, 6},
	}))
}

// BenchmarkDisabled asks for lines that are below the level.
func BenchmarkDisabled(b *testing.B) {
	ctx, l := benchContext(b)
	raw := zerolog.New(io.Discard).Level(zerolog.InfoLevel)
	var logger plog.Logger = l
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			raw.Debug().Msg("order accepted")
		}
	})
	b.Run("logger", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			logger.Debugf("order accepted")
		}
	})
	b.Run("logger-args", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			logger.Debugf("order %s accepted", "536365")
		}
	})
	b.Run("package", func(b *testing.B) {
		plog.SetDefault(l)
		defer plog.SetDefault(nil)
		b.ReportAllocs()
		for b.Loop() {
			plog.Debugf("order %s accepted", "536365")
		}
	})
	b.Run("slog", func(b *testing.B) {
		s := plog.Slog(ctx)
		b.ReportAllocs()
		for b.Loop() {
			s.DebugContext(ctx, "order accepted", "invoice", "536365")
		}
	})
	b.Run("slog-from-context", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plog.Slog(ctx).DebugContext(ctx, "order accepted", "invoice", "536365")
		}
	})
	b.Run("enabled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = plog.Enabled(ctx, plog.DebugLevel)
		}
	})
}

// BenchmarkFromContext is a unit of work that takes its logger from the context and writes so many lines.
func BenchmarkFromContext(b *testing.B) {
	ctx, _ := benchContext(b)
	ctx = spanContext(correlation.ContextWithID(ctx, "order-536365"))
	for _, lines := range []int{0, 1, 5} {
		b.Run(strconv.Itoa(lines), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				logger := plog.FromContext(ctx)
				for range lines {
					logger.Infof("order accepted")
				}
			}
		})
	}
	b.Run("sub", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = plog.WithContext(ctx, plog.Sub(map[string]any{"requestID": "7f"}))
		}
	})
}
