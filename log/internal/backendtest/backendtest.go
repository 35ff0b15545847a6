package backendtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/slogtest"
	"unicode"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/google/go-cmp/cmp"
	oteltrace "go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"
)

// Make makes a backend that writes lines of JSON of at least level to w.
type Make func(w io.Writer, level plog.Level) plog.Backend

// The IDs of the span in the context of [Context].
const (
	CorrelationID = "order-536365"
	TraceID       = "0102030405060708090a0b0c0d0e0f10"
	SpanID        = "1112131415161718"
)

// SpanContext has [TraceID] and [SpanID].
func SpanContext() oteltrace.SpanContext {
	return oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		SpanID:  oteltrace.SpanID{0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18},
	})
}

// Run runs the suite. Reserved are the keys that the backend keeps for itself.
func Run(t *testing.T, newBackend Make, reserved ...string) {
	t.Helper()
	t.Run("testing/slogtest", func(t *testing.T) {
		t.Parallel()
		testSlogtest(t, newBackend)
	})
	t.Run("any record is one line with each key once", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) { checkAnyRecord(t, newBackend, reserved) })
	})
	t.Run("later attributes replace earlier ones", func(t *testing.T) {
		t.Parallel()
		testReplace(t, newBackend)
	})
	t.Run("IDs stand outside of groups", func(t *testing.T) {
		t.Parallel()
		testIDsOutsideGroups(t, newBackend)
	})
	t.Run("the level holds for children and changes at once", func(t *testing.T) {
		t.Parallel()
		testLevel(t, newBackend)
	})
	t.Run("values that fail do not lose the line", func(t *testing.T) {
		t.Parallel()
		testBadValues(t, newBackend)
	})
}

func testSlogtest(t *testing.T, newBackend Make) {
	var buf bytes.Buffer
	slogtest.Run(t,
		func(*testing.T) slog.Handler {
			buf.Reset()
			return newBackend(&buf, plog.InfoLevel)
		},
		func(t *testing.T) map[string]any {
			t.Helper()
			fields := Decode(t, buf.Bytes())
			fields[slog.LevelKey] = fields[plog.LevelKey]
			delete(fields, plog.LevelKey)
			return fields
		})
}

