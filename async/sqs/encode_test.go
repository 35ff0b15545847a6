package sqs

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
	"github.com/google/go-cmp/cmp"
)

// travel returns m as a consumer gets it.
func travel(tb testing.TB, m *async.Message, fifo bool) *async.Message {
	tb.Helper()
	e, err := encode(m, fifo, false)
	if err != nil {
		tb.Fatal(err)
	}
	return arrive(tb, e, fifo)
}

func arrive(tb testing.TB, e entry, fifo bool) *async.Message {
	tb.Helper()
	id := "0"
	in := types.SendMessageBatchRequestEntry{
		Id: &id, MessageBody: &e.body, MessageAttributes: sqsAttributes(e.attributes), MessageGroupId: optional(e.group),
		MessageDeduplicationId: optional(e.dedup),
	}
	if why := (&fakeQueue{fifo: fifo}).refusal(&in); why != "" {
		tb.Fatalf("SQS refuses it: %s", why)
	}
	if got := sizeOf(&in); got != e.size {
		tb.Errorf("size: got %d, want %d", e.size, got)
	}
	raw := &types.Message{Body: &e.body, MessageAttributes: in.MessageAttributes, Attributes: map[string]string{}}
	if e.group != "" {
		raw.Attributes["MessageGroupId"] = e.group
	}
	got := &async.Message{}
	decode(got, raw, EnvelopeAuto, &async.Source{Name: "orders", Partition: -1}, fifo)
	return got
}

// isSame fails the test unless got is what was sent.
func isSame(tb testing.TB, got, sent *async.Message) {
	tb.Helper()
	if got.ID != sent.ID || !bytes.Equal(got.Key, sent.Key) || !bytes.Equal(got.Data, sent.Data) {
		tb.Errorf("got ID %q, key %q, data %q, want %q, %q, %q", got.ID, got.Key, got.Data, sent.ID, sent.Key, sent.Data)
	}
	if !got.Time.Equal(sent.Time) || !got.Expires.Equal(sent.Expires) || !got.Due.Equal(sent.Due) {
		tb.Errorf("got times %v, %v, %v, want %v, %v, %v", got.Time, got.Expires, got.Due, sent.Time, sent.Expires, sent.Due)
	}
	for _, h := range sent.Headers {
		if want := sent.Headers.Get(h.Key); !got.Headers.Has(h.Key) || got.Headers.Get(h.Key) != want && !strings.EqualFold(h.Key, "dup") {
			tb.Errorf("header %q: got %q, want %q", h.Key, got.Headers.Get(h.Key), want)
		}
	}
	if len(got.Headers) != len(sent.Headers) {
		tb.Errorf("got headers %q, want %q", got.Headers, sent.Headers)
	}
}

func TestMessagesArriveAsTheyWereSent(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*async.Message{
		"empty":                {ID: "1"},
		"text":                 {ID: "1", Data: []byte("grüße\r\n\t\U0001F600"), Key: []byte("k")},
		"binary":               {ID: "1", Data: []byte{0, 0xff}, Key: []byte{0xff, 0}},
		"what XML refuses":     {ID: "1", Data: []byte("a\uffffb")},
		"the word for empty":   {ID: "1", Data: []byte(EncodingEmpty)},
		"a surrogate":          {ID: "1", Data: []byte{0xed, 0xa0, 0x80}},
		"what looks as base64": {ID: "1", Data: []byte("aGFsbG8=")},
		"a strange ID":         {ID: "\x00 " + strings.Repeat("i", 200), Key: []byte(strings.Repeat("k", 200))},
		"keys like our groups": {ID: "1", Key: []byte(keylessGroup + "x")},
		"times": {
			ID: "1", Time: time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC), Due: time.Unix(1, 0), Expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		},
		"headers that are no attributes": {ID: "1", Headers: async.Headers{
			{Key: "X-Empty"},
			{Key: "AWS.Trace", Value: "1"},
			{Key: "a b", Value: "2"},
			{Key: ".dot", Value: "3"},
			{Key: "b..c", Value: "4"},
			{Key: "X-Binary", Value: "\x00\xff"},
			{Key: "Grüße", Value: "5"},
			{Key: "X-Plain", Value: "6"},
			{Key: "", Value: "7"},
		}},
	} {
		for kind, fifo := range map[string]bool{"standard": false, "FIFO": true} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				got := travel(t, m, fifo)
				isSame(t, got, m)
				if hasLane := got.Lane != (async.Lane{}); hasLane != (fifo && len(m.Key) > 0) {
					t.Errorf("key %q, FIFO %t: it has a lane: %t", m.Key, fifo, hasLane)
				}
			})
		}
	}
}

