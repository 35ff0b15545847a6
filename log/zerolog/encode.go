package zerolog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/beatlabs/patron/log/internal/line"
	"github.com/rs/zerolog"
)

// writeAttr adds a to e. An attribute that is nothing, an empty group, adds nothing.
//
// Only those methods of e are used that no global variable of zerolog changes.
func writeAttr(e *zerolog.Event, a slog.Attr) {
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		e.Str(a.Key, v.String())
	case slog.KindInt64:
		e.Int64(a.Key, v.Int64())
	case slog.KindUint64:
		e.Uint64(a.Key, v.Uint64())
	case slog.KindBool:
		e.Bool(a.Key, v.Bool())
	case slog.KindFloat64:
		writeFloat(e, a.Key, v.Float64())
	case slog.KindDuration:
		writeFloat(e, a.Key, v.Duration().Seconds())
	case slog.KindTime:
		writeTime(e, a.Key, v.Time())
	case slog.KindGroup:
		writeGroup(e, a.Key, v.Group())
	case slog.KindLogValuer:
		writeAttr(e, slog.Attr{Key: a.Key, Value: v.Resolve()})
	case slog.KindAny:
		writeAny(e, a.Key, v.Any())
	}
}

func writeGroup(e *zerolog.Event, key string, attrs []slog.Attr) {
	if !line.Plain(attrs) {
		attrs = line.Unique(attrs, nil)
	}
	if len(attrs) == 0 {
		return
	}
	group := e.CreateDict()
	for _, a := range attrs {
		writeAttr(group, a)
	}
	e.Dict(key, group)
}

func writeTime(e *zerolog.Event, key string, t time.Time) {
	var buf [48]byte
	e.RawJSON(key, line.AppendTime(buf[:0], t))
}

func writeFloat(e *zerolog.Event, key string, f float64) {
	var buf [32]byte
	e.RawJSON(key, line.AppendFloat(buf[:0], f))
}

func writeAny(e *zerolog.Event, key string, x any) {
	text, raw := encodeAny(x)
	if raw != nil {
		e.RawJSON(key, raw)
		return
	}
	e.Str(key, text)
}

// encodeAny returns the JSON of x, or the text that stands for it. It calls methods of x, so it expects them to panic.
func encodeAny(x any) (text string, raw []byte) {
	defer func() {
		if p := recover(); p != nil {
			text, raw = fmt.Sprintf("!PANIC: %v", p), nil
			if v := reflect.ValueOf(x); v.Kind() == reflect.Pointer && v.IsNil() {
				text = "<nil>"
			}
		}
	}()
	switch x := x.(type) {
	case json.Marshaler:
	case error:
		return x.Error(), nil
	case []byte:
		return string(x), nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(x); err != nil {
		return "!ERROR: " + err.Error(), nil
	}
	return "", bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// encodeValue returns the JSON of v, which is resolved.
func encodeValue(v slog.Value) []byte {
	var buf bytes.Buffer
	zl := zerolog.New(&buf)
	e := zl.Log()
	if e == nil { // zerolog.SetGlobalLevel(zerolog.Disabled): nothing is written now, but may be later
		return encodeValueStd(v)
	}
	writeAttr(e, slog.Attr{Key: "v", Value: v})
	e.Send()
	return bytes.TrimSuffix(bytes.TrimPrefix(buf.Bytes(), []byte(`{"v":`)), []byte("}\n"))
}

// encodeValueStd is encodeValue without zerolog.
func encodeValueStd(v slog.Value) []byte {
	text, raw := encodeAny(stdValue(v))
	if raw == nil {
		_, raw = encodeAny(text)
	}
	return raw
}

func stdValue(v slog.Value) any {
	switch v.Kind() {
	case slog.KindGroup:
		object := make(map[string]any)
		for _, a := range v.Group() {
			object[a.Key] = json.RawMessage(encodeValueStd(a.Value))
		}
		return object
	case slog.KindDuration:
		return v.Duration().Seconds()
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	default:
		return v.Any()
	}
}
