package amqp

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/google/go-cmp/cmp"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

func TestEveryTypeOfATableBecomesText(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		value any
		want  string
	}{
		"nothing":           {nil, ""},
		"text":              {"grüße", "grüße"},
		"bytes":             {[]byte{0xff, 0}, "\xff\x00"},
		"true":              {true, "true"},
		"a byte":            {byte(200), "200"},
		"a signed byte":     {int8(-5), "-5"},
		"a short":           {int16(-300), "-300"},
		"an unsigned short": {uint16(65535), "65535"},
		"an int":            {int32(-70000), "-70000"},
		"an unsigned int":   {uint32(math.MaxUint32), "4294967295"},
		"a long":            {int64(math.MinInt64), "-9223372036854775808"},
		"a float":           {float32(0.1), "0.1"},
		"a double":          {1e21, "1e+21"},
		"not a number":      {math.NaN(), "NaN"},
		"a decimal":         {amqp091.Decimal{Scale: 2, Value: 12345}, "123.45"},
		"a small decimal":   {amqp091.Decimal{Scale: 3, Value: -5}, "-0.005"},
		"a whole decimal":   {amqp091.Decimal{Value: 7}, "7"},
		"the least decimal": {amqp091.Decimal{Scale: 1, Value: math.MinInt32}, "-214748364.8"},
		"a time":            {time.Unix(1, 0), "1970-01-01T00:00:01Z"},
		"an empty list":     {[]any{}, "[]"},
		"a mixed list":      {[]any{int32(1), "a", nil, []byte{0xff}}, `[1,"a",null,"/w=="]`},
		"a table": {
			amqp091.Table{"b": int64(1), "a": amqp091.Table{"t": time.Unix(1, 0), "n": math.Inf(1)}}, `{"a":{"n":"+Inf","t":"1970-01-01T00:00:01Z"},"b":1}`,
		},
	} {
		got := headersOf(amqp091.Table{"k": tc.value}, ours)
		if diff := cmp.Diff(async.Headers{{Key: "k", Value: tc.want}}, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestAListOfTextsIsAHeaderForEach(t *testing.T) {
	t.Parallel()
	sent := async.Headers{{Key: "A", Value: "1"}, {Key: "B", Value: "x"}, {Key: "A", Value: "2"}, {Key: "CC", Value: "other"}}

	table, err := tableOf(sent)
	if err != nil {
		t.Fatal(err)
	}

	if _, ok := table["CC"].([]any); !ok {
		t.Errorf("CC: got %T, want a list: the broker closes the channel over anything else", table["CC"])
	}
	want := async.Headers{{Key: "A", Value: "1"}, {Key: "A", Value: "2"}, {Key: "B", Value: "x"}, {Key: "CC", Value: "other"}}
	if diff := cmp.Diff(want, headersOf(table, ours)); diff != "" {
		t.Errorf("there and back (-want +got)\n%s", diff)
	}
}

func TestHeadersThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]async.Headers{
		"no key":     {{Key: "", Value: "v"}},
		"a long key": {{Key: strings.Repeat("k", 256), Value: "v"}},
	} {
		if _, err := tableOf(h); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestWhatTheBrokerWritesIsNotSentAgain(t *testing.T) {
	t.Parallel()
	table, err := tableOf(async.Headers{
		{Key: "x-death", Value: "[]"},
		{Key: "x-delivery-count", Value: "7"},
		{Key: "x-acquired-count", Value: "7"},
		{Key: "x-first-death-queue", Value: "q"},
		{Key: "x-last-death-reason", Value: "expired"},
		{Key: "x-own", Value: "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(amqp091.Table{"x-own": "1"}, table); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// FuzzHeaderTable goes there and back: no header is lost, no value changed, and the size that is compared with a frame is never less than what is written.
func FuzzHeaderTable(f *testing.F) {
	f.Add("Content-Type", "application/json", "X-Own", "grüße", []byte{0xff, 0}, int64(-1))
	f.Add("CC", "a", "CC", "b", []byte(nil), int64(0))
	f.Add("x-death", "", "", "x", []byte("k"), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string, blob []byte, number int64) {
		sent := async.Headers{{Key: key1, Value: value1}, {Key: key2, Value: value2}}
		table, err := tableOf(sent)
		if refused := len(key1) > maxName || len(key2) > maxName || key1 == "" || key2 == ""; refused || err != nil {
			if !refused || err == nil {
				t.Fatalf("keys %q and %q: got %v, refused: %t", key1, key2, err, refused)
			}
			return
		}
		if err := table.Validate(); err != nil {
			t.Fatalf("table %v: %v", table, err)
		}
		got := headersOf(table, func(string) bool { return false })
		for _, h := range sent {
			if found := slices.Contains(got, h); found == brokers(h.Key) {
				t.Fatalf("header %q: %q: found again: %t", h.Key, h.Value, found)
			}
		}
		var body async.Message
		foreign := amqp091.Table{
			key1: blob, key2: number, async.HeaderKey: blob, headerAttempts: number, async.HeaderTime: value1, headerDeath: []any{amqp091.Table{key1: blob}},
		}
		fill(&body, &amqp091.Delivery{Headers: foreign, Type: value1, CorrelationId: value2}, nil)
		if numberOf(foreign, headerAttempts) < 0 || deliveries(foreign) < 1 {
			t.Fatalf("counts of %v are negative", foreign)
		}
		again, err := tableOf(body.Headers)
		if err != nil || again.Validate() != nil {
			t.Fatalf("what was received cannot be sent: %v", err)
		}
	})
}