func TestMoreThanTenHeadersArePackedOurOwnFirst(t *testing.T) {
	t.Parallel()
	for n := range 16 {
		m := &async.Message{ID: "1", Time: time.Unix(1, 0).UTC(), Key: []byte("k"), Data: []byte("x")}
		for i := range n {
			m.Headers.Set("X-"+strconv.Itoa(i), strconv.Itoa(i))
		}
		e, err := encode(m, false, false)
		if err != nil {
			t.Fatal(err)
		}
		plain := 0
		for _, a := range e.attributes {
			if strings.HasPrefix(a.name, "X-") {
				plain++
			}
		}
		if want := min(n, 9); len(e.attributes) > mostAttributes || plain < want {
			t.Errorf("%d headers: got %d attributes, %d of them the user's, want at most %d and at least %d", n, len(e.attributes), plain, mostAttributes, want)
		}
		isSame(t, arrive(t, e, false), m)
	}
}

func TestWhatIsTooLargeIsRefusedForGood(t *testing.T) {
	t.Parallel()
	m := &async.Message{ID: "large", Data: bytes.Repeat([]byte("x"), mostBytes)}
	_, err := encode(m, false, false)
	if reliability.Classify(err) != reliability.ClassPermanent || !strings.Contains(fmt.Sprint(err), `message "large"`) ||
		!strings.Contains(err.Error(), "want at most 1048576") {
		t.Errorf("got %v, want a permanent error with the message and the limit", err)
	}
	m.Data = m.Data[:mostBytes-100]
	if _, err := encode(m, false, false); err != nil {
		t.Errorf("got %v, want it taken", err)
	}
}

func TestAReplayedMessageIsAnotherOneForDeduplication(t *testing.T) {
	t.Parallel()
	m := &async.Message{ID: "536365"}
	first := dedupOf(m)
	m.Headers.Set(async.HeaderDeadHistory, `[{"cause":"poison"}]`)
	replayed := dedupOf(m)
	if first != "536365" || replayed == first || replayed != dedupOf(m) || !validID(replayed) {
		t.Errorf("got %q and %q, want the ID, and another one that stays the same", first, replayed)
	}
}

func TestDamagedHeadersEndWhereTheyAreDamaged(t *testing.T) {
	t.Parallel()
	whole := pack([]attribute{{name: "a", value: "1"}, {name: "b", value: "2"}})
	for cut := range len(whole) {
		if got := unpack(whole[:cut]); len(got) != cut/4 {
			t.Errorf("%d of %d bytes: got %v, want %d headers", cut, len(whole), got, cut/4)
		}
	}
	if got := unpack("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"); len(got) != 0 {
		t.Errorf("an impossible length: got %v", got)
	}
}

