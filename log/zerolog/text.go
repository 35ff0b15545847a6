package zerolog

import (
	"bytes"
	"slices"

	plog "github.com/beatlabs/patron/log"
)

// Escape sequences of terminals.
const (
	colorOff  = "\x1b[0m"
	colorDim  = "\x1b[2m"
	colorRed  = "\x1b[31m"
	colorWarn = "\x1b[33m"
	colorInfo = "\x1b[32m"
)

// appendText appends the JSON object in p, one of ours, as a line of text. Strings stay in the quoted form of JSON unless they are plain, so what was
// escaped stays escaped.
func appendText(dst, p []byte, color bool) []byte {
	var head struct{ time, level, source, msg []byte }
	m := members{rest: bytes.TrimSpace(p)}
	m.open()
	more := m.next()
	for more {
		switch string(m.key) {
		case `"` + plog.TimeKey + `"`:
			head.time = m.value
		case `"` + plog.LevelKey + `"`:
			head.level = m.value
		case `"` + plog.SourceKey + `"`:
			head.source = m.value
		case `"` + plog.MessageKey + `"`:
			head.msg = m.value
		}
		if more = m.next(); head.msg != nil { // the last of the head
			break
		}
	}
	if head.time != nil {
		dst = append(appendColored(dst, unquoted(head.time), colorDim, color), ' ')
	}
	dst = appendLevel(dst, unquoted(head.level), color)
	if head.source != nil {
		dst = appendColored(append(dst, ' '), unquoted(head.source), colorDim, color)
	}
	dst = append(dst, ' ')
	if isPlain(head.msg, true) {
		dst = append(dst, unquoted(head.msg)...)
	} else {
		dst = append(dst, head.msg...)
	}
	for ; more; more = m.next() {
		dst = appendMember(dst, nil, m.key, m.value, maxDepth, color)
	}
	return append(dst, '\n')
}

func appendLevel(dst, level []byte, color bool) []byte {
	var short, shade string
	switch string(level) {
	case "debug":
		short = "DBG"
	case "info":
		short, shade = "INF", colorInfo
	case "warn":
		short, shade = "WRN", colorWarn
	case "error":
		short, shade = "ERR", colorRed
	case "fatal":
		short, shade = "FTL", colorRed
	case "panic":
		short, shade = "PNC", colorRed
	default:
		return append(dst, bytes.ToUpper(level)...)
	}
	return appendColored(dst, []byte(short), shade, color && shade != "")
}

func appendColored(dst, text []byte, shade string, color bool) []byte {
	if !color {
		return append(dst, text...)
	}
	dst = append(dst, shade...)
	dst = append(dst, text...)
	return append(dst, colorOff...)
}

// maxDepth is how deep objects are taken apart. What lies deeper is shown as JSON: scanning each level again must not become expensive.
const maxDepth = 8

// appendMember appends " key=value", and for an object one such pair for each member, down to depth.
func appendMember(dst, prefix, key, value []byte, depth int, color bool) []byte {
	if isPlain(key, false) {
		key = unquoted(key)
	}
	path := slices.Concat(prefix, key)
	if depth > 0 && value[0] == '{' && string(value) != "{}" {
		path = append(path, '.')
		m := members{rest: value}
		m.open()
		for m.next() {
			dst = appendMember(dst, path, m.key, m.value, depth-1, color)
		}
		return dst
	}
	dst = append(dst, ' ')
	dst = appendColored(dst, append(path, '='), colorDim, color)
	if isPlain(value, false) {
		value = unquoted(value)
	}
	return append(dst, value...)
}

// isPlain reports whether quoted, a JSON string, can be shown without quotes and still be told from what is around it.
func isPlain(quoted []byte, spaces bool) bool {
	if len(quoted) <= len(`""`) || quoted[0] != '"' {
		return false
	}
	special := `\"= `
	if spaces {
		special = `\"=`
	}
	return !bytes.ContainsAny(unquoted(quoted), special)
}

func unquoted(quoted []byte) []byte {
	if len(quoted) >= len(`""`) && quoted[0] == '"' {
		return quoted[1 : len(quoted)-1]
	}
	return quoted
}

// members walks over the members of a JSON object that is known to be well formed, without decoding it.
type members struct {
	rest       []byte
	key, value []byte // as they are written
}

func (m *members) open() { m.rest = bytes.TrimPrefix(m.rest, []byte("{")) }

// next moves to the next member and reports whether there is one.
func (m *members) next() bool {
	m.rest = bytes.TrimPrefix(m.rest, []byte(","))
	end := valueEnd(m.rest)
	if end == 0 || end+1 >= len(m.rest) || m.rest[0] != '"' || m.rest[end] != ':' {
		return false
	}
	m.key, m.rest = m.rest[:end], m.rest[end+1:]
	end = valueEnd(m.rest)
	m.value, m.rest = m.rest[:end], m.rest[end:]
	return end > 0
}

// valueEnd returns the length of the JSON value that b begins with.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
			if depth == 0 {
				return min(i+1, len(b))
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// stringEnd returns the index of the quote that ends the string that begins at b[i].
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return i
}
