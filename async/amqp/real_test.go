package amqp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// realQueue returns a queue of the real broker that nobody else uses, and the options with which a network that can be broken leads there.
func realQueue(t *testing.T) (string, *realWorld, []OptionFunc) {
	t.Helper()
	w := newRealWorld(t, newJanitor(t))
	queue := unique("real")
	t.Cleanup(func() { clearReal(t, w.janitor.conn, []string{queue, queue + deadSuffix}, nil) }) // classic queues, which go at any time
	return queue, w, w.options()
}

func realPublisher(t *testing.T, exchange, key string, oo ...OptionFunc) async.Producer {
	t.Helper()
	p, err := NewPublisher(anyURL, exchange, key, oo...)
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

func realFactory(t *testing.T, queue string, oo ...OptionFunc) async.ConsumerFactory {
	t.Helper()
	cf, err := New(anyURL, queue, oo...)
	if err != nil {
		t.Fatal(err)
	}
	return cf
}

// running runs a component, and returns what ends it.
func running(t *testing.T, cf async.ConsumerFactory, proc async.ProcessorFunc) (*async.Component, func()) {
	t.Helper()
	c, err := async.New("real", cf, proc)
	if err != nil {
		t.Fatal(err)
	}
	quiet := plog.WithContext(t.Context(), plog.New(plog.JSON(io.Discard, nil)))
	ctx, cancel := context.WithCancel(component.WithGrace(quiet, 10*time.Second, nil))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	end := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(end)
	return c, end
}

// within fails the test unless something comes in time.
func within[T any](t *testing.T, d time.Duration, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(d):
		t.Fatalf("%s: not within %v", what, d)
		panic("unreachable")
	}
}

func TestRefusalsOfRealRabbitMQSayWhatIsRefused(t *testing.T) {
	t.Parallel()
	base := realURL(t)
	queue, w, oo := realQueue(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	internal := unique("internal")
	t.Cleanup(func() { clearReal(t, w.janitor.conn, nil, []string{internal}) })
	wrongUser, wrongVhost := *u, *u
	wrongUser.User = url.UserPassword("guest", secret)
	wrongVhost.Path = "/nowhere"

	for name, tc := range map[string]struct {
		do   func() error
		want string
	}{
		"password": {func() error { return creates(t, realFactory(t, queue, at(wrongUser.String()))) }, "user or password refused"},
		"vhost":    {func() error { return creates(t, realFactory(t, queue, at(wrongVhost.String()))) }, `vhost "nowhere" refused`},
		"an option of the vhost": {
			func() error { return creates(t, realFactory(t, queue, at(base), WithVhost("elsewhere"))) }, `vhost "elsewhere" refused`,
		},
		"queue": {func() error { return creates(t, realFactory(t, queue, append(oo, WithoutDeclare())...)) }, `is missing, and WithoutDeclare forbids`},
		"argument": {func() error {
			return errors.Join(creates(t, realFactory(t, queue, oo...)), creates(t, realFactory(t, queue, append(oo, WithSingleActiveConsumer())...)))
		}, "is declared otherwise: argument x-single-active-consumer: want"},
		"internal exchange": {func() error {
			p := realPublisher(t, internal, "k", append(oo, WithExchange(Exchange{Name: internal, Kind: "fanout", Internal: true}))...)
			return p.Send(t.Context(), &async.Message{})
		}, "no permission"},
		"TLS": {func() error {
			return creates(t, realFactory(t, queue, at(strings.Replace(base, "amqp://", "amqps://", 1)), WithConnectTimeout(time.Minute)))
		}, "does not speak TLS"},
	} {
		err := tc.do()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
			continue
		}
		if name != "TLS" && reliability.Classify(err) != reliability.ClassPermanent {
			t.Errorf("%s: %v is not permanent", name, err)
		}
		if leaks(err.Error()) {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}

// creates makes a consumer and closes it.
func creates(t *testing.T, cf async.ConsumerFactory) error {
	t.Helper()
	c, err := cf.Create(t.Context())
	if err != nil {
		return err
	}
	return c.Close(t.Context())
}

func TestALargeMessagePassesSmallFramesOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	queue, _, oo := realQueue(t)
	oo = append(oo, WithConfig(func(c *amqp091.Config) { c.FrameSize = 8192 }))
	got := make(chan *async.Message, 1)
	c, _ := running(t, realFactory(t, queue, oo...), func(_ context.Context, m *async.Message) error {
		got <- m.Clone()
		return nil
	})
	connected(t, c)
	body := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
	p := realPublisher(t, "", queue, oo...)

	if err := p.Send(t.Context(), &async.Message{Data: body}); err != nil {
		t.Fatal(err)
	}
	if m := within(t, 30*time.Second, "10 MB", got); !bytes.Equal(m.Data, body) {
		t.Errorf("got %d bytes, want the %d that were sent", len(m.Data), len(body))
	}
	err := p.Send(t.Context(), &async.Message{Headers: async.Headers{{Key: "huge", Value: strings.Repeat("x", 8192)}}})
	if err == nil || !strings.Contains(err.Error(), "headers of") || reliability.Classify(err) != reliability.ClassPermanent {
		t.Errorf("headers that fit no frame: got %v, want them refused for good", err)
	}
	if err := p.Send(t.Context(), &async.Message{}); err != nil {
		t.Errorf("the next message: %v", err)
	}
}

// connected waits until a component has its consumer.
func connected(t *testing.T, c *async.Component) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); c.Check(t.Context()) != nil; wait(t.Context(), 5*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not connected: %v", c.Check(t.Context()))
		}
	}
}

func TestAHalfOpenSocketIsFoundOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	queue, w, oo := realQueue(t)
	const beat = 2 * time.Second
	oo = append(oo, WithHeartbeat(beat))
	started := make(chan struct{}, 10)
	lost := make(chan error, 10)
	c, _ := running(t, realFactory(t, queue, oo...), func(ctx context.Context, m *async.Message) error {
		started <- struct{}{}
		if m.Headers.Has("wait") {
			select {
			case <-ctx.Done():
				lost <- context.Cause(ctx)
			case <-time.After(time.Second):
			}
		}
		return ctx.Err()
	})
	connected(t, c)
	direct := realPublisher(t, "", queue, at(realURL(t)))
	hold := realPublisher(t, "", queue, oo...)
	if err := hold.Send(t.Context(), &async.Message{ID: "warm"}); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, "the first message", started)

	w.network.Stall()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := hold.Send(ctx, &async.Message{ID: "unheard"}); !errors.Is(err, async.ErrUnknown) {
		t.Errorf("send into a stalled socket: got %v, want ErrUnknown", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the send took %v, want it to end with its context", took)
	}
	for end := time.Now().Add(2*beat + 5*time.Second); c.Check(t.Context()) == nil; wait(t.Context(), 10*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the consumer does not know that nobody is there")
		}
	}
	t.Logf("found after %v, with a heartbeat of %v", time.Since(began), beat)
	w.network.Up()
	if err := direct.Send(t.Context(), &async.Message{ID: "after"}); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, "a message after it", started)
}

func TestAConsumerThatIsKilledIsFollowedByTheNextOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	queue, w, oo := realQueue(t)
	first := make(chan struct{}, 100)
	running(t, realFactory(t, queue, oo...), func(ctx context.Context, _ *async.Message) error {
		first <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	p := realPublisher(t, "", queue, at(realURL(t)))
	for len(first) == 0 { // until the queue is there
		if err := p.Send(t.Context(), &async.Message{ID: "1"}); err == nil {
			break
		}
		wait(t.Context(), 10*time.Millisecond)
	}
	within(t, 30*time.Second, "the first start", first)

	w.network.Down() // its sockets close, as those of a process that is killed
	began := time.Now()
	again := make(chan struct{}, 100)
	running(t, realFactory(t, queue, at(realURL(t))), func(context.Context, *async.Message) error {
		again <- struct{}{}
		return nil
	})

	within(t, 5*time.Second, "the message again", again)
	t.Logf("again after %v", time.Since(began))
	w.network.Up()
}

func TestADeletedQueueIsMadeAnewOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	queue, w, oo := realQueue(t)
	got := make(chan string, 100)
	c, _ := running(t, realFactory(t, queue, oo...), func(_ context.Context, m *async.Message) error {
		got <- m.ID
		return nil
	})
	connected(t, c)
	p := realPublisher(t, "", queue, oo...)

	clearReal(t, w.janitor.conn, []string{queue}, nil)

	for n := 0; ; n++ {
		err := p.Send(t.Context(), &async.Message{ID: "2"})
		if err == nil {
			break
		}
		if n > 500 {
			t.Fatalf("the queue does not come back: %v", err)
		}
		wait(t.Context(), 10*time.Millisecond)
	}
	if id := within(t, 30*time.Second, "the message", got); id != "2" {
		t.Errorf("got message %q", id)
	}
}

func TestManySendersShareAChannelOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	const senders, each = 32, 100
	queue, _, oo := realQueue(t)
	var mu sync.Mutex
	seen := make(map[string]int)
	all := make(chan struct{})
	c, _ := running(t, realFactory(t, queue, oo...), func(_ context.Context, m *async.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if seen[m.ID]++; len(seen) == senders*each && seen[m.ID] == 1 {
			close(all)
		}
		return nil
	})
	connected(t, c)
	p := realPublisher(t, "", queue, oo...)
	var wg sync.WaitGroup
	began := time.Now()
	for range senders {
		wg.Go(func() {
			for range each {
				if err := p.Send(t.Context(), &async.Message{Data: []byte("x")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d messages, each confirmed by itself, in %v", senders*each, time.Since(began))
	within(t, 30*time.Second, "all messages", all)
}
