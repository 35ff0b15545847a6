package sarama

import (
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/record"
)

// newRecord returns the record of m for a topic. It shares nothing with m that its sender may change.
func newRecord(topic string, m *async.Message, now time.Time) *sarama.ProducerMessage {
	stamp := record.Stamp(m, now)
	return recordOf(topic, m, stamp, record.Headers(m, stamp))
}

// recordOf returns the record of m with headers.
func recordOf(topic string, m *async.Message, stamp time.Time, headers async.Headers) *sarama.ProducerMessage {
	r := &sarama.ProducerMessage{Topic: topic, Timestamp: stamp, Headers: make([]sarama.RecordHeader, len(headers))}
	for i, h := range headers {
		r.Headers[i] = sarama.RecordHeader{Key: []byte(h.Key), Value: []byte(h.Value)}
	}
	if m.Key != nil {
		r.Key = sarama.ByteEncoder(append([]byte{}, m.Key...))
	}
	if len(m.Data) > 0 {
		r.Value = sarama.ByteEncoder(append([]byte{}, m.Data...))
	}
	return r
}

// read reads the message of a record, and what its headers say beside that.
func read(r *sarama.ConsumerMessage) (*async.Message, record.Reader) {
	m := &async.Message{Key: r.Key, Data: r.Value, Time: r.Timestamp, Raw: r}
	reader := record.Reader{Headers: len(r.Headers)}
	for _, h := range r.Headers {
		if h != nil {
			reader.Read(m, string(h.Key), h.Value)
		}
	}
	reader.End(m, positionOf(r))
	return m, reader
}

func positionOf(r *sarama.ConsumerMessage) record.Position {
	return record.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
}

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}
