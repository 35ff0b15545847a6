package watermill

import (
	"context"
	"maps"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/beatlabs/patron/async"
)

// Broker is what the adapter needs of a broker. Its functions may be called concurrently.
type Broker struct {
	// Create makes what must be there before a message is sent to topic or received from it by group, so that the group gets all that is sent from then on. It is
	// called often for the same, and also when it is there. Nil: the broker needs nothing.
	Create func(ctx context.Context, topic, group string) error
	// Consumer returns a factory of consumers of topic. Those of a group share its messages.
	Consumer func(topic, group string) (async.ConsumerFactory, error)
	// Producer returns a producer to topic, which the publisher closes.
	Producer func(topic string) (async.Producer, error)
	// Key returns what a message must stay in order with. Nil: no message has a key.
	Key func(msg *message.Message) []byte
	// Options are those of the components that consume, beside ours.
	Options []async.OptionFunc
}

func (b *Broker) create(ctx context.Context, topic, group string) error {
	if b.Create == nil {
		return nil
	}
	return b.Create(ctx, topic, group)
}

// outgoing returns what is sent of msg. Its metadata are the headers.
func (b *Broker) outgoing(msg *message.Message) *async.Message {
	m := &async.Message{ID: msg.UUID, Data: msg.Payload}
	for _, key := range slices.Sorted(maps.Keys(msg.Metadata)) {
		m.Headers = append(m.Headers, async.Header{Key: key, Value: msg.Metadata[key]})
	}
	if b.Key != nil {
		m.Key = b.Key(msg)
	}
	return m
}

// incoming returns what was received. Of several headers with one key the last one counts, as in a map.
func incoming(ctx context.Context, m *async.Message) *message.Message {
	msg := message.NewMessageWithContext(ctx, m.ID, m.Data)
	for _, h := range m.Headers {
		msg.Metadata.Set(h.Key, h.Value)
	}
	return msg
}
