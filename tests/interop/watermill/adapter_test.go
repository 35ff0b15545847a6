package watermill_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/tests/interop/watermill"
)

var errBroken = errors.New("broken on purpose")

func TestWhatIsClosedRefuses(t *testing.T) {
	t.Parallel()
	b := inMemory(t)
	pub, sub := watermill.NewPublisher(b), watermill.NewSubscriber(b, "test")
	for range 2 {
		if err := errors.Join(pub.Close(), sub.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := pub.Publish("topic", message.NewMessage("1", nil)); !errors.Is(err, async.ErrClosed) {
		t.Errorf("publish: got %v, want ErrClosed", err)
	}
	if _, err := sub.Subscribe(t.Context(), "topic"); !errors.Is(err, async.ErrClosed) {
		t.Errorf("subscribe: got %v, want ErrClosed", err)
	}
}

func TestWhatTheBrokerRefusesIsSaid(t *testing.T) {
	t.Parallel()
	works := inMemory(t)
	for name, change := range map[string]func(*watermill.Broker){
		"topic": func(b *watermill.Broker) { b.Create = func(context.Context, string, string) error { return errBroken } },
		"consumer": func(b *watermill.Broker) {
			b.Consumer = func(string, string) (async.ConsumerFactory, error) { return nil, errBroken }
		},
		"component": func(b *watermill.Broker) { b.Options = []async.OptionFunc{async.WithConcurrency(0)} },
		"connection": func(b *watermill.Broker) {
			consumer := b.Consumer
			b.Options = []async.OptionFunc{async.WithFailFast()}
			b.Consumer = func(topic, group string) (async.ConsumerFactory, error) {
				factory, err := consumer(topic, group)
				return refusing{factory}, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := works
			change(&b)
			sub := watermill.NewSubscriber(b, "test")
			output, err := sub.Subscribe(t.Context(), "topic-"+name)
			if err == nil || output != nil {
				t.Errorf("subscribe: got %v, want an error and no channel", err)
			}
			if err := sub.Close(); name != "connection" && err != nil {
				t.Errorf("close: got %v, want nil: nothing ran", err)
			}
		})
	}
	b := works
	b.Producer = func(string) (async.Producer, error) { return nil, errBroken }
	if err := watermill.NewPublisher(b).Publish("topic", message.NewMessage("1", nil)); !errors.Is(err, errBroken) {
		t.Errorf("publish: got %v, want that there is no producer", err)
	}
}

// refusing makes no consumers.
type refusing struct{ async.ConsumerFactory }

func (refusing) Create(context.Context) (async.Consumer, error) {
	return nil, reliability.Permanent(errBroken)
}

func TestAMessageThatIsNotAckedWhenItsSubscriptionEndsComesAgain(t *testing.T) {
	t.Parallel()
	b := inMemory(t)
	pub, first := watermill.NewPublisher(b), watermill.NewSubscriber(b, "test")
	sent := message.NewMessage("1", []byte("data"))
	sent.Metadata.Set("key", "value")
	if err := pub.Publish("topic", sent); err != nil {
		t.Fatal(err)
	}
	output, err := first.Subscribe(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}
	msg := <-output
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := msg.Context().Err(); err == nil {
		t.Error("the context of the message is alive after its subscription ended")
	}
	if _, open := <-output; open {
		t.Error("the channel is open after the subscriber was closed")
	}

	second := watermill.NewSubscriber(b, "test")
	output, err = second.Subscribe(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}
	again := <-output
	if again.UUID != "1" || string(again.Payload) != "data" || again.Metadata.Get("key") != "value" {
		t.Errorf("got %s, %s, %v, want the message that was not acked", again.UUID, again.Payload, again.Metadata)
	}
	again.Ack()
	if err := errors.Join(pub.Close(), second.Close()); err != nil {
		t.Error(err)
	}
}
