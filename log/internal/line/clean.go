package line

import (
	"encoding/binary"
	"io"
	"unicode/utf8"
)

// Writer passes every line on to W in one Write, without control characters. It may be used concurrently if W may.
type Writer struct{ W io.Writer }

// Write writes [Clean] of p. A line that was written counts as len(p) bytes, whatever its clean form has.
func (w Writer) Write(p []byte) (int, error) {
	if _, err := w.W.Write(Clean(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Clean returns the JSON line p, which may end with a line feed, without anything that a terminal or a viewer would act on instead of showing it: C0 and C1
// control characters, DEL, line and paragraph separators, and the characters that turn the direction of text. They become JSON escapes, so that the line
// still decodes to what was logged. Bytes that are no UTF-8 become U+FFFD. A line that is clean is returned as it is.
//
// Encoders escape most of this already. Clean is the place that does not depend on them, nor on what a MarshalJSON of a user returns.
func Clean(p []byte) []byte {
	body := p
	if n := len(body); n > 0 && body[n-1] == '\n' {
		body = body[:n-1]
	}
	start := plainPrefix(body)
	if start == len(body) {
		return p
	}
	return cleanFrom(p, body, start)
}

// plainPrefix returns the length of the prefix that holds printable ASCII only, give or take a word of eight bytes.
func plainPrefix(b []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		// The high bit of a byte is set by x if it is not ASCII, by x+1 if it is DEL, by x-0x20 if it is a control character.
		if (x|(x+ones)|(x-0x20*ones))&highs != 0 {
			return i
		}
	}
	for ; i < len(b); i++ {
		if b[i] < 0x20 || b[i] >= 0x7f {
			return i
		}
	}
	return i
}

func cleanFrom(p, body []byte, start int) []byte {
	var out []byte
	kept := 0 // everything before it is in out, if out is in use
	for i := start; i < len(body); {
		r, size := rune(body[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(body[i:])
		}
		if !unsafe(r) && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		if out == nil {
			out = make([]byte, 0, len(p)+16)
		}
		out = append(out, body[kept:i]...)
		out = appendEscape(out, r)
		i += size
		kept = i
	}
	if out == nil {
		return p
	}
	return append(out, p[kept:]...)
}

// unsafe reports whether r must not get out raw.
func unsafe(r rune) bool {
	switch {
	case r < 0x20, 0x7f <= r && r <= 0x9f: // C0, DEL, C1
		return true
	case 0x2028 <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069: // separators, embeddings and overrides, isolates
		return true
	default:
		return false
	}
}

func appendEscape(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
}
