package record

import (
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
)

// The headers that the drivers of Kafka write beside those of package async.
const (
	HeaderPosition = "Patron-Position"       // where the message was before it was retried or dead, see [Position]
	HeaderAttempts = "Patron-Retry-Attempts" // starts of the handler before
	HeaderDue      = "Patron-Retry-Due"      // not given before; RFC 3339 with nanoseconds
	HeaderRemoved  = "Patron-Dead-Removed"   // the offset of a dead letter in the same partition that is removed
)

// nearby is how far the time of a message may be from now to be the timestamp of its record. Brokers delete by timestamp, refuse those that are too
// far ahead, and look for a time in an index that wants them about in order.
const nearby = time.Hour

// Stamp returns the timestamp of a record that is written now: the time of the message, or now, if that is far away. Then the time travels in a header.
func Stamp(m *async.Message, now time.Time) time.Time {
	if d := now.Sub(m.Time); m.Time.IsZero() || d > nearby || d < -nearby {
		return now
	}
	return m.Time
}

// Headers returns the headers of the record of m with a timestamp. They share nothing that changes with m.
func Headers(m *async.Message, stamp time.Time) async.Headers {
	hh := make(async.Headers, 0, len(m.Headers)+4)
	if m.ID != "" {
		hh = append(hh, async.Header{Key: async.HeaderID, Value: m.ID})
	}
	if !m.Time.IsZero() && m.Time.UnixMilli() != stamp.UnixMilli() {
		hh = append(hh, at(async.HeaderTime, m.Time))
	}
	if !m.Due.IsZero() {
		hh = append(hh, at(async.HeaderDue, m.Due))
	}
	if !m.Expires.IsZero() {
		hh = append(hh, at(async.HeaderExpires, m.Expires))
	}
	for _, h := range m.Headers {
		if kindOf(h.Key) == foreign {
			hh = append(hh, h)
		}
	}
	return hh
}

func at(key string, t time.Time) async.Header {
	return async.Header{Key: key, Value: t.UTC().Format(time.RFC3339Nano)}
}

// Retry returns the headers of the record of m in a retry topic: it was at p, was started so often, and is due at a time.
func Retry(m *async.Message, stamp time.Time, p Position, attempts int, due time.Time) async.Headers {
	return append(Headers(m, stamp),
		async.Header{Key: HeaderPosition, Value: p.String()},
		async.Header{Key: HeaderAttempts, Value: strconv.Itoa(max(0, attempts))},
		at(HeaderDue, due))
}

// Dead returns the headers of the record of m in a dead-letter topic: it was at p, died of cause after so many starts, and is written at a time.
func Dead(m *async.Message, stamp time.Time, p Position, cause error, attempts int) async.Headers {
	letter := async.Message{Headers: Headers(m, stamp)}
	async.MarkDead(&letter, cause, attempts, &async.Source{Name: p.Topic, Partition: p.Partition}, stamp)
	return append(letter.Headers, async.Header{Key: HeaderPosition, Value: p.String()})
}

// Removal returns the headers of the record that removes the dead letter at offset in the same partition.
func Removal(offset int64) async.Headers {
	return async.Headers{{Key: HeaderRemoved, Value: strconv.FormatInt(offset, 10)}}
}

// kind says what a header is to us.
type kind uint8

const (
	foreign kind = iota // the message's own
	ofID
	ofTime
	ofDue
	ofExpires
	ofPosition
	ofAttempts
	ofRetryDue
	ofRemoved
)

// kindOf looks at the first letter and the length before it compares: almost all headers are foreign.
func kindOf(key string) kind {
	if len(key) < len(HeaderPosition) || key[0]|0x20 != 'p' || key[6] != '-' {
		return foreign
	}
	switch {
	case same(key, async.HeaderID):
		return ofID
	case same(key, async.HeaderTime):
		return ofTime
	case same(key, async.HeaderDue):
		return ofDue
	case same(key, async.HeaderExpires):
		return ofExpires
	case same(key, HeaderPosition):
		return ofPosition
	case same(key, HeaderAttempts):
		return ofAttempts
	case same(key, HeaderDue):
		return ofRetryDue
	case same(key, HeaderRemoved):
		return ofRemoved
	default:
		return foreign
	}
}

func same(a, b string) bool { return a == b || len(a) == len(b) && strings.EqualFold(a, b) }
