package line_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/log/internal/line"
	"github.com/google/go-cmp/cmp"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCleanEscapesWhatATerminalActsOn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"nothing":           {"", ""},
		"a line":            {"{\"a\":1}\n", "{\"a\":1}\n"},
		"letters":           {`{"a":"größe мир 😀"}`, `{"a":"größe мир 😀"}`},
		"long and plain":    {strings.Repeat("abcdefgh", 9) + "xyz\n", strings.Repeat("abcdefgh", 9) + "xyz\n"},
		"C0":                {"a\x1b[31m\n", `a\u001b[31m` + "\n"},
		"late in a word":    {"abcdefg\x00\n", `abcdefg\u0000` + "\n"},
		"DEL":               {"\x7f", `\u007f`},
		"C1":                {"a\u009bb", `a\u009bb`},
		"separators":        {"\u2028\u2029", `\u2028\u2029`},
		"direction":         {"\u202e\u2066\u2069", `\u202e\u2066\u2069`},
		"no UTF-8":          {"a\xffb\xc2", `a\ufffdb\ufffd`},
		"U+FFFD itself":     {"\ufffd", "\ufffd"},
		"line feed within":  {"a\nb\n", `a\u000ab` + "\n"},
		"two at the end":    {"a\n\n", `a\u000a` + "\n"},
		"after plain words": {strings.Repeat("x", 16) + "\u0085é\n", strings.Repeat("x", 16) + `\u0085é` + "\n"},
	} {
		if got := string(line.Clean([]byte(tt.in))); got != tt.want {
			t.Errorf("%s: Clean(%q): got %q, want %q", name, tt.in, got, tt.want)
		}
	}
}

func TestCleanDoesNotCopyACleanLine(t *testing.T) {
	t.Parallel()
	in := []byte("{\"a\":\"größe\"}\n")
	if got := line.Clean(in); &got[0] != &in[0] {
		t.Error("Clean: got a copy")
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a\n", "\x1b[31m", "\u009b", "\xff", strings.Repeat("a", 31) + "\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		in := bytes.Clone(raw)
		clean := line.Clean(raw)
		if !bytes.Equal(raw, in) {
			t.Errorf("Clean(%q) changed its argument", in)
		}
		if i := bytes.IndexFunc(clean, func(r rune) bool { return r < 0x20 || 0x7f <= r && r <= 0x9f || r == 0x2028 || r == 0x202e }); i >= 0 {
			t.Errorf("Clean(%q): got %q", in, clean)
		}
		var before, after string
		if err := errors.Join(json.Unmarshal(in, &before), json.Unmarshal(clean, &after)); err != nil || before != after {
			t.Errorf("Clean(%q): decodes to %q (%v), want %q", in, after, err, before)
		}
		line.Clean([]byte(s)) // must not crash on what is no JSON
	})
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriterWritesOnceAndReportsTheError(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	n, err := line.Writer{W: &buf}.Write([]byte("a\x00\n"))
	if n != 3 || err != nil || buf.String() != `a\u0000`+"\n" {
		t.Errorf("Write: got %d, %v and %q", n, err, buf.String())
	}
	if _, err := (line.Writer{W: failingWriter{}}).Write([]byte("a\n")); err == nil {
		t.Error("Write: got no error")
	}
}

func TestSourcesKnowThePlaceOfACall(t *testing.T) {
	t.Parallel()
	var sources line.Sources
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 { // the second is from memory
				var pcs [1]uintptr
				runtime.Callers(1, pcs[:])
				if got := sources.Of(pcs[0]); !strings.HasPrefix(got, "line/line_test.go:") {
					t.Errorf("Of: got %q", got)
				}
			}
		})
	}
	wg.Wait()
	for _, unknown := range []uintptr{0, 1} {
		if got := sources.Of(unknown); got != "" {
			t.Errorf("Of(%d): got %q, want nothing", unknown, got)
		}
	}
}

func TestSourceTextKeepsTheDirectoryAndTheFile(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"/go/src/orders/main.go": "orders/main.go:7",
		"orders/main.go":         "orders/main.go:7",
		"/main.go":               "/main.go:7",
		"main.go":                "main.go:7",
	} {
		if got := line.SourceText(file, 7); got != want {
			t.Errorf("SourceText(%q): got %q, want %q", file, got, want)
		}
	}
}

func TestIDsOfAContext(t *testing.T) {
	t.Parallel()
	none := line.IDsOf(context.Background())
	if !none.Empty() || len(none.Attrs()) != 0 {
		t.Errorf("no IDs: got %v", none.Attrs())
	}
	ctx := oteltrace.ContextWithSpanContext(correlation.ContextWithID(t.Context(), "c-1"),
		oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2}}))
	ids := line.IDsOf(ctx)
	want := []slog.Attr{
		slog.String(line.CorrelationIDKey, "c-1"),
		slog.String(line.TraceIDKey, "01000000000000000000000000000000"),
		slog.String(line.SpanIDKey, "0200000000000000"),
	}
	if got := ids.Attrs(); ids.Empty() || !reflect.DeepEqual(got, want) {
		t.Errorf("IDs: got %v, want %v", got, want)
	}
}

type valuer struct{ v slog.Value }

