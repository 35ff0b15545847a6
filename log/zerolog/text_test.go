package zerolog_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
	pzerolog "github.com/beatlabs/patron/log/zerolog"
	"github.com/google/go-cmp/cmp"
)

func textFormat() pzerolog.OptionFunc { return pzerolog.WithFormat(pzerolog.Text) }

// textLine writes one record at a known time as text.
func textLine(t *testing.T, level slog.Level, msg string, oo []pzerolog.OptionFunc, attrs ...slog.Attr) string {
	t.Helper()
	var buf bytes.Buffer
	l := mustNew(&buf, plog.DebugLevel, nil, append(oo, textFormat())...)
	r := slog.NewRecord(time.Date(2010, 12, 1, 8, 26, 0, 5e6, time.UTC), level, msg, 0)
	r.AddAttrs(attrs...)
	if err := l.Handler().Handle(correlation.ContextWithID(t.Context(), "c-1"), r); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestTextIsForPeople(t *testing.T) {
	t.Parallel()
	const at = "2010-12-01T08:26:00.005Z "
	for name, tt := range map[string]struct {
		level slog.Level
		msg   string
		attrs []slog.Attr
		want  string
	}{
		"plain":   {slog.LevelInfo, "order accepted", []slog.Attr{slog.Int("n", 1)}, "INF order accepted correlationID=c-1 n=1"},
		"debug":   {slog.LevelDebug, "x", nil, "DBG x correlationID=c-1"},
		"warn":    {slog.LevelWarn, "x", nil, "WRN x correlationID=c-1"},
		"error":   {slog.LevelError, "x", nil, "ERR x correlationID=c-1"},
		"fatal":   {slog.Level(plog.FatalLevel), "x", nil, "FTL x correlationID=c-1"},
		"panic":   {slog.Level(plog.PanicLevel), "x", nil, "PNC x correlationID=c-1"},
		"between": {slog.Level(2), "x", nil, "INFO+2 x correlationID=c-1"},
		"groups": {
			slog.LevelInfo, "x",
			[]slog.Attr{slog.Group("g", "a", 1, slog.Group("h", "b", "c")), slog.Any("e", struct{}{})},
			"INF x correlationID=c-1 g.a=1 g.h.b=c e={}",
		},
		"lists": {slog.LevelInfo, "x", []slog.Attr{slog.Any("l", []any{"a,b", map[string]int{"c": 1}})}, `INF x correlationID=c-1 l=["a,b",{"c":1}]`},
		"quoted": {
			slog.LevelInfo, "a=b",
			[]slog.Attr{slog.String("a b", "c d"), slog.String("e", ""), slog.String("f", `"`)},
			`INF "a=b" correlationID=c-1 "a b"="c d" e="" f="\""`,
		},
		"no msg": {slog.LevelInfo, "", nil, `INF "" correlationID=c-1`},
		"controls": {
			slog.LevelInfo, "a\nb\x1b[31m\u009b",
			[]slog.Attr{slog.String("k\r", "v\u202e")},
			`INF "a\nb\u001b[31m\u009b" correlationID=c-1 "k\r"="v\u202e"`,
		},
		"letters": {slog.LevelInfo, "größe", []slog.Attr{slog.String("world", "мир")}, "INF größe correlationID=c-1 world=мир"},
	} {
		if diff := cmp.Diff(at+tt.want+"\n", textLine(t, tt.level, tt.msg, nil, tt.attrs...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTextHasTheSource(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	mustNew(&buf, plog.InfoLevel, nil, textFormat()).Info("x")
	fields := strings.Fields(buf.String())
	if len(fields) != 4 || !strings.HasPrefix(fields[2], "zerolog/text_test.go:") {
		t.Errorf("line: got %q, want time, level, source, message", buf.String())
	}
}

func TestTextIsColouredOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	mustNew(file, plog.InfoLevel, nil, textFormat()).Info("x")
	text, err := os.ReadFile(file.Name())
	if err != nil || bytes.ContainsRune(text, '\x1b') {
		t.Errorf("a file: got %q and %v, want no colours", text, err)
	}

	want := "\x1b[2m2010-12-01T08:26:00.005Z\x1b[0m \x1b[31mERR\x1b[0m x \x1b[2mcorrelationID=\x1b[0mc-1\n"
	if diff := cmp.Diff(want, textLine(t, slog.LevelError, "x", []pzerolog.OptionFunc{pzerolog.WithColor(true)})); diff != "" {
		t.Errorf("with colours (-want +got):\n%s", diff)
	}
}

func FuzzText(f *testing.F) {
	f.Add("order accepted", "key", "value")
	f.Add("a\n2010 ERR forged", "k=v\x1b[0m", "\u009b\u2028\\\"")
	f.Add("\xff", "", "{\"a\":[1,\"]\"]}")
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		var buf bytes.Buffer
		l := mustNew(&buf, plog.InfoLevel, nil, textFormat())

		l.Slog().WithGroup("g").Info(msg, key, value, "list", []string{value}, "after", "it")

		text, found := strings.CutSuffix(buf.String(), "\n")
		if i := strings.IndexFunc(text, backendtest.Unsafe); !found || i >= 0 {
			t.Errorf("got %q, want one line without control characters", buf.String())
		}
		if !strings.HasSuffix(text, " g.after=it") && key != "after" {
			t.Errorf("got %q, want every attribute in it", text)
		}
	})
}
