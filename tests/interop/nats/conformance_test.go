package nats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/internal/faultnet"
	"github.com/beatlabs/patron/tests/interop/nats"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// snippet: conformance

const ackWait = 5 * time.Second // cases hold messages for a while; less, and a slow machine loses them

var traits = async.Traits{
	Redelivers: true, Visibility: ackWait, CountsDeliveries: true, MaxDelay: 24 * time.Hour, DeadLetters: true, StopWait: 2 * time.Second,
}

func TestConsumerConformance(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, traits, newHarness)
}

func TestProducerConformance(t *testing.T) {
	t.Parallel()
	asynctest.RunProducer(t, traits, newHarness)
}

func TestDeadLetterConformance(t *testing.T) {
	t.Parallel()
	asynctest.RunDeadLetters(t, traits, newHarness)
}

// harness is a stream that nobody else uses.
type harness struct {
	tb      testing.TB
	network *network
	conn    *natsgo.Conn // of the driver
	admin   *natsgo.Conn // of the test, which no outage reaches
	absent  *natsgo.Conn // to nobody
	js      jetstream.JetStream
	stream  string
}

func newHarness(tb testing.TB) asynctest.Harness {
	tb.Helper()
	h := &harness{tb: tb, network: &network{Network: faultnet.New()}, stream: fmt.Sprintf("orders%d", named.Add(1)), admin: server.Connect(tb)}
	h.conn = server.Connect(tb, natsgo.SetCustomDialer(h.network))
	h.js = must(jetstream.New(h.admin, jetstream.WithDefaultTimeout(time.Minute)))
	must(h.js.CreateStream(tb.Context(), jetstream.StreamConfig{Name: h.stream, Subjects: []string{h.stream}, Storage: jetstream.MemoryStorage}))
	return h
}

func (h *harness) Factory() async.ConsumerFactory {
	return must(nats.New(h.conn, h.stream, "shipping", nats.WithAckWait(ackWait)))
}

func (h *harness) Producer() async.Producer { return must(nats.NewProducer(h.conn, h.stream)) }

func (h *harness) Close() {
	ctx := context.WithoutCancel(h.tb.Context())
	if err := h.js.DeleteStream(ctx, h.stream); err != nil {
		h.tb.Error(err)
	}
	if err := h.js.DeleteStream(ctx, h.dead()); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		h.tb.Error(err)
	}
	h.conn.Close()
	h.admin.Close()
	if h.absent != nil {
		h.absent.Close()
	}
}

// end snippet

func (h *harness) dead() string { return h.stream + "_shipping_dead" }

func (h *harness) DeadLetters(ctx context.Context) ([]*async.Message, error) {
	var mm []*async.Message
	for l, err := range h.Factory().(async.DeadLetterKeeper).DeadLetters().List(ctx, async.DeadFilter{}) {
		if err != nil {
			return nil, err
		}
		async.MarkDead(l.Message, errors.New(l.Cause), l.Attempts, &async.Source{Name: l.Origin, Partition: -1}, l.Time)
		mm = append(mm, l.Message)
	}
	return mm, nil
}

func (h *harness) Down() { h.network.Down() }

func (h *harness) Up() {
	h.network.Up()
	for end := time.Now().Add(10 * time.Second); !h.conn.IsConnected() && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
}

func (h *harness) Absent() async.ConsumerFactory {
	nowhere := &network{Network: faultnet.New()}
	nowhere.Down()
	conn, err := natsgo.Connect(server.URL(), natsgo.SetCustomDialer(nowhere), natsgo.RetryOnFailedConnect(true), natsgo.MaxReconnects(-1))
	if err != nil {
		h.tb.Fatal(err)
	}
	h.absent = conn
	return must(nats.New(conn, h.stream, "shipping", nats.WithAckWait(ackWait)))
}

func (h *harness) BreakDeadLetters() { h.deadStream(1) }
func (h *harness) MendDeadLetters()  { h.deadStream(-1) }

// deadStream makes the stream of the dead letters, and lets it take messages of this size.
func (h *harness) deadStream(largest int32) {
	config := jetstream.StreamConfig{Name: h.dead(), Subjects: []string{h.dead() + ".*"}, MaxMsgsPerSubject: 1, MaxMsgSize: largest}
	if _, err := h.js.CreateOrUpdateStream(context.WithoutCancel(h.tb.Context()), config); err != nil {
		h.tb.Error(err)
	}
}

func (h *harness) FailSettlements(every int) { h.network.misdirect("PUB $JS.ACK.", every, 0) }
func (h *harness) FailSend(i int)            { h.network.misdirect("HPUB "+h.stream+" ", i+1, 1) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// network is one whose connections can also send messages to a subject that nobody listens to, of which the server tells the client.
type network struct {
	*faultnet.Network

	mu    sync.Mutex // guards everything below
	line  string     // the beginning of the line of the protocol
	every int        // 0: none
	times int        // 0: for ever
	seen  int
}

func (n *network) misdirect(line string, every, times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line, n.every, n.times, n.seen = line, every, times, 0
}

// Dial implements natsgo.CustomDialer.
func (n *network) Dial(network, address string) (net.Conn, error) {
	conn, err := n.Network.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return misdirecting{conn, n}, nil
}

type misdirecting struct {
	net.Conn
	network *network
}

// Write implements net.Conn. The client writes whole lines.
func (c misdirecting) Write(b []byte) (int, error) {
	return c.Conn.Write(c.network.misdirected(b))
}

func (n *network) misdirected(b []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.every == 0 || !bytes.Contains(b, []byte(n.line)) {
		return b
	}
	b = bytes.Clone(b)
	for at := 0; n.every > 0; {
		next := bytes.Index(b[at:], []byte(n.line))
		if next < 0 {
			break
		}
		at += next + len(n.line)
		if n.seen++; n.seen%n.every == 0 {
			b[at-2] = 'X'
			if n.times > 0 {
				n.every = 0
			}
		}
	}
	return b
}
