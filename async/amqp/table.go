package amqp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beatlabs/patron/async"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// brokers are headers that the broker writes. Sent again they would be taken for its own: a count of deliveries, a circle of dead letters.
func brokers(key string) bool {
	switch key {
	case headerDeliveryCount, headerAcquiredCount, headerDeath:
		return true
	default:
		return strings.HasPrefix(key, "x-first-death-") || strings.HasPrefix(key, "x-last-death-")
	}
}

// routes are headers by which a sender names further queues. The broker takes nothing but lists of them.
func routes(key string) bool { return key == "CC" || key == "BCC" }

// tableOf returns h as a header table. Values are strings, and lists of strings where a key is there several times.
func tableOf(h async.Headers) (amqp091.Table, error) {
	t := make(amqp091.Table, len(h)+4)
	for _, e := range h {
		switch {
		case e.Key == "":
			return nil, fmt.Errorf("a header without a key, its value %.40q", e.Value)
		case len(e.Key) > maxName:
			return nil, fmt.Errorf("header %.40q…: key of %d bytes: want at most %d", e.Key, len(e.Key), maxName)
		case brokers(e.Key):
			continue
		}
		switch before := t[e.Key].(type) {
		case string:
			t[e.Key] = []any{before, e.Value}
		case []any:
			t[e.Key] = append(before, e.Value)
		default:
			t[e.Key] = e.Value
			if routes(e.Key) {
				t[e.Key] = []any{e.Value}
			}
		}
	}
	return t, nil
}

// headersOf returns t as headers, sorted by their keys, but for those that skip names. Whatever a table may hold becomes text: numbers in decimal, times as
// RFC 3339, bytes as they are, a list of strings as several headers, other lists and tables as JSON.
func headersOf(t amqp091.Table, skip func(key string) bool) async.Headers {
	var h async.Headers
	for key, value := range t {
		if skip(key) {
			continue
		}
		if h == nil {
			h = make(async.Headers, 0, len(t)+2) // of the properties
		}
		list, ok := value.([]any)
		if !ok || !texts(list) {
			h = append(h, async.Header{Key: key, Value: textOf(value)})
			continue
		}
		for _, v := range list {
			h = append(h, async.Header{Key: key, Value: textOf(v)})
		}
	}
	if len(h) < 2 {
		return h
	}
	slices.SortStableFunc(h, func(a, b async.Header) int { return strings.Compare(a.Key, b.Key) })
	return h
}

// texts reports whether a list is of strings alone, and of one at least.
func texts(list []any) bool {
	for _, v := range list {
		if _, ok := v.(string); !ok {
			return false
		}
	}
	return len(list) > 0
}

// textOf returns a value of a table as text.
func textOf(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case amqp091.Decimal:
		return decimal(v)
	case amqp091.Table, []any:
		text, err := json.Marshal(plain(v))
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(text)
	default:
		return fmt.Sprint(v) // integers
	}
}

// decimal writes a number with its point.
func decimal(d amqp091.Decimal) string {
	text := new(big.Int).Abs(big.NewInt(int64(d.Value))).String()
	if d.Scale > 0 {
		if missing := int(d.Scale) + 1 - len(text); missing > 0 {
			text = strings.Repeat("0", missing) + text
		}
		text = text[:len(text)-int(d.Scale)] + "." + text[len(text)-int(d.Scale):]
	}
	if d.Value < 0 {
		text = "-" + text
	}
	return text
}

// plain returns what JSON can say of a value. Bytes that are no text are in base64.
func plain(value any) any {
	switch v := value.(type) {
	case amqp091.Table:
		out := make(map[string]any, len(v))
		for key, e := range v {
			out[key] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		return base64.StdEncoding.EncodeToString(v)
	case float32:
		return plain(float64(v))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return textOf(v)
		}
		return v
	case time.Time, amqp091.Decimal:
		return textOf(v)
	default:
		return v
	}
}

// sizeOf returns how many bytes a table has on the wire, or a little more.
func sizeOf(t amqp091.Table) int {
	n := 4
	for key, value := range t {
		n += 1 + len(key) + fieldSize(value)
	}
	return n
}

func fieldSize(value any) int {
	switch v := value.(type) {
	case string:
		return 5 + len(v)
	case []byte:
		return 5 + len(v)
	case amqp091.Table:
		return 1 + sizeOf(v)
	case []any:
		n := 5
		for _, e := range v {
			n += fieldSize(e)
		}
		return n
	default:
		return 9
	}
}
