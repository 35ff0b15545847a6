package zerolog

import (
	"log/slog"
	"slices"

	"github.com/beatlabs/patron/log/internal/line"
	"github.com/rs/zerolog"
)

// scope is an object of the line, with the members that are bound to it. Their values are encoded when they are bound: it is cheaper, and a value that is
// changed later is not read in the middle of the change. It is immutable.
type scope struct {
	name    string // of the group; "" for the line itself
	members []member
	keys    line.Keys // of members
	rest    []byte    // all members as in the line, but for the key of the first and its colon
	plain   []byte    // all members as in the line, clean
}

type member struct {
	key   string
	value []byte // JSON
}

// with returns a scope that has attrs as well, which are resolved and have each key once. They replace members of the same key.
func (s *scope) with(attrs []slog.Attr) scope {
	members := slices.DeleteFunc(slices.Clone(s.members), func(m member) bool {
		return slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == m.key })
	})
	for _, a := range attrs {
		members = append(members, member{key: a.Key, value: encodeValue(a.Value)})
	}
	bound := scope{name: s.name, members: members}
	for i, m := range members {
		bound.keys = bound.keys.With(m.key)
		if i > 0 {
			bound.rest = append(append(append(bound.rest, ','), encodeValue(slog.StringValue(m.key))...), ':')
		}
		bound.rest = append(bound.rest, m.value...)
	}
	if len(members) > 0 {
		bound.plain = append(append(line.AppendString(nil, members[0].key), ':'), line.Clean(bound.rest)...)
	}
	return bound
}

// write adds the members to e, but for those whose key is in inside too.
func (s *scope) write(e *zerolog.Event, inside []slog.Attr) {
	if len(s.members) == 0 {
		return
	}
	if !slices.ContainsFunc(inside, func(a slog.Attr) bool { return s.keys.MayHave(a.Key) }) {
		e.RawJSON(s.members[0].key, s.rest) // zerolog appends it as it is
		return
	}
	for _, m := range s.members {
		if !slices.ContainsFunc(inside, func(a slog.Attr) bool { return a.Key == m.key }) {
			e.RawJSON(m.key, m.value)
		}
	}
}

// has reports whether key is a member, or one of inside.
func (s *scope) has(key string, inside []slog.Attr) bool {
	return s.keys.MayHave(key) && slices.ContainsFunc(s.members, func(m member) bool { return m.key == key }) ||
		slices.ContainsFunc(inside, func(a slog.Attr) bool { return a.Key == key })
}

// rename returns how keys of the scope at depth are renamed: those of the line itself must not pass for its own fields.
func (s *scope) rename(depth int) func(string) string {
	if depth > 0 {
		return nil
	}
	return line.Reserve
}
