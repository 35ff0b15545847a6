package sqs

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/beatlabs/patron/async"
)

// The attributes that carry what SQS has no field for, beside those of package async. async.HeaderKey carries Message.Key, as it is, where the message group is
// not the key: on standard queues, and for keys that are no valid group.
const (
	// HeaderEncoding says that a body is not what it stands for: [EncodingBase64] or [EncodingEmpty].
	HeaderEncoding = "Patron-Message-Encoding"
	// HeaderPacked carries, in binary, the headers that are no attributes: because there are more than ten, or for a name or value that SQS refuses.
	HeaderPacked = "Patron-Headers"
)

// The values of [HeaderEncoding].
const (
	EncodingBase64 = "base64" // a body with bytes that SQS refuses
	EncodingEmpty  = "empty"  // an empty body, which SQS refuses
)

// mostAttributes is how many SQS takes.
const mostAttributes = 10

// attribute is one that is sent or was received.
type attribute struct {
	name, value string
	binary      bool
}

// size is what counts of it against the limit of a message.
func (a *attribute) size() int {
	if a.binary {
		return len(a.name) + len("Binary") + len(a.value)
	}
	return len(a.name) + len("String") + len(a.value)
}

// fit makes attributes of headers. What SQS refuses goes into one that is packed, and if there are too many so do our own before the user's, which filters and
// others read, and the last before the first.
func fit(headers []attribute) []attribute {
	var packed []attribute
	plain := headers[:0:0]
	for i := range headers {
		h := &headers[i]
		again := slices.ContainsFunc(plain, func(p attribute) bool { return p.name == h.name })
		if again || !validName(h.name) || !validText(h.value) {
			packed = append(packed, *h)
			continue
		}
		plain = append(plain, *h)
	}
	room := mostAttributes
	if len(packed) > 0 {
		room--
	}
	if len(plain) > room {
		room = mostAttributes - 1
		for _, own := range []bool{true, false} {
			for i := len(plain) - 1; i >= 0 && len(plain) > room; i-- {
				if isOwn(plain[i].name) == own {
					packed = append(packed, plain[i])
					plain = slices.Delete(plain, i, i+1)
				}
			}
		}
	}
	if len(packed) > 0 {
		plain = append(plain, attribute{name: HeaderPacked, value: pack(packed), binary: true})
	}
	return plain
}

// isOwn reports whether a header is read by nobody but this framework.
func isOwn(name string) bool { return strings.HasPrefix(name, "Patron-") && name != async.HeaderType }

// pack writes names and values, each behind its length.
func pack(headers []attribute) string {
	size := 0
	for i := range headers {
		size += len(headers[i].name) + len(headers[i].value) + 2*binary.MaxVarintLen32
	}
	out := make([]byte, 0, size)
	for i := range headers {
		for _, text := range [...]string{headers[i].name, headers[i].value} {
			out = binary.AppendUvarint(out, uint64(len(text)))
			out = append(out, text...)
		}
	}
	return string(out)
}

// unpack reads what pack wrote, up to where it is damaged.
func unpack(data string) []attribute {
	var headers []attribute
	for data != "" {
		name, rest, ok := unpackOne(data)
		if !ok {
			break
		}
		value, rest, ok := unpackOne(rest)
		if !ok {
			break
		}
		headers = append(headers, attribute{name: name, value: value})
		data = rest
	}
	return headers
}

func unpackOne(data string) (text, rest string, ok bool) {
	head := data[:min(len(data), binary.MaxVarintLen64)]
	size, n := binary.Uvarint([]byte(head))
	if n <= 0 || size > uint64(len(data)-n) {
		return "", "", false
	}
	return data[n : n+int(size)], data[n+int(size):], true
}

// validName reports whether SQS takes an attribute with this name.
func validName(name string) bool {
	const most = 256
	if name == "" || len(name) > most || name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, "..") {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	for _, reserved := range [...]string{"aws.", "amazon."} {
		if len(name) >= len(reserved) && strings.EqualFold(name[:len(reserved)], reserved) {
			return false
		}
	}
	return name != HeaderPacked
}

// validText reports whether SQS takes text as a value or a body: not empty, and nothing that XML 1.0 has no place for.
func validText(text string) bool {
	if text == "" {
		return false
	}
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || r == 0xfffe || r == 0xffff {
			return false
		}
		i += size
	}
	return true
}
