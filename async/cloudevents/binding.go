package cloudevents

import (
	"fmt"
	"strings"
)

// Binding says how attributes are called as headers.
type Binding uint8

// The bindings. Any of them is read; which one to write depends on who else reads it. The broker does not matter: each carries all of them but SQS, which
// takes no colon, so that none is written.
const (
	Kafka Binding = iota // ce_id; the default
	AMQP                 // cloudEvents_id
	HTTP                 // ce-id, its values percent-encoded
)

// String returns the name in lower case.
func (b Binding) String() string {
	switch b {
	case Kafka:
		return "kafka"
	case AMQP:
		return "amqp"
	case HTTP:
		return "http"
	default:
		return "unknown binding"
	}
}

// form is how the headers of a binding look.
type form struct {
	binding Binding
	prefix  string // compared without regard to case
}

// forms are all that are read, the one that is written first among those of its binding. A message with attributes in several of them has come through a
// gateway that did not take the old ones off: the first form with a specversion counts, whole.
func forms() [4]form {
	return [...]form{{Kafka, "ce_"}, {AMQP, "cloudEvents_"}, {AMQP, "cloudEvents:"}, {HTTP, "ce-"}}
}

func (b Binding) form() (form, error) {
	for _, f := range forms() {
		if f.binding == b {
			return f, nil
		}
	}
	return form{}, fmt.Errorf("binding %d: want Kafka, AMQP or HTTP", b)
}

// attribute returns the name of the attribute that a header with key is in this form, or false.
func (f form) attribute(key string) (string, bool) {
	if len(key) < len(f.prefix) || !strings.EqualFold(key[:len(f.prefix)], f.prefix) {
		return "", false
	}
	return strings.ToLower(key[len(f.prefix):]), true
}

// encode returns the value of a header.
func (f form) encode(value string) string {
	if f.binding != HTTP {
		return value
	}
	return percentEncode(value)
}

// decode returns the value of an attribute.
func (f form) decode(value string) (string, error) {
	if f.binding != HTTP {
		return value, nil
	}
	return percentDecode(unquote(value))
}

// percentEncode writes the bytes that a header cannot have as %XX: spaces, double quotes, percent signs, and all that is not printable ASCII.
func percentEncode(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c > 0x20 && c < 0x7f && c != '"' && c != '%' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

// percentDecode is one round of decoding.
func percentDecode(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) || fromHex(s[i+1]) < 0 || fromHex(s[i+2]) < 0 {
			return "", fmt.Errorf("%q: want two hexadecimal digits behind each percent sign", s)
		}
		b.WriteByte(byte(fromHex(s[i+1])<<4 | fromHex(s[i+2])))
		i += 2
	}
	return b.String(), nil
}

func fromHex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// unquote takes the double quotes off a quoted string of RFC 9110, section 5.6.4, which may stand wherever a header has a value.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i, inner := 0, s[1:len(s)-1]; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
		}
		b.WriteByte(inner[i])
	}
	return b.String()
}
