package async

import "slices"

// Header is one Key and its Value, which travel with a message.
type Header struct{ Key, Value string }

// Headers are the headers of a message, in the order in which they were set. Keys are compared without regard to the case of ASCII letters, since
// brokers and HTTP gateways on the way change it. A pointer to Headers is a trace.Carrier. Headers are not safe for concurrent use.
type Headers []Header //nolint:recvcheck // reading needs no pointer, and a slice that grows does

// Get returns the value of the first header with key, or "".
func (h Headers) Get(key string) string {
	for i := range h {
		if sameKey(h[i].Key, key) {
			return h[i].Value
		}
	}
	return ""
}

// Has reports whether there is a header with key, be its value empty.
func (h Headers) Has(key string) bool {
	return slices.ContainsFunc(h, func(e Header) bool { return sameKey(e.Key, key) })
}

// Set replaces the value of the first header with key, or adds one.
func (h *Headers) Set(key, value string) {
	for i := range *h {
		if sameKey((*h)[i].Key, key) {
			(*h)[i].Value = value
			return
		}
	}
	*h = append(*h, Header{Key: key, Value: value})
}

// Delete removes every header with key.
func (h *Headers) Delete(key string) {
	*h = slices.DeleteFunc(*h, func(e Header) bool { return sameKey(e.Key, key) })
}

// Keys returns the keys, in order.
func (h Headers) Keys() []string {
	keys := make([]string, len(h))
	for i := range h {
		keys[i] = h[i].Key
	}
	return keys
}

// sameKey compares as net/http does. To strings.EqualFold a k is the sign of Kelvin, too, which no gateway turns into a k.
func sameKey(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// The headers that the framework itself reads and writes, beside correlation.HeaderID and those of the propagators.
const (
	HeaderContentType = "Content-Type" // media type of Data; absent: JSON
	HeaderID          = "Patron-Message-Id"
	HeaderKey         = "Patron-Message-Key"     // Message.Key where the broker has no field for it; base64 in [Pack], else as the driver says
	HeaderTime        = "Patron-Message-Time"    // RFC 3339 with nanoseconds
	HeaderType        = "Patron-Message-Type"    // what the message says, see [TypeOf]
	HeaderDue         = "Patron-Message-Due"     // Message.Due where the broker has no field for it; RFC 3339 with nanoseconds
	HeaderExpires     = "Patron-Message-Expires" // Message.Expires likewise
	HeaderDeadCause   = "Patron-Dead-Cause"      // why a message is in the dead letter
	HeaderDeadAttempt = "Patron-Dead-Attempts"
	HeaderDeadOrigin  = "Patron-Dead-Origin"  // the source it came from
	HeaderDeadTime    = "Patron-Dead-Time"    // RFC 3339 with nanoseconds
	HeaderDeadHistory = "Patron-Dead-History" // how often a message was dead before it was replayed, see [History]
)
