package amqp

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// System is what the spans and metrics of this broker are called.
const system = "rabbitmq"

// Headers of the broker.
const (
	headerDeliveryCount = "x-delivery-count" // of quorum queues: deliveries before this one that failed
	headerAcquiredCount = "x-acquired-count" // of quorum queues since RabbitMQ 4: all deliveries before this one
	headerDeath         = "x-death"          // why the broker itself moved the message
)

// Headers of this package that are not part of a message.
const (
	headerAttempts   = "Patron-Amqp-Attempts"   // starts before it was sent to a queue again
	headerDeliveries = "Patron-Amqp-Deliveries" // deliveries before that
	headerLetter     = "Patron-Amqp-Letter"     // tells one writing of a dead letter from the next
)

// The properties that are fields of a message or stand for headers.
const (
	headerEncoding = "Content-Encoding"
)

// publishingOf returns what is sent of m. The body is a copy: the broker may still read it when the sender has long gone on.
func publishingOf(c *config, m *async.Message) (amqp091.Publishing, error) {
	t, err := tableOf(m.Headers)
	if err != nil {
		return amqp091.Publishing{}, err
	}
	p := amqp091.Publishing{Headers: t, DeliveryMode: amqp091.Persistent, Timestamp: m.Time, Body: append([]byte(nil), m.Data...)}
	if c.transient {
		p.DeliveryMode = amqp091.Transient
	}
	delete(t, async.HeaderID)
	if len(m.ID) <= maxName {
		p.MessageId = m.ID
	} else {
		t[async.HeaderID] = m.ID
	}
	delete(t, async.HeaderKey)
	if len(m.Key) > 0 {
		t[async.HeaderKey] = text(m.Key)
	}
	p.ContentType = moved(t, async.HeaderContentType)
	p.ContentEncoding = moved(t, headerEncoding)
	p.Type = moved(t, async.HeaderType)
	if id := m.Headers.Get(correlation.HeaderID); len(id) <= maxName {
		p.CorrelationId = id
	}
	stamp(t, async.HeaderTime, m.Time)
	stamp(t, async.HeaderDue, m.Due)
	stamp(t, async.HeaderExpires, m.Expires)
	if c.brokerExpires && !m.Expires.IsZero() {
		p.Expiration = strconv.FormatInt(max(0, time.Until(m.Expires).Milliseconds()), 10)
	}
	return p, nil
}

// text returns b as the type that says whether it is text.
func text(b []byte) any {
	if utf8.Valid(b) {
		return string(b)
	}
	return append([]byte(nil), b...)
}

// moved takes a header out of the table, for the property that says the same. One that does not fit stays.
func moved(t amqp091.Table, key string) string {
	value, ok := t[key].(string)
	if !ok || len(value) > maxName {
		return ""
	}
	delete(t, key)
	return value
}

// stamp writes a time in full: the properties of AMQP know whole seconds.
func stamp(t amqp091.Table, key string, at time.Time) {
	delete(t, key)
	if !at.IsZero() {
		t[key] = at.UTC().Format(time.RFC3339Nano)
	}
}

// fits says why a message cannot be sent in frames of a size: its headers must be in one frame.
func fits(p *amqp091.Publishing, frame int) error {
	around := 64 // the frame itself, and what properties there are beside these
	for _, s := range [...]string{
		p.ContentType, p.ContentEncoding, p.CorrelationId, p.ReplyTo, p.Expiration, p.MessageId, p.Type, p.UserId, p.AppId,
	} {
		around += 1 + len(s)
	}
	if size, most := sizeOf(p.Headers), max(0, frame-around); frame > 0 && size > most {
		return fmt.Errorf("headers of %d bytes: want at most %d, which is what a frame of this connection takes", size, most)
	}
	return nil
}

// item is one delivery: the message that is handed out, and what the broker said of it. Its fields but msg and delivery are guarded by the consumer's mutex.
type item struct {
	msg      async.Message
	delivery amqp091.Delivery
	sub      *subscription
	prev     *item // those that are out on the same channel, by their tags
	next     *item
	attempt  int // with which it came
	settled  bool
	letter   bool // its dead letter is written
}

// itemOf returns the delivery behind a message that was received.
func itemOf(m *async.Message) *item {
	if m == nil {
		return nil
	}
	it, _ := m.Raw.(*item)
	return it
}