func (v valuer) LogValue() slog.Value { return v.v }

func TestUniqueMakesOneObject(t *testing.T) {
	t.Parallel()
	got := line.Unique([]slog.Attr{
		slog.Int("a", 1),
		{},
		slog.Group("empty"),
		slog.Group("nested", slog.Group("empty"), slog.Int("a", 1), slog.Int("a", 2)),
		slog.Group("", slog.Int("a", 3), slog.Int("lvl", 4)),
		slog.Any("valuer", valuer{slog.GroupValue(slog.Int("b", 1))}),
		slog.Any("", valuer{slog.GroupValue(slog.Int("c", 1))}),
	}, line.Reserve)
	want := "[nested=[a=2] a=3 fields.lvl=4 valuer=[b=1] c=1]"
	if text := slog.GroupValue(got...).String(); text != want {
		t.Errorf("Unique: got %s, want %s", text, want)
	}
}

func TestPlainIsTrueOnlyForWhatUniqueLeavesAsItIs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		attrs []slog.Attr
		want  bool
	}{
		"none":      {nil, true},
		"ordinary":  {[]slog.Attr{slog.Int("a", 1), slog.String("b", "")}, true},
		"twice":     {[]slog.Attr{slog.Int("a", 1), slog.Int("a", 2)}, false},
		"no key":    {[]slog.Attr{slog.Int("", 1)}, false},
		"group":     {[]slog.Attr{slog.Group("g", slog.Int("a", 1))}, false},
		"LogValuer": {[]slog.Attr{slog.Any("a", valuer{})}, false},
	} {
		if got := line.Plain(tt.attrs); got != tt.want {
			t.Errorf("%s: got %t, want %t", name, got, tt.want)
		}
	}
}

func TestClashFindsKeysThatAreTaken(t *testing.T) {
	t.Parallel()
	taken := func(key string) bool { return key == "taken" }
	many := []slog.Attr{slog.Int("a", 1), slog.Int("b", 1), slog.Int("c", 1), slog.Int("d", 1), slog.Int("e", 1), slog.Int("f", 1)}
	for name, tt := range map[string]struct {
		attrs []slog.Attr
		want  bool
	}{
		"none":          {nil, false},
		"ordinary":      {[]slog.Attr{slog.Int("a", 1), slog.Int("b", 1), slog.Int("c", 1)}, false},
		"taken":         {[]slog.Attr{slog.Int("a", 1), slog.Int("taken", 1)}, true},
		"no key":        {[]slog.Attr{slog.Int("", 1)}, true},
		"twice":         {[]slog.Attr{slog.Int("a", 1), slog.Int("b", 1), slog.Int("a", 1)}, true},
		"twice, spread": {append(many, slog.Int("a", 2)), true},
	} {
		var r slog.Record
		r.AddAttrs(tt.attrs...)
		if got := line.Clash(&r, line.KeysOf("taken"), taken); got != tt.want {
			t.Errorf("%s: got %t, want %t", name, got, tt.want)
		}
		if got := line.Clash(&r, ^line.Keys(0), taken); got != tt.want { // every key may be there
			t.Errorf("%s, full set: got %t, want %t", name, got, tt.want)
		}
	}
}

func TestKeysNeverDenyWhatWasAdded(t *testing.T) {
	t.Parallel()
	var keys line.Keys
	for _, key := range []string{"", "a", "ab", "correlationID", "ключ", strings.Repeat("x", 300)} {
		keys = keys.With(key)
		if !keys.MayHave(key) {
			t.Errorf("MayHave(%q): got false", key)
		}
	}
	if line.KeysOf("a").MayHave("b") {
		t.Error("MayHave: got true for a key that differs")
	}
	for _, key := range []string{line.LevelKey, line.MessageKey, line.TimeKey, line.SourceKey, line.CorrelationIDKey, line.TraceIDKey, line.SpanIDKey} {
		if !line.Own(key) || !line.OwnKeys().MayHave(key) {
			t.Errorf("%q: got no key of ours", key)
		}
	}
	if line.Own("a") {
		t.Error("Own(a): got true")
	}
}

func TestReserveRenamesWhatWouldPassForOurs(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][2]string{
		"a":           {"a", "a"},
		"lvl":         {"fields.lvl", "fields.lvl"},
		"level":       {"level", "fields.level"},
		"source":      {"source", "fields.source"},
		"src":         {"fields.src", "fields.src"},
		"time":        {"fields.time", "fields.time"},
		"msg":         {"fields.msg", "fields.msg"},
		"trace_id":    {"trace_id", "trace_id"},
		"fields.time": {"fields.time", "fields.time"},
	} {
		if diff := cmp.Diff(want, [2]string{line.Reserve(key), line.ReserveSlog(key)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

func TestFromMapOrdersByKey(t *testing.T) {
	t.Parallel()
	got := line.FromMap(map[string]any{"c": true, "a": 1, "b": "x"})
	if text := slog.GroupValue(got...).String(); text != "[a=1 b=x c=true]" {
		t.Errorf("FromMap: got %s", text)
	}
	if len(line.FromMap(nil)) != 0 {
		t.Error("FromMap(nil): got attributes")
	}
}
