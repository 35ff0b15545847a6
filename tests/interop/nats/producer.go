package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// producer sends to one subject.
type producer struct {
	js      jetstream.JetStream
	subject string
}

// NewProducer returns a producer to subject, which a stream must store. The connection stays the caller's.
func NewProducer(conn *nats.Conn, subject string) (async.Producer, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	return async.Observed(system, subject, &producer{js: js, subject: subject}), nil
}

// snippet: send

// Send implements async.Producer. The messages are on their way at the same time, in their order.
func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	batch, acks := &async.BatchError{}, make([]jetstream.PubAckFuture, len(mm))
	for i, m := range mm {
		err := carriable(m.Headers)
		if err == nil {
			acks[i], err = p.js.PublishMsgAsync(packed(m, p.subject), jetstream.WithRetryAttempts(0))
		}
		if errors.Is(err, nats.ErrMaxPayload) {
			err = reliability.Permanent(err)
		}
		batch = batch.Add(i, err)
	}
	for i, ack := range acks {
		if ack != nil {
			batch = batch.Add(i, confirmed(ctx, ack))
		}
	}
	return batch.Err()
}

// confirmed waits until a message is stored. What the stream did not refuse may have arrived.
func confirmed(ctx context.Context, ack jetstream.PubAckFuture) (err error) {
	select {
	case <-ack.Ok():
		return nil
	case err = <-ack.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	if _, refused := errors.AsType[jetstream.JetStreamError](err); refused && !errors.Is(err, jetstream.ErrInvalidJSAck) {
		return err
	}
	return fmt.Errorf("%w: %w", async.ErrUnknown, err)
}

// end snippet

// Close implements async.Producer: Send leaves nothing behind.
func (p *producer) Close(context.Context) error { return nil }

// carriable says why a header would arrive as another one: the client cuts the space around values, and makes one line of several.
func carriable(headers async.Headers) error {
	for _, h := range headers {
		if strings.TrimSpace(h.Value) != h.Value || strings.ContainsAny(h.Value, "\r\n") {
			return reliability.Permanent(fmt.Errorf("header %s: value %q: want one line without space around it", h.Key, h.Value))
		}
	}
	return nil
}