// Delivery returns the message of the client library behind one that a consumer of this package received: its properties, exchange and routing key. It must not
// be acknowledged. The second value is false if m is from elsewhere.
func Delivery(m *async.Message) (*amqp091.Delivery, bool) {
	switch raw := m.Raw.(type) {
	case *item:
		return &raw.delivery, true
	case *amqp091.Delivery:
		return raw, true
	default:
		return nil, false
	}
}

// fill makes it the message that d is.
func fill(m *async.Message, d *amqp091.Delivery, keyOf func(*amqp091.Delivery) []byte) {
	t := d.Headers
	m.ID = d.MessageId
	if id, ok := t[async.HeaderID].(string); ok {
		m.ID = id
	}
	m.Key = bytesOf(t[async.HeaderKey])
	if len(m.Key) == 0 && keyOf != nil {
		m.Key = keyOf(d)
	}
	m.Data = d.Body
	m.Headers = headersOf(t, ours)
	property(&m.Headers, async.HeaderContentType, d.ContentType)
	property(&m.Headers, headerEncoding, d.ContentEncoding)
	property(&m.Headers, async.HeaderType, d.Type)
	property(&m.Headers, correlation.HeaderID, d.CorrelationId)
	m.Time = timeOf(t, async.HeaderTime)
	if m.Time.IsZero() {
		m.Time = d.Timestamp
	}
	m.Due, m.Expires = timeOf(t, async.HeaderDue), timeOf(t, async.HeaderExpires)
}

// ours are the headers that become fields of a message.
func ours(key string) bool {
	switch key {
	case async.HeaderID, async.HeaderTime, async.HeaderDue, async.HeaderExpires, async.HeaderKey, headerAttempts, headerDeliveries, headerLetter,
		headerMarker:
		return true
	default:
		return false
	}
}

// property adds a property as a header, unless there is one.
func property(h *async.Headers, key, value string) {
	if value != "" && !h.Has(key) {
		*h = append(*h, async.Header{Key: key, Value: value})
	}
}

func bytesOf(value any) []byte {
	switch v := value.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	default:
		return nil
	}
}

// timeOf reads a time that was written in full; one that cannot be read is none.
func timeOf(t amqp091.Table, key string) time.Time {
	value, ok := t[key].(string)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return time.Time{}
	}
	return at
}

// numberOf reads a count of the broker or of ours, which may have any integer type.
func numberOf(t amqp091.Table, key string) int {
	value, ok := t[key]
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(textOf(value))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// deliveries returns how often a quorum queue has delivered a message, this time included.
func deliveries(t amqp091.Table) int {
	return 1 + numberOf(t, headerDeliveries) + max(numberOf(t, headerDeliveryCount), numberOf(t, headerAcquiredCount))
}

// again returns what is sent to bring a delivery somewhere else: as it came, but without what would lead it astray. It is not routed to others once more (CC),
// not dropped by the broker on the way, and the user whom it names need not be ours.
func again(d *amqp091.Delivery) amqp091.Publishing {
	t := make(amqp091.Table, len(d.Headers)+8)
	for key, value := range d.Headers {
		if !brokers(key) && !routes(key) && key != headerAttempts && key != headerDeliveries && key != headerLetter {
			t[key] = value
		}
	}
	return amqp091.Publishing{
		Headers: t, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, DeliveryMode: amqp091.Persistent, Priority: d.Priority,
		CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, AppId: d.AppId, Body: d.Body,
	}
}

// retried returns what is sent to bring it back to its queue with its count of starts.
func (it *item) retried() amqp091.Publishing {
	p := again(&it.delivery)
	if n := it.msg.Attempt; n > 0 {
		p.Headers[headerAttempts] = int64(n)
	}
	p.Headers[headerDeliveries] = int64(deliveries(it.delivery.Headers))
	return p
}

// mostCause bounds the text of an error in a dead letter: a header table that does not fit a frame ends the connection.
const mostCause = 16 << 10

// dead returns the dead letter of it.
func (it *item) dead(cause error, at time.Time) amqp091.Publishing {
	p := again(&it.delivery)
	if cause != nil && len(cause.Error()) > mostCause {
		cause = errors.New(cause.Error()[:mostCause] + "…")
	}
	var mark async.Message
	async.MarkDead(&mark, cause, it.msg.Attempt, it.msg.Source, at)
	for _, h := range mark.Headers {
		p.Headers[h.Key] = h.Value
	}
	if _, ok := p.Headers[async.HeaderKey]; !ok && len(it.msg.Key) > 0 {
		p.Headers[async.HeaderKey] = text(it.msg.Key) // it came from the routing key, which is another one now
	}
	p.Headers[headerLetter] = correlation.New()
	return p
}
