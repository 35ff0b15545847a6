package watermill_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/subscriber"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/tests/interop/natstest"
	"github.com/beatlabs/patron/tests/interop/watermill"
	"github.com/nats-io/nats.go/jetstream"
)

// reconnect is what Watermill's TestReconnect does, which has a race of its own (it reads what it published while another goroutine appends to it) and restarts
// the broker by a command: many publishers, a broker that is restarted twice meanwhile, and every message that was confirmed must arrive.
func reconnect(t *testing.T, b watermill.Broker, restart func() error) {
	t.Helper()
	const messages, publishers = 2_000, 50
	pub, sub := watermill.NewPublisher(b), watermill.NewSubscriber(b, "test")
	topic := "reconnect-" + wm.NewUUID()
	output, err := sub.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}

	var mu sync.Mutex // guards confirmed
	var confirmed message.Messages
	var begun atomic.Int64
	var publishing sync.WaitGroup
	for range publishers {
		publishing.Go(func() {
			for {
				n := begun.Add(1)
				if n > messages {
					return
				}
				if n == messages/3 || n == messages/2 {
					if err := restart(); err != nil {
						t.Error(err)
					}
				}
				msg := message.NewMessage(wm.NewUUID(), fmt.Append(nil, n%16))
				for pub.Publish(topic, msg) != nil { // until it is confirmed; twice is no loss
					select {
					case <-t.Context().Done():
						return
					case <-time.After(10 * time.Millisecond):
					}
				}
				mu.Lock()
				confirmed = append(confirmed, msg)
				mu.Unlock()
			}
		})
	}
	received, _ := subscriber.BulkReadWithDeduplication(output, messages, time.Minute)
	publishing.Wait()

	seen := make(map[string]bool)
	for _, msg := range received {
		seen[msg.UUID] = true
	}
	for _, msg := range confirmed {
		if !seen[msg.UUID] {
			t.Errorf("message %s was confirmed and did not arrive", msg.UUID)
		}
	}
	if len(confirmed) != messages || len(received) != messages {
		t.Errorf("%d messages were confirmed and %d arrived, want %d", len(confirmed), len(received), messages)
	}
	if err := pub.Close(); err != nil {
		t.Error(err)
	}
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
}

func TestNothingIsLostWhileMemoryIsDown(t *testing.T) {
	t.Parallel()
	b, err := memory.New(memory.WithoutDrain())
	if err != nil {
		t.Fatal(err)
	}
	reconnect(t, watermill.Broker{
		Consumer: func(topic, _ string) (async.ConsumerFactory, error) { return b.Consumer(topic), nil },
		Producer: func(topic string) (async.Producer, error) { return b.Producer(topic), nil },
		Key:      payload,
	}, func() error {
		b.Down()
		<-time.After(200 * time.Millisecond)
		b.Up()
		return nil
	})
}

func TestNothingIsLostWhileNATSRestarts(t *testing.T) {
	t.Parallel()
	s, err := natstest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	conn := s.Connect(t)
	t.Cleanup(conn.Close)
	reconnect(t, onNATS(conn, jetstream.FileStorage), s.Restart)
}
