package amqp

import (
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
	"github.com/google/go-cmp/cmp"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

func TestFieldsOfAMessageAreProperties(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	m := &async.Message{
		ID: "id-1", Key: []byte("k"), Data: []byte("body"), Time: at, Expires: at.Add(time.Hour),
		Headers: async.Headers{
			{Key: async.HeaderContentType, Value: "text/plain"},
			{Key: "Content-Encoding", Value: "gzip"},
			{Key: async.HeaderType, Value: "placed"},
			{Key: correlation.HeaderID, Value: "corr-1"},
			{Key: "traceparent", Value: "00-x"},
		},
	}

	p, err := publishingOf(&config{}, m)
	if err != nil {
		t.Fatal(err)
	}

	want := amqp091.Publishing{
		MessageId: "id-1", Type: "placed", ContentType: "text/plain", ContentEncoding: "gzip", CorrelationId: "corr-1", DeliveryMode: amqp091.Persistent,
		Timestamp: at, Body: []byte("body"),
		Headers: amqp091.Table{
			async.HeaderKey: "k", correlation.HeaderID: "corr-1", "traceparent": "00-x",
			async.HeaderTime: "2026-01-02T03:04:05.6789Z", async.HeaderExpires: "2026-01-02T04:04:05.6789Z",
		},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatDoesNotFitAPropertyIsAHeader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	m := &async.Message{ID: long, Headers: async.Headers{{Key: async.HeaderType, Value: long}, {Key: correlation.HeaderID, Value: long}}}

	p, err := publishingOf(&config{}, m)
	if err != nil {
		t.Fatal(err)
	}

	if p.MessageId != "" || p.Type != "" || p.CorrelationId != "" {
		t.Errorf("properties: got ID %q, type %q, correlation ID %q, want none: they end the connection", p.MessageId, p.Type, p.CorrelationId)
	}
	var got async.Message
	fill(&got, &amqp091.Delivery{Headers: p.Headers}, nil)
	if got.ID != long || async.TypeOf(&got) != long || got.Headers.Get(correlation.HeaderID) != long {
		t.Errorf("received: got ID %.10q, type %.10q, correlation ID %.10q", got.ID, async.TypeOf(&got), got.Headers.Get(correlation.HeaderID))
	}
}

func TestAForeignMessageIsUnderstood(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	d := &amqp091.Delivery{
		RoutingKey: "orders.1", Body: []byte("b"), Timestamp: at, Type: "placed", ContentType: "text/plain", CorrelationId: "c",
		Headers: amqp091.Table{"count": int32(3), async.HeaderTime: "nonsense"},
	}
	var m async.Message

	fill(&m, d, KeyFromRoutingKey)

	if m.ID != "" || string(m.Key) != "orders.1" || !m.Time.Equal(at) || string(m.Data) != "b" {
		t.Errorf("got ID %q, key %q, time %v, data %q", m.ID, m.Key, m.Time, m.Data)
	}
	want := async.Headers{
		{Key: "count", Value: "3"},
		{Key: async.HeaderContentType, Value: "text/plain"},
		{Key: async.HeaderType, Value: "placed"},
		{Key: correlation.HeaderID, Value: "c"},
	}
	if diff := cmp.Diff(want, m.Headers); diff != "" {
		t.Errorf("headers (-want +got)\n%s", diff)
	}
}

func TestWhatIsSentAgainIsNotLedAstray(t *testing.T) {
	t.Parallel()
	d := amqp091.Delivery{
		UserId: "alice", Expiration: "5", DeliveryMode: amqp091.Transient, Priority: 3, ReplyTo: "r", MessageId: "m", Body: []byte("b"),
		Headers: amqp091.Table{"CC": []any{"other"}, "x-delivery-count": int64(2), headerAttempts: int64(1), "n": int32(7)},
	}
	it := &item{delivery: d, msg: async.Message{Attempt: 4, Key: []byte("from the routing key")}}

	want := amqp091.Publishing{
		DeliveryMode: amqp091.Persistent, Priority: 3, ReplyTo: "r", MessageId: "m", Body: []byte("b"),
		Headers: amqp091.Table{"n": int32(7), headerAttempts: int64(4), headerDeliveries: int64(3)},
	}
	if diff := cmp.Diff(want, it.retried()); diff != "" {
		t.Errorf("retried (-want +got)\n%s", diff)
	}
	dead := it.dead(longError(40_000), time.Now())
	if dead.UserId != "" || dead.Expiration != "" || dead.Headers["CC"] != nil || dead.Headers[async.HeaderKey] != "from the routing key" {
		t.Errorf("dead letter: got %+v", dead)
	}
	if cause, _ := dead.Headers[async.HeaderDeadCause].(string); len(cause) > mostCause+10 {
		t.Errorf("dead letter: got a cause of %d bytes: a header table must fit a frame", len(cause))
	}
}

type longError int

func (e longError) Error() string { return strings.Repeat("x", int(e)) }

func TestHeadersMustFitAFrame(t *testing.T) {
	t.Parallel()
	const frame = 4096
	p := amqp091.Publishing{
		MessageId: strings.Repeat("i", 255), Type: strings.Repeat("t", 255), CorrelationId: strings.Repeat("c", 255),
		Headers: amqp091.Table{"a": strings.Repeat("x", 3000)},
	}
	if err := fits(&p, frame); err != nil {
		t.Errorf("what fits: got %v", err)
	}
	p.Headers["b"] = strings.Repeat("x", 300)
	if err := fits(&p, frame); err == nil {
		t.Error("what does not fit: got no error")
	}
	if err := fits(&p, 0); err != nil {
		t.Errorf("without a limit: got %v", err)
	}
}
