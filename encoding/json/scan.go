package json

import (
	"bytes"
	"encoding/json"
	"strings"
)

// The walker reads a document that json.Valid has accepted, so that it need not look for errors: it can only be at a token.

func (w *walker) space() {
	for w.pos < len(w.data) {
		switch w.data[w.pos] {
		case ' ', '\t', '\r', '\n':
			w.pos++
		default:
			return
		}
	}
}

// next goes to the next element of a container, or past its closing bracket and says false. Once the walk is full there is no next element.
func (w *walker) next(closing byte) bool {
	w.space()
	if w.full() || w.pos >= len(w.data) {
		return false
	}
	switch w.data[w.pos] {
	case closing:
		w.pos++
		return false
	case ',':
		w.pos++
		w.space()
	}
	return true
}

// key reads the name of a member, which is the literal from start to end, and goes behind its colon.
func (w *walker) key() (start, end int, name string) {
	start = w.pos
	w.skipString()
	end = w.pos
	w.space()
	w.pos++ // :
	return start, end, unquote(w.data[start:end])
}

// skip goes to the end of the value at pos.
func (w *walker) skip() {
	switch w.data[w.pos] {
	case '"':
		w.skipString()
	case '{', '[':
		w.skipContainer()
	default:
		for w.pos < len(w.data) && strings.IndexByte(" \t\r\n,]}", w.data[w.pos]) < 0 {
			w.pos++
		}
	}
}

// skipContainer needs no stack: in valid JSON the brackets match.
func (w *walker) skipContainer() {
	for depth := 0; ; {
		switch w.data[w.pos] {
		case '"':
			w.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		w.pos++
		if depth == 0 {
			return
		}
	}
}

func (w *walker) skipString() {
	for w.pos++; w.data[w.pos] != '"'; w.pos++ {
		if w.data[w.pos] == '\\' {
			w.pos++
		}
	}
	w.pos++
}

// unquote returns the text of a string literal.
func unquote(literal []byte) string {
	if bytes.IndexByte(literal, '\\') < 0 {
		return string(literal[1 : len(literal)-1])
	}
	var s string
	if json.Unmarshal(literal, &s) != nil {
		return "" // cannot be: the literal is part of valid JSON
	}
	return s
}

func isNumber(c byte) bool { return c == '-' || '0' <= c && c <= '9' }
