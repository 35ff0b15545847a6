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

// BenchmarkLine writes a line with five fields. raw is zerolog as its manual sets it up: no source, and whole seconds. raw-caller is what zerolog itself needs
// for the same line as ours.
func BenchmarkLine(b *testing.B) {
	ctx, l := benchContext(b)
	raw := zerolog.New(io.Discard).With().Timestamp().Logger()
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			raw.Info().Str("customer", "17850").Str("invoice", "536365").Int("lines", 7).Float64("value", 139.12).Bool("paid", true).Msg("order accepted")
		}
	})
	b.Run("raw-caller", func(b *testing.B) {
		bare := zerolog.New(io.Discard)
		b.ReportAllocs()
		for b.Loop() {
			bare.Info().Str("time", time.Now().UTC().Format(time.RFC3339Nano)).Caller().
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

// BenchmarkRatio compares our line with five fields and zerolog's, with a method that a busy machine cannot spoil: both take turns in slices of a few dozen
// lines, and the shortest slice of each counts. It reports nanoseconds a line, and how many times plain zerolog that is: BenchmarkLine says what is what.
func BenchmarkRatio(b *testing.B) {
	ctx, l := benchContext(b)
	raw := zerolog.New(io.Discard).With().Timestamp().Logger()
	bare := zerolog.New(io.Discard)
	sub, s := l.Sub(fields5()), l.Slog()
	off, disabled := s, raw.Level(zerolog.Disabled)
	lines := []struct {
		name  string
		write func()
	}{
		{"raw", func() {
			raw.Info().Str("customer", "17850").Str("invoice", "536365").Int("lines", 7).Float64("value", 139.12).Bool("paid", true).Msg("order accepted")
		}},
		{"raw-caller", func() {
			bare.Info().Str("time", time.Now().UTC().Format(time.RFC3339Nano)).Caller().
				Str("customer", "17850").Str("invoice", "536365").Int("lines", 7).Float64("value", 139.12).Bool("paid", true).Msg("order accepted")
		}},
		{"sub", func() { sub.Info("order accepted") }},
		{"slog-attrs", func() {
			s.LogAttrs(ctx, slog.LevelInfo, "order accepted", slog.String("customer", "17850"), slog.String("invoice", "536365"), slog.Int("lines", 7),
				slog.Float64("value", 139.12), slog.Bool("paid", true))
		}},
		{"slog", func() {
			s.InfoContext(ctx, "order accepted", "customer", "17850", "invoice", "536365", "lines", 7, "value", 139.12, "paid", true)
		}},
		{"off-raw", func() { disabled.Debug().Msg("order accepted") }},
		{"off-logger", func() { l.Debugf("order %s accepted", "536365") }},
		{"off-slog", func() { off.DebugContext(ctx, "order accepted", "invoice", "536365") }},
		{"off-slog-attrs", func() { off.LogAttrs(ctx, slog.LevelDebug, "order accepted", slog.String("invoice", "536365")) }},
	}
	const slice = 64
	shortest := make([]time.Duration, len(lines))
	for b.Loop() {
		for i, line := range lines {
			begin := time.Now()
			for range slice {
				line.write()
			}
			if took := time.Since(begin); shortest[i] == 0 || took < shortest[i] {
				shortest[i] = took
			}
		}
	}
	for i, line := range lines {
		b.ReportMetric(float64(shortest[i])/slice, line.name+"-ns")
		if i < 5 {
			b.ReportMetric(float64(shortest[i])/float64(shortest[0]), line.name+"-ratio")
		}
	}
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
