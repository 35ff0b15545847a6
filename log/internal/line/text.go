package line

import (
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// AppendString appends s as a JSON string that is clean: what [Clean] would escape is escaped, and bytes that are no UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	if i := plainString(s); i < len(s) {
		return append(appendEscaped(append(append(dst, '"'), s[:i]...), s[i:]), '"')
	}
	n := len(dst)
	dst = room(dst, len(s)+len(`""`))
	dst[n] = '"'
	copy(dst[n+1:], s)
	dst[len(dst)-1] = '"'
	return dst
}

// AppendKey appends a comma, the key of a member as by [AppendString], and a colon.
func AppendKey(dst []byte, key string) []byte {
	if plainString(key) < len(key) {
		return append(AppendString(append(dst, ','), key), ':')
	}
	n := len(dst)
	dst = room(dst, len(key)+len(`,"":`))
	dst[n], dst[n+1] = ',', '"'
	copy(dst[n+2:], key)
	dst[len(dst)-2], dst[len(dst)-1] = '"', ':'
	return dst
}

// room returns dst with n bytes more, whatever they are.
func room(dst []byte, n int) []byte {
	if n > cap(dst)-len(dst) {
		dst = slices.Grow(dst, n)
	}
	return dst[:len(dst)+n]
}

// plainString returns the length of a prefix that can be written as it is: of all of s if that can, else of some of it.
func plainString(s string) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if !plainWord(word(s[i : i+8])) {
			return i
		}
	}
	switch rest := len(s) - i; {
	case rest == 0 || len(s) >= 8 && plainWord(word(s[len(s)-8:])): // the last word overlaps the one before
		return len(s)
	case rest >= 4 && plainWord(half(s[i:i+4])|half(s[len(s)-4:])<<32): // so do the halves of a short string
		return len(s)
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return i
}

// plainWord reports whether none of eight bytes needs an escape.
func plainWord(x uint64) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	quote, backslash := x^('"'*ones), x^('\\'*ones)
	// As in plainPrefix; and x-1 sets the high bit of a byte that is 0, which those are that were a quote or a backslash.
	return (x|(x+ones)|(x-0x20*ones)|(quote-ones)|(backslash-ones))&highs == 0
}

// word and half are one load each.

func word(s string) uint64 { return half(s[:4]) | half(s[4:8])<<32 }

func half(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

func appendEscaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case unsafe(r), r == utf8.RuneError && size == 1:
			dst = appendEscape(dst, r)
		default:
			dst = append(dst, s[i:i+size]...)
		}
		i += size
	}
	return dst
}

// AppendFloat appends f as a JSON number; what JSON has no number for, as a string.
func AppendFloat(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(strconv.AppendFloat(append(dst, '"'), f, 'g', -1, 64), '"')
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	default:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
}

// AppendTime appends t as a JSON string in the format of RFC 3339 with nanoseconds, in UTC.
func AppendTime(dst []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

// Clock is [AppendTime] for times that are mostly within the second of the one before, whose text it keeps. The zero value is ready; it may be used
// concurrently.
type Clock struct{ last atomic.Pointer[second] }

type second struct {
	unix int64
	text [len("2010-12-01T08:26:00")]byte
}

// AppendTime appends the same as the function of that name.
func (c *Clock) AppendTime(dst []byte, t time.Time) []byte {
	unix := t.Unix()
	last := c.last.Load()
	if last == nil || last.unix != unix {
		if year := t.UTC().Year(); year < 0 || year > 9999 { // which takes more room
			return AppendTime(dst, t)
		}
		last = &second{unix: unix}
		t.UTC().AppendFormat(last.text[:0], "2006-01-02T15:04:05")
		c.last.Store(last)
	}
	dst = append(append(dst, '"'), last.text[:]...)
	if n := t.Nanosecond(); n > 0 {
		dst = appendFraction(dst, n)
	}
	return append(dst, 'Z', '"')
}

// appendFraction appends the nanoseconds of a second without zeros at the end.
func appendFraction(dst []byte, n int) []byte {
	digits := [...]byte{'.', '0', '0', '0', '0', '0', '0', '0', '0', '0'}
	end := 0
	for i := len(digits) - 1; n > 0; i-- {
		digit := n % 10
		if n /= 10; digit > 0 && end == 0 {
			end = i + 1
		}
		digits[i] += byte(digit)
	}
	return append(dst, digits[:end]...)
}
