package nats_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/tests/interop/nats"
	natsgo "github.com/nats-io/nats.go"
)

func TestAFactorySaysWhatIsWrongWithItsOptions(t *testing.T) {
	t.Parallel()
	conn := server.Connect(t)
	defer conn.Close()
	_, err := nats.New(conn, "orders", "shipping", nats.WithAckWait(0), nats.WithAckWait(-1))
	if want := "nats: ack wait 0s: want at least 1s\nack wait -1ns: want at least 1s"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAStreamThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	conn := server.Connect(t)
	defer conn.Close()
	_, err := must(nats.New(conn, "nowhere", "shipping")).Create(t.Context())
	if err == nil || !strings.Contains(err.Error(), "consume nowhere: ") {
		t.Errorf("got %v, want it to name the stream", err)
	}
}

func TestForeignMessagesGetAnIDAndATimeOfTheBroker(t *testing.T) {
	t.Parallel()
	h := newHarness(t).(*harness)
	defer h.Close()
	began := time.Now()
	for range 2 {
		if _, err := h.js.PublishMsg(t.Context(), &natsgo.Msg{Subject: h.stream, Data: []byte("data"), Header: natsgo.Header{"X-Own": {"1", "2"}}}); err != nil {
			t.Fatal(err)
		}
	}
	c := must(h.Factory().Create(t.Context()))
	mm := must(c.Receive(t.Context(), 2))
	for i, id := range []string{h.stream + ":1", h.stream + ":2"} {
		m := mm[i]
		if m.ID != id || m.Key != nil || string(m.Data) != "data" || m.Time.Sub(began).Abs() > time.Minute {
			t.Errorf("got ID %q, key %q, data %q, time %v, want ID %q and now", m.ID, m.Key, m.Data, m.Time, id)
		}
		if len(m.Headers) != 2 || m.Headers[0].Value != "1" || m.Headers[1].Value != "2" {
			t.Errorf("got headers %v, want both values", m.Headers)
		}
	}
}

func TestWhatCannotBeCarriedIsRefusedForGoodAndTheOthersAreSent(t *testing.T) {
	t.Parallel()
	h := newHarness(t).(*harness)
	defer h.Close()
	mm := []*async.Message{
		{ID: "1"},
		{ID: "2", Headers: async.Headers{{Key: "X-Own", Value: "two\nlines"}}},
		{ID: "3", Headers: async.Headers{{Key: "X-Own", Value: " space"}}},
		{ID: "4", Data: make([]byte, 5<<20)},
		{ID: "5"},
	}

	err := h.Producer().Send(t.Context(), mm...)

	batch, ok := errors.AsType[*async.BatchError](err)
	if !ok || len(batch.Errors) != 3 {
		t.Fatalf("got %v, want a BatchError for three of five", err)
	}
	for _, i := range []int{1, 2, 3} {
		if reliability.Classify(batch.Errors[i]) != reliability.ClassPermanent {
			t.Errorf("message %s: got %v, want a permanent error", mm[i].ID, batch.Errors[i])
		}
	}
	got := must(must(h.Factory().Create(t.Context())).Receive(t.Context(), 5))
	if len(got) != 2 || got[0].ID != "1" || got[1].ID != "5" {
		t.Errorf("received %v, want 1 and 5", got)
	}
}

func TestASendWithoutAStreamIsRefused(t *testing.T) {
	t.Parallel()
	conn := server.Connect(t)
	defer conn.Close()
	err := must(nats.NewProducer(conn, "nowhere")).Send(t.Context(), &async.Message{})
	if err == nil || errors.Is(err, async.ErrUnknown) {
		t.Errorf("got %v, want an error that is sure of it", err)
	}
}

func TestASendThatWasNotConfirmedMayHaveArrived(t *testing.T) {
	t.Parallel()
	h := newHarness(t).(*harness)
	defer h.Close()
	h.network.Stall()
	defer h.network.Up()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.Producer().Send(ctx, &async.Message{}); !errors.Is(err, async.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrUnknown and that the time is over", err)
	}
}

// The guide says how small a driver is.
func TestTheDriverIsSmall(t *testing.T) {
	t.Parallel()
	lines := 0
	for _, name := range []string{"doc.go", "factory.go", "consumer.go", "message.go", "producer.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				lines++
			}
		}
	}
	if lines >= 300 {
		t.Errorf("the driver without what reads dead letters has %d lines of code, want fewer than 300, as docs/guides/new-broker.md says", lines)
	}
}
