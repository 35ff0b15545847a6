package sqs

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
)

// read are the system attributes that are asked for.
func read() []types.MessageSystemAttributeName {
	return []types.MessageSystemAttributeName{
		types.MessageSystemAttributeNameSentTimestamp,
		types.MessageSystemAttributeNameApproximateReceiveCount,
		types.MessageSystemAttributeNameMessageGroupId,
		types.MessageSystemAttributeNameAWSTraceHeader,
		types.MessageSystemAttributeNameDeadLetterQueueSourceArn,
	}
}

// decode fills m with what raw says. Only a FIFO queue has lanes.
func decode(m *async.Message, raw *types.Message, envelope Envelope, source *async.Source, fifo bool) {
	content := contentOf(raw, envelope)
	m.ID, m.Source, m.Raw, m.Time = content.id, source, raw, content.sent
	if m.Time.IsZero() {
		m.Time = sentAt(raw)
	}
	m.Deliveries = receiveCount(raw)
	encoding, keyed := "", false
	m.Headers = make(async.Headers, 0, len(content.headers))
	for i := range content.headers {
		h := &content.headers[i]
		switch h.name {
		case async.HeaderID:
			m.ID = h.value
		case async.HeaderTime:
			setTime(&m.Time, h.value)
		case async.HeaderDue:
			setTime(&m.Due, h.value)
		case async.HeaderExpires:
			setTime(&m.Expires, h.value)
		case async.HeaderKey:
			m.Key, keyed = []byte(h.value), true
		case HeaderEncoding:
			encoding = h.value
		default:
			m.Headers = append(m.Headers, async.Header{Key: h.name, Value: h.value})
		}
	}
	m.Data = decodeBody(content.body, encoding)
	if group := raw.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]; group != "" && !keyed && !strings.HasPrefix(group, keylessGroup) {
		m.Key = []byte(group)
	}
	if fifo && len(m.Key) > 0 {
		m.Lane = async.LaneOf(source, m.Key)
	}
	if trace := raw.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)]; trace != "" && !m.Headers.Has(headerTraceparent) {
		if parent := traceparent(trace); parent != "" {
			m.Headers = append(m.Headers, async.Header{Key: headerTraceparent, Value: parent})
		}
	}
}

const headerTraceparent = "traceparent"

// content is what was sent, out of its envelope.
type content struct {
	id      string
	body    string
	sent    time.Time // zero: not known
	headers []attribute
}

func contentOf(raw *types.Message, envelope Envelope) content {
	c := content{id: text(raw.MessageId), body: text(raw.Body)}
	if envelope != EnvelopeRaw {
		if inner, ok := unwrap(c.body, envelope); ok {
			return inner
		}
	}
	if n := len(raw.MessageAttributes); n > 0 {
		c.headers = make([]attribute, 0, n)
	}
	for name, v := range raw.MessageAttributes {
		value := text(v.StringValue)
		if v.BinaryValue != nil {
			value = string(v.BinaryValue)
		}
		c.headers = append(c.headers, attribute{name: name, value: value})
	}
	c.headers = arranged(c.headers)
	return c
}

// arranged puts headers in an order that is always the same, those that were packed behind the others.
func arranged(headers []attribute) []attribute {
	slices.SortFunc(headers, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	i := slices.IndexFunc(headers, func(a attribute) bool { return a.name == HeaderPacked })
	if i < 0 {
		return headers
	}
	packed := headers[i].value
	return append(slices.Delete(headers, i, i+1), unpack(packed)...)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// setTime keeps what it cannot read as it was.
func setTime(t *time.Time, value string) {
	if read, err := time.Parse(time.RFC3339Nano, value); err == nil {
		*t = read
	}
}

// sentAt is when SQS took the message, which it says in milliseconds.
func sentAt(raw *types.Message) time.Time {
	ms, err := strconv.ParseInt(raw.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// receiveCount is how often SQS has given the message, this time included.
func receiveCount(raw *types.Message) int {
	n, err := strconv.Atoi(raw.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil || n < 1 {
		return 1
	}
	return n
}