func TestTheTraceHeaderOfAWSIsATraceparentAndBack(t *testing.T) {
	t.Parallel()
	const parent, trace = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	if got := xray(parent); got != trace {
		t.Errorf("got %q, want %q", got, trace)
	}
	for in, want := range map[string]string{
		trace: parent,
		"Self=1-a-b; Root=1-5759e988-bd862e3fe1be46a994272793; Parent=53995c3f42cd8ad8": strings.TrimSuffix(parent, "01") + "00",
		"Root=1-5759e988-bd862e3fe1be46a994272793":                                      "",
		"Root=1-5759e988-XX862e3fe1be46a994272793;Parent=53995c3f42cd8ad8":              "",
		"": "", "Root": "", ";;=": "",
	} {
		if got := traceparent(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"", "00-1-2-3", "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-zz"} {
		if got := xray(in); got != "" {
			t.Errorf("%q: got %q, want nothing", in, got)
		}
	}
	raw := &types.Message{Attributes: map[string]string{"AWSTraceHeader": trace}}
	m := &async.Message{}
	decode(m, raw, EnvelopeAuto, nil, false)
	if got := m.Headers.Get("traceparent"); got != parent {
		t.Errorf("a message with a trace header of AWS alone: got traceparent %q, want %q", got, parent)
	}
}

func TestTheTimeOfAForeignMessageIsInMilliseconds(t *testing.T) {
	t.Parallel()
	m := &async.Message{}
	id, body := "5fea7756", "hello"
	decode(m, &types.Message{MessageId: &id, Body: &body, Attributes: map[string]string{"SentTimestamp": "1700000000123"}}, EnvelopeAuto, nil, false)
	if want := time.Date(2023, 11, 14, 22, 13, 20, 123_000_000, time.UTC); !m.Time.Equal(want) || m.ID != id || string(m.Data) != body {
		t.Errorf("got time %v, ID %q, data %q, want %v, %q, %q", m.Time, m.ID, m.Data, want, id, body)
	}
}

const envelopeBody = `{
  "Type" : "Notification", "MessageId" : "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Subject" : "My First Message", "Message" : "Hello \"world\"!", "Timestamp" : "2012-05-02T00:54:06.655Z", "SignatureVersion" : "1",
  "MessageAttributes" : {"X-One" : {"Type":"String","Value":"1"}, "X-Binary" : {"Type":"Binary","Value":"AP8="}}
}`

func TestEnvelopesAreTakenOff(t *testing.T) {
	t.Parallel()
	const (
		own   = `{"Type":"order","Message":"paid","amount":3}`
		empty = `{"Type":"Notification","TopicArn":"arn:x","MessageId":"1"}`
	)
	for name, tc := range map[string]struct {
		envelope Envelope
		body     string
		want     string
	}{
		"one":                            {EnvelopeAuto, envelopeBody, `Hello "world"!`},
		"one, forced":                    {EnvelopeSNS, envelopeBody, `Hello "world"!`},
		"one, raw":                       {EnvelopeRaw, envelopeBody, envelopeBody},
		"a document with similar fields": {EnvelopeAuto, own, own},
		"the same, forced":               {EnvelopeSNS, own, "paid"},
		"not a document":                 {EnvelopeAuto, `{"TopicArn" "Notification" "Message"`, `{"TopicArn" "Notification" "Message"`},
		"no message":                     {EnvelopeAuto, empty, empty},
		"text, forced":                   {EnvelopeSNS, "hello", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &async.Message{}
			id := "sqs-id"
			decode(m, &types.Message{MessageId: &id, Body: &tc.body}, tc.envelope, nil, false)
			if string(m.Data) != tc.want {
				t.Errorf("got %q, want %q", m.Data, tc.want)
			}
		})
	}

	m := &async.Message{}
	body := envelopeBody
	decode(m, &types.Message{Body: &body}, EnvelopeAuto, nil, false)
	want := async.Headers{
		{Key: "X-Binary", Value: "\x00\xff"},
		{Key: "X-One", Value: "1"},
		{Key: HeaderTopic, Value: "arn:aws:sns:us-west-2:123456789012:MyTopic"},
		{Key: HeaderSubject, Value: "My First Message"},
	}
	if diff := cmp.Diff(want, m.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if m.ID != "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324" || m.Time.UnixMilli() != 1335920046655 {
		t.Errorf("got ID %q, time %v", m.ID, m.Time)
	}
}

func TestQueuesAreNamedInThreeWays(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]*queue{
		"orders":      {name: "orders"},
		"orders.fifo": {name: "orders.fifo", fifo: true},
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders":  {name: "orders"},
		"http://127.0.0.1:9324/000000000000/orders.fifo":           {name: "orders.fifo", fifo: true},
		"arn:aws:sqs:eu-west-1:123456789012:orders":                {name: "orders", owner: "123456789012"},
		"arn:aws-cn:sqs:cn-north-1:123456789012:orders_2-new.fifo": {name: "orders_2-new.fifo", owner: "123456789012", fifo: true},
	} {
		q, err := parseQueue(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if q.name != want.name || q.owner != want.owner || q.fifo != want.fifo {
			t.Errorf("%s: got %q, %q, FIFO %t", in, q.name, q.owner, q.fifo)
		}
	}
	for in, want := range map[string]string{
		"":                      "queue is empty",
		".fifo":                 `queue name ".fifo"`,
		"or ders":               "want letters, digits",
		strings.Repeat("q", 81): "want 1 to 80 characters",
		"https://user:secret@sqs.eu-west-1.amazonaws.com/1/orders": "want one without",
		"ftp://host/1/orders":                 "want http or https",
		"https://host/":                       "queue name",
		"https://ho st/":                      "cannot be read",
		"arn:aws:sns:eu-west-1:123456:orders": "want an ARN such as",
	} {
		_, err := parseQueue(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want it to say %q and no secret", in, err, want)
		}
	}
}

func TestAllFaultsOfOptionsAreSaid(t *testing.T) {
	t.Parallel()
	_, err := New(nil, "or ders", nil, WithReceivers(0), WithWait(0), WithWait(21*time.Second), WithVisibility(time.Millisecond),
		WithVisibility(13*time.Hour), WithDeadLetterQueue(""), WithEnvelope(7))
	for _, want := range []string{
		"client is nil", "queue name", "option 0 is nil", "receivers 0: want 1 to 100", "wait 0s: want", "wait 21s", "visibility 1ms", "visibility 13h",
		"dead letter queue: queue is empty", "envelope 7",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	_, err = NewPublisher(nil, "", nil, WithLinger(-1))
	for _, want := range []string{"client is nil", "queue is empty", "option 0 is nil", "linger -1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	_, err = NewSNSPublisher(nil, "orders", WithXRay())
	for _, want := range []string{"client is nil", `topic "orders"`, "X-Ray"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	if _, err = New(newFake(), "orders", WithDeadLetterQueue("orders")); err == nil || !strings.Contains(err.Error(), "want another queue") {
		t.Errorf("a queue for its own dead letters: got %v, want a refusal", err)
	}
	f, err := New(newFake("orders"), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := async.New("c", f, func(context.Context, *async.Message) error { return nil }, async.WithHandlerTimeout(13*time.Hour)); err == nil {
		t.Error("a handler that may take 13 hours: got nil, want a refusal")
	}
}

func FuzzMessages(f *testing.F) {
	f.Add("id", []byte("key"), []byte("data"), "X-One", "1", "x", "\x00", true)
	f.Add("", []byte(nil), []byte(nil), "", "", HeaderPacked, "y", false)
	f.Add("i d", []byte("patron.hash.1"), []byte("\xff"), "AWS.x", "z", "dup", "dup", true)
	f.Fuzz(func(t *testing.T, id string, key, data []byte, h1, v1, h2, v2 string, fifo bool) {
		m := &async.Message{ID: id, Key: key, Data: data}
		for _, h := range []async.Header{{Key: h1, Value: v1}, {Key: h2, Value: v2}} {
			if !isField(h.Key) && !m.Headers.Has(h.Key) {
				m.Headers = append(m.Headers, h)
			}
		}
		e, err := encode(m, fifo, false)
		if err != nil {
			return // too large
		}
		if unwrapped, ok := unwrap(e.body, EnvelopeAuto); ok {
			t.Skip("it is an envelope: ", unwrapped.id)
		}
		got := arrive(t, e, fifo)
		if fifo && id == "" && len(key) == 0 {
			got.ID = ""
		}
		isSame(t, got, m)
	})
}

func FuzzEnvelopes(f *testing.F) {
	f.Add(envelopeBody)
	f.Add(`{"Message":"x"}`)
	f.Add(`{"Type":"Notification","MessageId":"1","TopicArn":"arn:","Message":"x","MessageAttributes":{"Patron-Headers":{"Type":"Binary","Value":"AWEBMQ=="}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, e := range []Envelope{EnvelopeAuto, EnvelopeSNS, EnvelopeRaw} {
			m := &async.Message{}
			decode(m, &types.Message{Body: &body}, e, nil, true)
			if e == EnvelopeRaw && string(m.Data) != body {
				t.Errorf("raw: got %q, want %q", m.Data, body)
			}
		}
	})
}
