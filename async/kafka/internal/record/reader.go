package record

import (
	"strconv"
	"time"

	"github.com/beatlabs/patron/async"
)

// Reader reads the headers of one record into a message. The zero value is one for a record that is in its own topic.
//
//	r := record.Reader{Headers: len(rec.Headers)}
//	for _, h := range rec.Headers {
//		r.Read(m, h.Key, h.Value)
//	}
//	r.End(m, record.Position{…})
type Reader struct {
	Headers  int       // how many the record has: what memory to set aside
	Position Position  // where the message was before; its Topic is "" if the record does not say
	Attempts int       // starts of the handler before
	Due      time.Time // not given before; zero: at once
	Removes  bool      // the record removes a dead letter, and is no message
	Removed  int64     // the offset of that
}

// Read takes one header of the record of m. What is not ours, or cannot be read, is a header of the message. It keeps neither key nor value if the
// caller does not change the key's bytes, as a string cannot be.
func (r *Reader) Read(m *async.Message, key string, value []byte) {
	if k := kindOf(key); k != foreign && r.take(m, k, value) {
		return
	}
	if m.Headers == nil {
		m.Headers = make(async.Headers, 0, max(1, r.Headers))
	}
	m.Headers = append(m.Headers, async.Header{Key: key, Value: string(value)})
}

// take reads a header of ours, and reports false if it makes no sense.
func (r *Reader) take(m *async.Message, k kind, value []byte) bool {
	switch k {
	case ofID:
		m.ID = string(value)
		return true
	case ofTime:
		return readTime(&m.Time, value)
	case ofDue:
		return readTime(&m.Due, value)
	case ofExpires:
		return readTime(&m.Expires, value)
	case ofRetryDue:
		return readTime(&r.Due, value)
	case ofPosition:
		p, ok := ParsePosition(string(value))
		if ok {
			r.Position = p
		}
		return ok
	case ofAttempts:
		n, err := strconv.Atoi(string(value))
		if err != nil || n < 0 {
			return false
		}
		r.Attempts = n
		return true
	case ofRemoved:
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 {
			return false
		}
		r.Removes, r.Removed = true, n
		return true
	case foreign:
	}
	return false
}

func readTime(t *time.Time, value []byte) bool {
	read, err := time.Parse(time.RFC3339Nano, string(value))
	if err == nil {
		*t = read
	}
	return err == nil
}

// End is called after the last header of a record that is at p. A message without an ID gets its position for one: that where it was first.
func (r *Reader) End(m *async.Message, p Position) {
	if r.Position.Topic == "" {
		r.Position = p
	}
	if m.ID == "" {
		m.ID = r.Position.String()
	}
}
