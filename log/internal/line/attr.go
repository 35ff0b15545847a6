package line

import (
	"log/slog"
	"slices"
)

// Reserve returns key, or another name for it if package log writes a field of that name itself: who logs an attribute "lvl" or "msg" must not change what
// the line says about itself.
func Reserve(key string) string {
	switch key {
	case LevelKey, MessageKey, TimeKey, SourceKey:
		return reservedPrefix + key
	default:
		return key
	}
}

// ReserveSlog is Reserve for a line that is written by a handler of log/slog, which has names of its own.
func ReserveSlog(key string) string {
	switch key {
	case slog.LevelKey, slog.SourceKey:
		return reservedPrefix + key
	default:
		return Reserve(key)
	}
}

// Attrs returns the attributes of r in a new slice with room for extra more.
func Attrs(r slog.Record, extra int) []slog.Attr {
	attrs := make([]slog.Attr, 0, r.NumAttrs()+extra)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	return attrs
}

// Clash reports whether r cannot be written attribute by attribute: one has no key, so that it may be a group to inline, or the key of an earlier one, or
// one for which taken returns true. Taken must return false for every key that is not in keys; it is asked rarely.
func Clash(r *slog.Record, keys Keys, taken func(key string) bool) bool {
	clash, n := false, 0
	r.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "":
			clash = true
		case keys.MayHave(a.Key):
			clash = taken(a.Key) || Within(r, n, a.Key)
		}
		keys = keys.With(a.Key)
		n++
		return !clash
	})
	return clash
}

// Within reports whether one of the first n attributes of r has the key.
func Within(r *slog.Record, n int, key string) bool {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = n > 0 && a.Key == key
		n--
		return !found && n > 0
	})
	return found
}

// Plain reports whether attrs are as [Unique] would return them, without looking into the values that it would have to resolve: false is always safe.
func Plain(attrs []slog.Attr) bool {
	var seen Keys
	for i, a := range attrs {
		if kind := a.Value.Kind(); a.Key == "" || kind == slog.KindGroup || kind == slog.KindLogValuer {
			return false
		}
		if seen.MayHave(a.Key) && slices.ContainsFunc(attrs[:i], func(b slog.Attr) bool { return b.Key == a.Key }) {
			return false
		}
		seen = seen.With(a.Key)
	}
	return true
}

// Unique returns attrs as one object: values resolved, groups without a key inlined, empty attributes and groups left out, and of several attributes with
// the same key the last one, at its place. Objects inside follow the same rules. A rename that is not nil is asked for the name of every key of the outermost
// object. The result is a new slice.
func Unique(attrs []slog.Attr, rename func(string) string) []slog.Attr {
	flat := appendFlat(make([]slog.Attr, 0, len(attrs)), attrs, rename)
	out := flat[:0]
	for i, a := range flat {
		if !slices.ContainsFunc(flat[i+1:], func(later slog.Attr) bool { return later.Key == a.Key }) {
			out = append(out, a)
		}
	}
	return out
}

func appendFlat(dst, attrs []slog.Attr, rename func(string) string) []slog.Attr {
	for _, a := range attrs {
		a.Value = a.Value.Resolve()
		switch {
		case a.Equal(slog.Attr{}):
		case a.Value.Kind() == slog.KindGroup && a.Key == "":
			dst = appendFlat(dst, a.Value.Group(), rename)
		case a.Value.Kind() == slog.KindGroup:
			if inner := Unique(a.Value.Group(), nil); len(inner) > 0 {
				dst = append(dst, slog.Attr{Key: renamed(a.Key, rename), Value: slog.GroupValue(inner...)})
			}
		default:
			dst = append(dst, slog.Attr{Key: renamed(a.Key, rename), Value: a.Value})
		}
	}
	return dst
}

func renamed(key string, rename func(string) string) string {
	if rename == nil {
		return key
	}
	return rename(key)
}

// FromMap returns the fields as attributes, ordered by key. It keeps no reference to the map.
func FromMap(fields map[string]any) []slog.Attr {
	attrs := make([]slog.Attr, 0, len(fields))
	for key, value := range fields {
		attrs = append(attrs, slog.Any(key, value))
	}
	slices.SortFunc(attrs, func(a, b slog.Attr) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return attrs
}
