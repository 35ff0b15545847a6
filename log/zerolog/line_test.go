package zerolog_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
	"github.com/google/go-cmp/cmp"
)

// FuzzLine writes the same records through this backend and through that of log/slog: each is one clean line of JSON with each key once, and both decode to
// the same.
func FuzzLine(f *testing.F) {
	f.Add("order accepted", "key", "value", int64(1), 1.5, int64(1e18), "c-1")
	f.Add("a\n{\"lvl\":\"info\"}", "lvl", "\x1b[0m\u009b\u2028\u202e", int64(math.MinInt64), math.Inf(1), int64(-1), "")
	f.Add("\xff\xfe", "correlationID", "\\\"", int64(math.MaxInt64), math.NaN(), int64(0), "\x00")
	f.Add("", "", "<&>", int64(0), math.SmallestNonzeroFloat64, int64(math.MaxInt64), "é")
	f.Add("\x7f", "msg", "\ufffd", int64(-1), 1e21, int64(math.MinInt64), "trace_id")
	f.Add("x", "time", strings.Repeat("é", 300), int64(7), math.Copysign(0, -1), int64(5e8), "a b")
	f.Fuzz(func(t *testing.T, msg, key, text string, long int64, double float64, nanos int64, id string) {
		key, text = strings.ToValidUTF8(key, "?"), strings.ToValidUTF8(text, "?") // two keys that are no UTF-8 may read alike
		at := time.Unix(0, nanos)
		ctx := spanContext(correlation.ContextWithID(t.Context(), id))
		var ours, theirs bytes.Buffer
		fields := map[string]any{"bound": text, key: long}
		l := mustNew(&ours, plog.InfoLevel, nil)
		std := plog.New(plog.JSON(&theirs, nil))
		for _, h := range []slog.Handler{plog.Wrap(l.Sub(fields)).Handler(), plog.Wrap(std.Sub(fields)).Handler()} {
			r := slog.NewRecord(at, slog.LevelInfo, msg, 0)
			r.AddAttrs(
				slog.String(key, text), slog.Int64("i"+key, long), slog.Float64("f"+key, double), slog.Duration("d"+key, time.Duration(long)),
				slog.Time("t"+key, at), slog.Group(key, slog.Bool(key, true), slog.Uint64(text, uint64(long))), slog.Any("list", []string{text}),
				slog.String("any", text+msg),
			)
			handle(ctx, t, h, r)
			handle(ctx, t, h.WithGroup(key).WithAttrs([]slog.Attr{slog.String(text, msg)}), r)
		}

		got, want := ours.String(), theirs.String()
		for _, out := range []string{got, want} {
			if strings.Count(out, "\n") != 2 || !strings.HasSuffix(out, "\n") || strings.ContainsFunc(strings.ReplaceAll(out, "\n", ""), backendtest.Unsafe) {
				t.Fatalf("got %q, want two clean lines", out)
			}
		}
		for i, line := range strings.SplitAfterN(got, "\n", 2) {
			other := strings.SplitAfterN(want, "\n", 2)[i]
			if diff := cmp.Diff(backendtest.Decode(t, []byte(other)), backendtest.Decode(t, []byte(line))); diff != "" {
				t.Errorf("line %d (-log/slog +ours):\n%s", i, diff)
			}
		}
	})
}

func handle(ctx context.Context, t *testing.T, h slog.Handler, r slog.Record) {
	t.Helper()
	if err := h.Handle(ctx, r.Clone()); err != nil {
		t.Fatal(err)
	}
}
