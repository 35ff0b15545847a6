package amqp

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// publisher returns a producer to b, which the end of the test closes.
func publisher(t *testing.T, b *fakeBroker, exchange, key string, oo ...OptionFunc) async.Producer {
	t.Helper()
	p, err := NewPublisher(anyURL, exchange, key, append([]OptionFunc{withFake(b)}, oo...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// queue declares a queue of b.
func (b *fakeBroker) queue(t *testing.T, name string, args amqp091.Table) {
	t.Helper()
	conn, err := b.connector(t.Context(), nil, endpoint{})
	if err != nil {
		t.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestAMessageWithoutQueueIsNamedByItsIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		b.queue(t, "orders", nil)
		p := publisher(t, b, "", "", WithRoutingKey(RoutingByKey))

		err := p.Send(t.Context(), &async.Message{ID: "1", Key: []byte("orders")}, &async.Message{ID: "2", Key: []byte("nobody")},
			&async.Message{ID: "3", Key: []byte("orders")})

		batch, ok := errors.AsType[*async.BatchError](err)
		if !ok || len(batch.Errors) != 1 || reliability.Classify(batch.Errors[1]) != reliability.ClassPermanent {
			t.Fatalf("got %v, want a permanent error for index 1 alone", err)
		}
		if !strings.Contains(err.Error(), `no queue "nobody"`) || errors.Is(err, async.ErrUnknown) {
			t.Errorf("got %v, want the queue named, and no doubt", err)
		}
		if got := strings.Join(b.ids("orders"), " "); got != "1 3" {
			t.Errorf("the queue has %q, want the others", got)
		}
	})
}

func TestWhatCannotBeSentIsRefusedAndTheRestIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		b.queue(t, "orders", nil)
		p := publisher(t, b, "", "orders")

		err := p.Send(t.Context(),
			&async.Message{ID: "1"},
			&async.Message{ID: "2", Headers: async.Headers{{Key: "huge", Value: strings.Repeat("x", 131072)}}},
			&async.Message{ID: "3", Headers: async.Headers{{Key: "", Value: "x"}}},
			&async.Message{ID: "4"})

		batch, ok := errors.AsType[*async.BatchError](err)
		if !ok || len(batch.Errors) != 2 || batch.Errors[1] == nil || batch.Errors[2] == nil {
			t.Fatalf("got %v, want errors for 1 and 2", err)
		}
		if reliability.Classify(batch.Errors[1]) != reliability.ClassPermanent || reliability.Classify(batch.Errors[2]) != reliability.ClassPermanent {
			t.Errorf("got %v, want them permanent", err)
		}
		if got := strings.Join(b.ids("orders"), " "); got != "1 4" {
			t.Errorf("the queue has %q, want the others", got)
		}
	})
}

func TestAMissingExchangeIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := publisher(t, newFakeBroker(), "nowhere", "k")

		err := p.Send(t.Context(), &async.Message{ID: "1"})

		if err == nil || !strings.Contains(err.Error(), `exchange "nowhere" is missing`) || errors.Is(err, async.ErrUnknown) {
			t.Errorf("got %v, want that the exchange is missing, and no doubt", err)
		}
	})
}

func TestASendWaitsWhileTheBrokerBlocksPublishers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		b.queue(t, "orders", nil)
		p := publisher(t, b, "", "orders")
		b.block("low on memory")

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err := p.Send(ctx, &async.Message{ID: "1"})

		if !errors.Is(err, ErrBlocked) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "low on memory") {
			t.Errorf("got %v, want ErrBlocked, its reason, and the end of the context", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v, want it to wait for its context", took)
		}
		sent := make(chan error, 1)
		go func() { sent <- p.Send(t.Context(), &async.Message{ID: "2"}) }()
		synctest.Wait()
		b.block("")
		if err := <-sent; err != nil {
			t.Errorf("send when the block was over: %v", err)
		}
		if got := b.ids("orders"); len(got) == 0 || got[len(got)-1] != "2" {
			t.Errorf("the queue has %v", got)
		}
	})
}

// deaf is a broker that confirms nothing.
func deaf(b *fakeBroker) OptionFunc {
	return func(c *config) error {
		c.connector = func(ctx context.Context, c *config, e endpoint) (connection, error) {
			conn, err := b.connector(ctx, c, e)
			if err != nil {
				return nil, err
			}
			return deafConnection{conn}, nil
		}
		return nil
	}
}

