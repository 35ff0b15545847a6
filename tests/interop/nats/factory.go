package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Factory makes consumers of a stream. Those of a group share its messages, and every group gets all of them.
type Factory struct {
	conn          *nats.Conn
	js            jetstream.JetStream
	stream, group string
	ackWait       time.Duration
	starts        async.Starts[uint64] // by the place in the stream
}

// New returns a factory of consumers of stream, which must exist. The connection stays the caller's, and should reconnect for ever.
func New(conn *nats.Conn, stream, group string, oo ...OptionFunc) (*Factory, error) {
	f := &Factory{conn: conn, stream: stream, group: group, ackWait: 30 * time.Second}
	js, err := jetstream.New(conn)
	f.js = js
	for _, o := range oo {
		err = errors.Join(err, o(f))
	}
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	return f, nil
}

// OptionFunc sets an option of a [Factory].
type OptionFunc func(*Factory) error

// WithAckWait sets after how long a message comes again that is neither settled nor extended. The default is 30 s.
func WithAckWait(d time.Duration) OptionFunc {
	return func(f *Factory) error {
		if d < time.Second {
			return fmt.Errorf("ack wait %v: want at least 1s", d)
		}
		f.ackWait = d
		return nil
	}
}

// snippet: traits

// Traits implements async.ConsumerFactory.
func (f *Factory) Traits() async.Traits {
	return async.Traits{
		Redelivers: true, Visibility: f.ackWait, CountsDeliveries: true, MaxDelay: 24 * time.Hour, DeadLetters: true, StopWait: stopWait,
	}
}

// end snippet

// snippet: create

// Create implements async.ConsumerFactory. It makes the durable consumer that is the group, and the stream of its dead letters.
func (f *Factory) Create(ctx context.Context) (async.Consumer, error) {
	if err := connected(f.conn); err != nil { // else the requests would wait for the connection, and nobody would know why
		return nil, err
	}
	_, err := f.js.CreateStream(ctx, f.deadStream())
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // then it has limits that somebody has set
		return nil, fmt.Errorf("nats: dead letters of %s: %w", f.stream, err)
	}
	durable, err := f.js.CreateOrUpdateConsumer(ctx, f.stream, jetstream.ConsumerConfig{
		Durable: f.group, AckPolicy: jetstream.AckExplicitPolicy, AckWait: f.ackWait,
		MaxDeliver:    -1, // the engine counts
		MaxAckPending: -1, // the engine bounds what it holds; and what waits for a delayed retry counts as well, so a thousand of these would stop the group
	})
	if err != nil {
		return nil, fmt.Errorf("nats: consume %s: %w", f.stream, err)
	}
	return &consumer{factory: f, durable: durable, source: &async.Source{System: system, Name: f.stream, Partition: -1, Group: f.group}}, nil
}

// end snippet

// connected returns why there is no connection.
func connected(conn *nats.Conn) error {
	if conn.IsConnected() {
		return nil
	}
	return fmt.Errorf("nats: %v: %w", conn.Status(), cmp.Or(conn.LastError(), nats.ErrDisconnected))
}