func testReplace(t *testing.T, newBackend Make) {
	ctx := correlation.ContextWithID(t.Context(), CorrelationID)
	for name, tt := range map[string]struct {
		log  func(*slog.Logger)
		want map[string]any
	}{
		"bound twice":     {func(l *slog.Logger) { l.With("a", 1, "b", 1).With("a", 2).InfoContext(ctx, "m") }, map[string]any{"a": 2.0, "b": 1.0}},
		"bound in groups": {func(l *slog.Logger) { l.WithGroup("g").With("a", 1).With("a", 2).InfoContext(ctx, "m") }, map[string]any{"g": map[string]any{"a": 2.0}}},
		"by the record":   {func(l *slog.Logger) { l.With("a", 1, "b", 1).InfoContext(ctx, "m", "a", 2) }, map[string]any{"a": 2.0, "b": 1.0}},
		"in the record":   {func(l *slog.Logger) { l.InfoContext(ctx, "m", "a", 1, "a", 2) }, map[string]any{"a": 2.0}},
		"by a group": {
			func(l *slog.Logger) { l.With("g", 1).WithGroup("g").InfoContext(ctx, "m", "a", 1) },
			map[string]any{"g": map[string]any{"a": 1.0}},
		},
		"an empty group":   {func(l *slog.Logger) { l.With("g", 1).WithGroup("g").InfoContext(ctx, "m") }, map[string]any{"g": 1.0}},
		"in a group":       {func(l *slog.Logger) { l.InfoContext(ctx, "m", slog.Group("g", "a", 1, "a", 2)) }, map[string]any{"g": map[string]any{"a": 2.0}}},
		"the ID, bound":    {func(l *slog.Logger) { l.With(plog.CorrelationIDKey, "own").InfoContext(ctx, "m") }, map[string]any{plog.CorrelationIDKey: "own"}},
		"the ID":           {func(l *slog.Logger) { l.InfoContext(ctx, "m", plog.CorrelationIDKey, "own") }, map[string]any{plog.CorrelationIDKey: "own"}},
		"the level":        {func(l *slog.Logger) { l.InfoContext(ctx, "m", plog.LevelKey, "error") }, map[string]any{"fields.lvl": "error"}},
		"the level, bound": {func(l *slog.Logger) { l.With(plog.LevelKey, "error").InfoContext(ctx, "m") }, map[string]any{"fields.lvl": "error"}},
	} {
		var buf bytes.Buffer
		tt.log(slog.New(newBackend(&buf, plog.InfoLevel)))
		got := Decode(t, buf.Bytes())
		if got[plog.LevelKey] != "info" {
			t.Errorf("%s: lvl: got %v, want info", name, got[plog.LevelKey])
		}
		for _, own := range []string{plog.LevelKey, plog.MessageKey, plog.TimeKey, plog.SourceKey} {
			delete(got, own)
		}
		if got[plog.CorrelationIDKey] == CorrelationID {
			delete(got, plog.CorrelationIDKey)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func testIDsOutsideGroups(t *testing.T, newBackend Make) {
	var buf bytes.Buffer
	l := slog.New(newBackend(&buf, plog.InfoLevel)).With("a", 1).WithGroup("g").With("b", 2)
	ctx := oteltrace.ContextWithSpanContext(correlation.ContextWithID(t.Context(), CorrelationID), SpanContext())

	l.InfoContext(ctx, "accepted", "c", 3)

	got := Decode(t, buf.Bytes())
	delete(got, plog.TimeKey)
	delete(got, plog.SourceKey)
	want := map[string]any{
		plog.LevelKey: "info", plog.MessageKey: "accepted", "a": 1.0, "g": map[string]any{"b": 2.0, "c": 3.0},
		plog.CorrelationIDKey: CorrelationID, plog.TraceIDKey: TraceID, plog.SpanIDKey: SpanID,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func testLevel(t *testing.T, newBackend Make) {
	var buf bytes.Buffer
	b := newBackend(&buf, plog.WarnLevel)
	child := slog.New(b).With("a", 1).WithGroup("g")

	child.Info("below")
	b.LevelVar().SetLevel(plog.DebugLevel)
	child.Debug("at it")
	b.LevelVar().SetLevel(plog.NoLevel)
	child.Error("silenced")

	if got := Decode(t, buf.Bytes())[plog.MessageKey]; got != "at it" {
		t.Errorf("message: got %v, want %q", got, "at it")
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("out of paper") }

type failing struct{}

func (*failing) Error() string { panic("nil") }

func testBadValues(t *testing.T, newBackend Make) {
	var buf bytes.Buffer
	l := slog.New(newBackend(&buf, plog.InfoLevel))

	l.Info("bad", "panics", panics{}, "nil", (*failing)(nil), "chan", make(chan int), "raw", json.RawMessage("{\n\"a\":1}"))

	got := Decode(t, buf.Bytes())
	if s := fmt.Sprint(got["panics"]); !strings.Contains(s, "out of paper") {
		t.Errorf("a value that panics: got %q, want its panic", s)
	}
	if got["nil"] != "<nil>" {
		t.Errorf("a nil error whose method panics: got %v, want <nil>", got["nil"])
	}
	if s := fmt.Sprint(got["chan"]); !strings.Contains(s, "unsupported type") {
		t.Errorf("a channel: got %q, want the error", s)
	}
	if diff := cmp.Diff(map[string]any{"a": 1.0}, got["raw"]); diff != "" {
		t.Errorf("raw JSON (-want +got):\n%s", diff)
	}
}

// object is the model of a JSON object: later members replace earlier ones.
type object map[string]any

// checkAnyRecord compares what a random chain of With and WithGroup and a random record write with the model.
func checkAnyRecord(t *rapid.T, newBackend Make, reserved []string) {
	var buf bytes.Buffer
	var h slog.Handler = newBackend(&buf, plog.InfoLevel)
	names, objects := []string{""}, []object{{}}
	last := func() (object, bool) { return objects[len(objects)-1], len(objects) == 1 }
	add := func(o object, attrs []slog.Attr, top bool) {
		for _, a := range attrs {
			addAttr(o, a, top, reserved)
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "steps") {
		if rapid.Bool().Draw(t, "group") {
			name := key().Draw(t, "name")
			h = h.WithGroup(name)
			if name != "" {
				names, objects = append(names, rename(name, len(objects) == 1, reserved)), append(objects, object{})
			}
			continue
		}
		attrs := rapid.SliceOfN(attr(2), 0, 4).Draw(t, "attrs")
		h = h.WithAttrs(attrs)
		o, top := last()
		add(o, attrs, top)
	}
	attrs := rapid.SliceOfN(attr(2), 0, 7).Draw(t, "record")
	msg := text().Draw(t, "msg")

	slog.New(h).LogAttrs(correlation.ContextWithID(t.Context(), CorrelationID), slog.LevelInfo, msg, attrs...)

	o, top := last()
	add(o, attrs, top)
	for i := len(objects) - 1; i > 0; i-- {
		if len(objects[i]) > 0 {
			objects[i-1][names[i]] = map[string]any(objects[i])
		}
	}
	want := objects[0]
	want[plog.LevelKey], want[plog.MessageKey] = "info", msg
	if _, ok := want[plog.CorrelationIDKey]; !ok {
		want[plog.CorrelationIDKey] = CorrelationID
	}
	got := Decode(t, buf.Bytes())
	delete(got, plog.TimeKey)
	delete(got, plog.SourceKey)
	if diff := cmp.Diff(map[string]any(want), got); diff != "" {
		t.Fatalf("line (-want +got):\n%s\n%s", diff, buf.Bytes())
	}
}

func rename(key string, top bool, reserved []string) string {
	if top && slices.Contains(reserved, key) {
		return "fields." + key
	}
	return key
}

func addAttr(o object, a slog.Attr, top bool, reserved []string) {
	key := rename(a.Key, top, reserved)
	switch a.Value.Kind() {
	case slog.KindGroup:
		into := object{}
		if a.Key == "" {
			into = o
		}
		for _, inner := range a.Value.Group() {
			addAttr(into, inner, top && a.Key == "", reserved)
		}
		if a.Key != "" && len(into) > 0 {
			o[key] = map[string]any(into)
		}
	case slog.KindInt64:
		o[key] = float64(a.Value.Int64())
	default:
		o[key] = a.Value.Any()
	}
}

// key draws ordinary keys as often as those that need care, which hide mistakes with the ordinary ones.
func key() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "c", "g"}),
		rapid.SampledFrom([]string{"a", "b", "c", "g"}),
		rapid.SampledFrom([]string{
			"", "key with space", "ключ", "a\n\"b", plog.LevelKey, plog.MessageKey, plog.TimeKey, plog.SourceKey, slog.LevelKey, plog.CorrelationIDKey,
		}),
	)
}

func attr(depth int) *rapid.Generator[slog.Attr] {
	return rapid.Custom(func(t *rapid.T) slog.Attr {
		kinds := 4
		if depth == 0 {
			kinds = 3
		}
		name := key().Draw(t, "key")
		switch rapid.IntRange(1, kinds).Draw(t, "kind") {
		case 1:
			return slog.String(name, text().Draw(t, "string"))
		case 2:
			return slog.Int(name, rapid.IntRange(-1e6, 1e6).Draw(t, "int"))
		case 3:
			return slog.Bool(name, rapid.Bool().Draw(t, "bool"))
		default:
			return slog.Attr{Key: name, Value: slog.GroupValue(rapid.SliceOfN(attr(depth-1), 0, 3).Draw(t, "group")...)}
		}
	})
}

// text draws strings of characters that have forged lines somewhere.
func text() *rapid.Generator[string] {
	return rapid.StringOf(rapid.RuneFrom([]rune("ab =\"\\\n\r\t\x00\x1b[\x7f\u0085\u009b\u2028\u202eé\u4e16😀{}:,"), unicode.Cc))
}

// TB is what [Decode] needs of testing.TB and rapid.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Decode checks that b is exactly one line, a JSON object in which no key is there twice and no raw control character, and returns the object.
func Decode(t TB, b []byte) map[string]any {
	t.Helper()
	body, found := bytes.CutSuffix(b, []byte("\n"))
	if !found {
		t.Fatalf("line %q: want a line feed at the end", b)
	}
	if i := bytes.IndexFunc(body, Unsafe); i >= 0 {
		t.Fatalf("line %q: want no control character, got one at %d", b, i)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	value, err := decodeValue(dec)
	if err != nil {
		t.Fatalf("line %q: %v", b, err)
	}
	fields, ok := value.(map[string]any)
	if !ok || dec.InputOffset() != int64(len(body)) {
		t.Fatalf("line %q: want one object", b)
	}
	return fields
}

// Unsafe reports whether r must not be in a line as it is.
func Unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Bidi_Control, r) && r > 0x2027
}

// decodeValue is json.Unmarshal that takes offence at a key that is there twice.
func decodeValue(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return decodeObject(dec)
	case json.Delim('['):
		var list []any
		for dec.More() {
			value, err := decodeValue(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = dec.Token()
		return list, err
	default:
		return token, nil
	}
}

func decodeObject(dec *json.Decoder) (any, error) {
	fields := make(map[string]any)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("key %q twice; keys so far %q", name, slices.Sorted(maps.Keys(fields)))
		}
		if fields[name], err = decodeValue(dec); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return fields, err
}
