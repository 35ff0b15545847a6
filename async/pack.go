package async

import (
	"encoding/base64"
	"slices"
	"time"
)

// Pack returns the headers that m travels with where a broker has no place but headers for its ID, key and times: those of m, [HeaderID], [HeaderKey] in
// base64, [HeaderTime], [HeaderDue] and [HeaderExpires]. What m has of these from an earlier journey is replaced. [Unpack] is the other way round. A driver
// whose broker has a field for one of them sets that, and deletes the header.
func Pack(m *Message) Headers {
	h := make(Headers, 0, len(m.Headers)+5)
	for _, e := range m.Headers {
		if !packs(e.Key) {
			h = append(h, e)
		}
	}
	if m.ID != "" {
		h = append(h, Header{Key: HeaderID, Value: m.ID})
	}
	if len(m.Key) > 0 {
		h = append(h, Header{Key: HeaderKey, Value: base64.StdEncoding.EncodeToString(m.Key)})
	}
	for _, t := range m.times() {
		if !t.at.IsZero() {
			h = append(h, Header{Key: t.key, Value: t.at.UTC().Format(time.RFC3339Nano)})
		}
	}
	return h
}

// Unpack returns the message with data that was packed into h, which is its own from then on. What is missing or cannot be read stays zero, since foreign
// messages come, too: a driver then fills in what the broker knows.
func Unpack(h Headers, data []byte) *Message {
	m := &Message{ID: h.Get(HeaderID), Data: data}
	if key, err := base64.StdEncoding.DecodeString(h.Get(HeaderKey)); err == nil && len(key) > 0 {
		m.Key = key
	}
	for _, t := range m.times() {
		*t.at, _ = time.Parse(time.RFC3339Nano, h.Get(t.key)) // the zero time, if it cannot be read
	}
	m.Headers = slices.DeleteFunc(h, func(e Header) bool { return packs(e.Key) })
	return m
}

// packedTime is a time of a message and the header that it travels in.
type packedTime struct {
	key string
	at  *time.Time
}

func (m *Message) times() [3]packedTime {
	return [...]packedTime{{HeaderTime, &m.Time}, {HeaderDue, &m.Due}, {HeaderExpires, &m.Expires}}
}

// packs reports whether a header belongs to [Pack].
func packs(key string) bool {
	for _, own := range [...]string{HeaderID, HeaderKey, HeaderTime, HeaderDue, HeaderExpires} {
		if sameKey(key, own) {
			return true
		}
	}
	return false
}