type deafConnection struct{ connection }

func (c deafConnection) Channel() (channel, error) {
	ch, err := c.connection.Channel()
	return deafChannel{ch}, err
}

type deafChannel struct{ channel }

func (c deafChannel) Publish(string, string, bool, bool, amqp091.Publishing) error { return nil }

func TestALostConnectionLeavesPublishesUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		p := publisher(t, b, "", "orders", deaf(b))
		sent := make(chan error, 1)
		go func() { sent <- p.Send(t.Context(), &async.Message{ID: "1"}, &async.Message{ID: "2"}) }()
		synctest.Wait()

		b.down()

		err := <-sent
		batch, ok := errors.AsType[*async.BatchError](err)
		if !ok || !errors.Is(batch.Errors[0], async.ErrUnknown) || !errors.Is(batch.Errors[1], async.ErrUnknown) {
			t.Errorf("got %v, want ErrUnknown for both", err)
		}
	})
}

func TestAConfirmThatDoesNotComeMakesTheConnectionAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		p := publisher(t, b, "", "orders", deaf(b), WithSendTimeout(5*time.Second))
		for range 2 {
			began := time.Now()
			err := p.Send(t.Context(), &async.Message{ID: "1"})
			if !errors.Is(err, async.ErrUnknown) || time.Since(began) != 5*time.Second {
				t.Errorf("got %v after %v, want ErrUnknown after 5 s", err, time.Since(began))
			}
		}
		if b.dials != 2 {
			t.Errorf("it was dialled %d times, want 2", b.dials)
		}
	})
}

func TestWhatWasNotSentBeforeTheContextEndedIsNotSentLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		b.queue(t, "orders", nil)
		b.down()
		p := publisher(t, b, "", "orders")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		err := p.Send(ctx, &async.Message{ID: "1"})
		b.up()
		later := p.Send(t.Context(), &async.Message{ID: "2"})

		if err == nil || errors.Is(err, async.ErrUnknown) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got %v, want why there is no connection, and no doubt", err)
		}
		if got := strings.Join(b.ids("orders"), " "); later != nil || got != "2" {
			t.Errorf("then sent: %v, the queue has %q, want the second message alone", later, got)
		}
	})
}

func TestCloseWaitsForConfirms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		b.queue(t, "orders", nil)
		p, err := NewPublisher(anyURL, "", "orders", withFake(b))
		if err != nil {
			t.Fatal(err)
		}
		b.block("low on disk")
		sent := make(chan error, 1)
		go func() { sent <- p.Send(t.Context(), &async.Message{ID: "1"}) }()
		synctest.Wait()
		time.AfterFunc(3*time.Second, func() { b.block("") })

		began := time.Now()
		if err := p.Close(t.Context()); err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("close: got %v after %v, want it to wait for the confirm", err, time.Since(began))
		}
		if err := <-sent; err != nil || b.has("orders") != 1 {
			t.Errorf("send: got %v, the queue has %d messages", err, b.has("orders"))
		}
		if err := p.Send(t.Context(), &async.Message{}); !errors.Is(err, async.ErrClosed) {
			t.Errorf("send after close: got %v, want ErrClosed", err)
		}
	})
}

func TestCloseSaysWhatWasNotConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		p, err := NewPublisher(anyURL, "", "orders", deaf(b))
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() { sent <- p.Send(t.Context(), &async.Message{ID: "1"}) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 messages not confirmed") {
			t.Errorf("close: got %v, want how many are not confirmed", err)
		}
		if err := <-sent; !errors.Is(err, async.ErrUnknown) {
			t.Errorf("send: got %v, want ErrUnknown", err)
		}
	})
}

func TestBrokerSideExpirationAndTransienceAreAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &async.Message{Expires: time.Now().Add(1500 * time.Millisecond), Data: bytes.Repeat([]byte("x"), 10)}
		plain, err := publishingOf(&config{}, m)
		if err != nil || plain.Expiration != "" || plain.DeliveryMode != amqp091.Persistent {
			t.Errorf("by default: got expiration %q, mode %d, %v", plain.Expiration, plain.DeliveryMode, err)
		}
		asked, err := publishingOf(&config{brokerExpires: true, transient: true}, m)
		if err != nil || asked.Expiration != "1500" || asked.DeliveryMode != amqp091.Transient {
			t.Errorf("when asked: got expiration %q, mode %d, %v", asked.Expiration, asked.DeliveryMode, err)
		}
	})
}
