package nats

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const system = "nats"

// snippet: pack

// packed returns what is sent of m.
func packed(m *async.Message, subject string) *nats.Msg {
	msg := &nats.Msg{Subject: subject, Data: m.Data, Header: make(nats.Header)}
	for _, h := range async.Pack(m) {
		msg.Header.Add(h.Key, h.Value)
	}
	return msg
}

// unpacked returns what was sent.
func unpacked(header nats.Header, data []byte) *async.Message {
	var h async.Headers
	for key, values := range header {
		for _, v := range values {
			h = append(h, async.Header{Key: key, Value: v})
		}
	}
	return async.Unpack(h, data)
}

// end snippet

// snippet: delivery

// delivery is the Raw of a message.
type delivery struct {
	jetstream.Msg
	sequence uint64       // in the stream
	until    atomic.Int64 // when it is not ours any more; 0: it is settled
}

// deliveryOf returns nil if m is none of ours.
func deliveryOf(m *async.Message) *delivery {
	d, _ := m.Raw.(*delivery)
	return d
}

func (d *delivery) ours() bool { return d != nil && time.Now().UnixNano() < d.until.Load() }

// extend makes a delivery ours until then, unless it was settled meanwhile.
func (d *delivery) extend(until int64) {
	if before := d.until.Load(); before != 0 {
		d.until.CompareAndSwap(before, until)
	}
}

// lease returns until when a delivery is ours. The broker counts from when it sent the message, so a tenth is left to the network.
func (f *Factory) lease() int64 { return time.Now().Add(f.ackWait / 10 * 9).UnixNano() }

// message returns the message of a delivery.
func (f *Factory) message(msg jetstream.Msg, source *async.Source) *async.Message {
	m, d := unpacked(msg.Headers(), msg.Data()), &delivery{Msg: msg}
	d.until.Store(f.lease())
	m.Source, m.Raw = source, d
	meta, err := msg.Metadata()
	if err != nil {
		return m // which is never so: it comes from a stream
	}
	d.sequence, m.Deliveries = meta.Sequence.Stream, int(meta.NumDelivered)
	m.Attempt = f.starts.Before(d.sequence, m.Deliveries)
	if m.ID == "" { // it was published by somebody else
		m.ID, m.Time = fmt.Sprintf("%s:%d", f.stream, d.sequence), meta.Timestamp
	}
	return m
}

// end snippet
