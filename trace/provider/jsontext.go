package provider

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// appendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD; the line separators of Unicode are escaped too, because some readers take
// them for the end of a line.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // start of what can be copied as it is
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			b = append(b, s[plain:i]...)
			b = appendEscaped(b, c)
			i++
			plain = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[plain:i]...), `\ufffd`...)
			plain = i + size
		case r == '\u2028':
			b = append(append(b, s[plain:i]...), `\u2028`...)
			plain = i + size
		case r == '\u2029':
			b = append(append(b, s[plain:i]...), `\u2029`...)
			plain = i + size
		}
		i += size
	}
	return append(append(b, s[plain:]...), '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	default:
		const digits = "0123456789abcdef"
		return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
}

// appendFloat appends f as a JSON number, or as a string if JSON has no such number.
func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	default:
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	}
}
