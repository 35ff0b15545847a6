package watermill_test

import (
	"context"
	"errors"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/tests/interop/nats"
	"github.com/beatlabs/patron/tests/interop/watermill"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// suite holds b to the suite of Watermill.
func suite(t *testing.T, b watermill.Broker, features tests.Features) {
	t.Helper()
	group := func(_ *testing.T, group string) (message.Publisher, message.Subscriber) {
		pub, sub := watermill.NewPublisher(b), watermill.NewSubscriber(b, group)
		// The test of order closes its subscribers before they subscribe (its defer has the call in an argument), and so never.
		t.Cleanup(func() {
			if err := errors.Join(pub.Close(), sub.Close()); err != nil {
				t.Error(err)
			}
		})
		return pub, sub
	}
	tests.TestPubSub(t, features, func(*testing.T) (message.Publisher, message.Subscriber) { return group(nil, "test") }, group)
}

// payload is a key that the order of Watermill's suite is by.
func payload(msg *message.Message) []byte { return msg.Payload }

func TestWatermillSuiteOnMemory(t *testing.T) {
	t.Parallel()
	suite(t, inMemory(t), tests.Features{GuaranteedOrder: true, Persistent: true})
}

// inMemory is a broker whose queues outlive their consumers. It has no groups.
func inMemory(t *testing.T) watermill.Broker {
	t.Helper()
	b, err := memory.New(memory.WithoutDrain())
	if err != nil {
		t.Fatal(err)
	}
	return watermill.Broker{
		Consumer: func(topic, _ string) (async.ConsumerFactory, error) { return b.Consumer(topic), nil },
		Producer: func(topic string) (async.Producer, error) { return b.Producer(topic), nil },
		Key:      payload,
	}
}

func TestWatermillSuiteOnNATS(t *testing.T) {
	t.Parallel()
	conn := server.Connect(t)
	t.Cleanup(conn.Close)
	suite(t, onNATS(conn, jetstream.MemoryStorage), tests.Features{ConsumerGroups: true, Persistent: true})
}

// A group that nobody has heard of gets what the stream has, consumed by others or not.
func TestWatermillGroupsGetOldMessagesOnNATS(t *testing.T) {
	t.Parallel()
	conn := server.Connect(t)
	defer conn.Close()
	b := onNATS(conn, jetstream.MemoryStorage)
	features := tests.Features{Persistent: true, NewSubscriberReceivesOldMessages: true}
	tests.TestNewSubscriberReceivesOldMessages(t, tests.TestContext{TestID: tests.NewTestID(), Features: features},
		func(*testing.T) (message.Publisher, message.Subscriber) {
			return watermill.NewPublisher(b), watermill.NewSubscriber(b, "group-"+wm.NewUUID())
		})
}

// onNATS has a stream for each topic.
func onNATS(conn *natsgo.Conn, storage jetstream.StorageType) watermill.Broker {
	return watermill.Broker{
		Create: func(ctx context.Context, topic, _ string) error {
			js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute))
			if err != nil {
				return err
			}
			_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: topic, Subjects: []string{topic}, Storage: storage})
			return err
		},
		Consumer: func(topic, group string) (async.ConsumerFactory, error) { return nats.New(conn, topic, group) },
		Producer: func(topic string) (async.Producer, error) { return nats.NewProducer(conn, topic) },
		Key:      payload,
	}
}
