package sql

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// columns are those of a row, in the order of its args.
const columns = "queue, lane, msg_id, msg_key, headers, data, published, scheduled, expires"

// columnsOf is how many these are.
const columnsOf = 9

// row is a message as the tables have it.
type row struct {
	queue     string
	lane      []byte // nil: no order
	slot      int    // whose lock its writer takes
	id        string
	key       []byte
	headers   string
	data      []byte
	published int64
	scheduled int64 // 0: at once
	expires   int64 // 0: never
}

// args are the values of columns.
func (r *row) args() []any {
	return []any{r.queue, null(r.lane), r.id, null(r.key), r.headers, r.data, r.published, r.scheduled, r.expires}
}

func null(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// Bounds that the tables set. The database has further ones, to the size of a row for instance, and says so itself.
const (
	mostID    = 255
	mostQueue = 100
)

// newRow returns m as a row of queue. The error is permanent.
func newRow(queue string, m *async.Message, unordered bool) (*row, error) {
	switch {
	case len(m.ID) > mostID:
		return nil, reliability.Permanent(fmt.Errorf("id of %d bytes: want at most %d", len(m.ID), mostID))
	case !utf8.ValidString(m.ID) || slices.Contains([]byte(m.ID), 0):
		return nil, reliability.Permanent(fmt.Errorf("id %q: want UTF-8 without a zero byte", m.ID))
	}
	headers, err := encodeHeaders(m.Headers)
	if err != nil {
		return nil, reliability.Permanent(fmt.Errorf("headers: %w", err))
	}
	r := &row{
		queue: queue, id: m.ID, headers: headers, data: slices.Clone(m.Data),
		published: micros(m.Time), scheduled: micros(m.Due), expires: micros(m.Expires),
	}
	if r.data == nil {
		r.data = []byte{}
	}
	if len(m.Key) > 0 {
		r.key = slices.Clone(m.Key)
	}
	if r.key != nil && !unordered {
		r.lane, r.slot = laneOf(r.key), slotOf(queue, r.key)
	}
	return r, nil
}

// laneOf is what the tables know a key by, whose length has no bound: so much of its hash that two keys never share it.
func laneOf(key []byte) []byte {
	sum := sha256.Sum256(key)
	return sum[:16]
}

// slotOf is which of the locks the writers of key take.
func slotOf(queue string, key []byte) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(queue)) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(key)
	return int(h.Sum64() % slots)
}

// micros is a time as the tables have it; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// encodeHeaders writes headers as JSON that a person can read in the table, [["key", "value"], …]. What is no UTF-8, or has a zero byte, which PostgreSQL does
// not take, stands in base 64 with a third element behind it.
func encodeHeaders(h async.Headers) (string, error) {
	if len(h) == 0 {
		return "[]", nil
	}
	pairs := make([][]string, len(h))
	for i := range h {
		if utf8.ValidString(h[i].Key) && utf8.ValidString(h[i].Value) {
			pairs[i] = []string{h[i].Key, h[i].Value}
			continue
		}
		pairs[i] = []string{base64.StdEncoding.EncodeToString([]byte(h[i].Key)), base64.StdEncoding.EncodeToString([]byte(h[i].Value)), "base64"}
	}
	text, err := json.Marshal(pairs)
	return string(text), err
}

func decodeHeaders(text string) (async.Headers, error) {
	if text == "" || text == "[]" {
		return nil, nil
	}
	var pairs [][]string
	if err := json.Unmarshal([]byte(text), &pairs); err != nil {
		return nil, err
	}
	h := make(async.Headers, 0, len(pairs))
	for i, pair := range pairs {
		switch {
		case len(pair) == 2:
			h = append(h, async.Header{Key: pair[0], Value: pair[1]})
		case len(pair) == 3 && pair[2] == "base64":
			key, err := base64.StdEncoding.DecodeString(pair[0])
			if err != nil {
				return nil, fmt.Errorf("header %d: %w", i, err)
			}
			value, err := base64.StdEncoding.DecodeString(pair[1])
			if err != nil {
				return nil, fmt.Errorf("header %d: %w", i, err)
			}
			h = append(h, async.Header{Key: string(key), Value: string(value)})
		default:
			return nil, fmt.Errorf("header %d has %d elements: want a key and a value", i, len(pair))
		}
	}
	return h, nil
}

// scanner is a row of a result.
type scanner interface{ Scan(dest ...any) error }

// scanMessage reads the columns of a message, then more.
func scanMessage(rows scanner, source *async.Source, more ...any) (*async.Message, error) {
	var r row
	dest := append([]any{&r.queue, &r.lane, &r.id, &r.key, &r.headers, &r.data, &r.published, &r.scheduled, &r.expires}, more...)
	if err := rows.Scan(dest...); err != nil {
		return nil, err
	}
	headers, err := decodeHeaders(r.headers)
	if err != nil { // somebody else has written them: the message must reach its handler all the same, not stop the queue
		headers = async.Headers{{Key: "Patron-Unreadable-Headers", Value: r.headers}}
	}
	m := &async.Message{
		ID: r.id, Key: r.key, Source: source, Data: r.data, Headers: headers,
		Time: timeOf(r.published), Due: timeOf(r.scheduled), Expires: timeOf(r.expires),
	}
	if len(r.key) == 0 {
		m.Key = nil
	}
	return m, nil
}
