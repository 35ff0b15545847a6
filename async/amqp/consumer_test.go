package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/reliability"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// consumerOf returns a consumer of the queue orders of b, which the end of the test closes.
func consumerOf(t *testing.T, cf async.ConsumerFactory) async.Consumer {
	t.Helper()
	c, err := cf.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func factoryOf(t *testing.T, b *fakeBroker, oo ...OptionFunc) async.ConsumerFactory {
	t.Helper()
	cf, err := New(anyURL, "orders", append([]OptionFunc{withFake(b)}, oo...)...)
	if err != nil {
		t.Fatal(err)
	}
	return cf
}

// sendAll sends messages with these IDs, which are their keys too.
func sendAll(t *testing.T, b *fakeBroker, ids ...string) {
	t.Helper()
	p := publisher(t, b, "", "orders")
	for _, id := range ids {
		if err := p.Send(t.Context(), &async.Message{ID: id, Key: []byte(id)}); err != nil {
			t.Fatal(err)
		}
	}
}

// receive takes n messages.
func receive(t *testing.T, c async.Consumer, n int) []*async.Message {
	t.Helper()
	var mm []*async.Message
	for len(mm) < n {
		got, err := c.Receive(t.Context(), n-len(mm))
		if err != nil {
			t.Fatal(err)
		}
		mm = append(mm, got...)
	}
	return mm
}

func settle(t *testing.T, c async.Consumer, v async.Verdict, mm ...*async.Message) []error {
	t.Helper()
	ss := make([]async.Settlement, len(mm))
	for i, m := range mm {
		ss[i] = async.Settlement{Message: m, Verdict: v, Cause: errors.New("poison")}
	}
	if err := c.Settle(t.Context(), ss); err != nil {
		t.Fatalf("settle: %v", err)
	}
	errs := make([]error, len(ss))
	for i := range ss {
		errs[i] = ss[i].Err
	}
	return errs
}

// ackRecorder writes down what is acknowledged.
type ackRecorder struct {
	mu    sync.Mutex
	acked []string
}

func (r *ackRecorder) option() OptionFunc {
	return func(c *config) error {
		under := c.connector
		c.connector = func(ctx context.Context, c *config, e endpoint) (connection, error) {
			conn, err := under(ctx, c, e)
			if err != nil {
				return nil, err
			}
			return recordedConnection{conn, r}, nil
		}
		return nil
	}
}

type recordedConnection struct {
	connection
	r *ackRecorder
}

func (c recordedConnection) Channel() (channel, error) {
	ch, err := c.connection.Channel()
	return recordedChannel{ch, c.r}, err
}

type recordedChannel struct {
	channel
	r *ackRecorder
}

func (c recordedChannel) Ack(tag uint64, multiple bool) error {
	c.r.mu.Lock()
	c.r.acked = append(c.r.acked, strings.TrimSuffix(fmt.Sprintf("%d+", tag), map[bool]string{true: "", false: "+"}[multiple]))
	c.r.mu.Unlock()
	return c.channel.Ack(tag, multiple)
}

func (r *ackRecorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := strings.Join(r.acked, " ")
	r.acked = nil
	return got
}

func TestAcknowledgementsAreJoinedAsFarAsNothingIsOutBelow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBroker(), new(ackRecorder)
		c := consumerOf(t, factoryOf(t, b, r.option()))
		sendAll(t, b, "1", "2", "3", "4", "5", "6", "7", "8", "9")
		mm := receive(t, c, 8) // the ninth is delivered, and not taken
		synctest.Wait()

		for _, step := range []struct {
			tags []int
			want string
		}{
			{[]int{2, 1, 0}, "3+"},
			{[]int{4, 6}, "5 7"},
			{[]int{3}, "4+"},
			{[]int{7, 5}, "8+"},
		} {
			var batch []*async.Message
			for _, i := range step.tags {
				batch = append(batch, mm[i])
			}
			if err := errors.Join(settle(t, c, async.Ack, batch...)...); err != nil {
				t.Fatal(err)
			}
			time.Sleep(ackEvery)
			synctest.Wait()
			if got := r.take(); got != step.want {
				t.Errorf("tags of %v: acknowledged %q, want %q", step.tags, got, step.want)
			}
		}
		if errs := settle(t, c, async.Ack, receive(t, c, 1)[0]); errs[0] != nil {
			t.Errorf("the ninth: %v", errs[0])
		}
		if err := c.Close(t.Context()); err != nil || r.take() != "9+" || b.has("orders") != 0 {
			t.Errorf("close: got %v, %d messages in the queue, want what was acknowledged to be written before", err, b.has("orders"))
		}
	})
}

func TestAcknowledgementsThatComeTogetherAreOneFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		b, r := newFakeBroker(), new(ackRecorder)
		c := consumerOf(t, factoryOf(t, b, r.option()))
		p := publisher(t, b, "", "orders")
		for range n {
			if err := p.Send(t.Context(), &async.Message{}); err != nil {
				t.Fatal(err)
			}
		}

		for range n {
			settle(t, c, async.Ack, receive(t, c, 1)...)
		}
		time.Sleep(ackEvery)
		synctest.Wait()

		if got, want := r.take(), "64+ 128+ 192+ 256+ 300+"; got != want {
			t.Errorf("acknowledged %q, want %q", got, want)
		}
	})
}

func TestTheSameMessageTwiceInABatchIsAcknowledgedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		c := consumerOf(t, factoryOf(t, b))
		sendAll(t, b, "1")
		m := receive(t, c, 1)[0]

		if errs := settle(t, c, async.Ack, m, m); errs[0] != nil || !errors.Is(errs[1], async.ErrLost) {
			t.Errorf("got %v, want success and ErrLost", errs)
		}
	})
}

func TestACancelledConsumerSubscribesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		c := consumerOf(t, factoryOf(t, b))
		sendAll(t, b, "1")
		m := receive(t, c, 1)[0]

		b.deleteQueue("orders")
		synctest.Wait()

		if err := c.(component.Checker).Check(t.Context()); !errors.Is(err, errCancelled) {
			t.Errorf("check: got %v, want that it was cancelled", err)
		}
		if errs := settle(t, c, async.Ack, m); !m.Claim.Lost() || !errors.Is(errs[0], async.ErrLost) {
			t.Errorf("claim lost: %t, ack: %v, want ErrLost", m.Claim.Lost(), errs[0])
		}
		p := publisher(t, b, "", "orders")
		sent := make(chan error, 1)
		time.AfterFunc(time.Second, func() { sent <- p.Send(t.Context(), &async.Message{ID: "2"}) })
		if again := receive(t, c, 1)[0]; again.ID != "2" || again.Claim.Lost() {
			t.Errorf("got message %q, its claim lost: %t", again.ID, again.Claim.Lost())
		}
		if err := errors.Join(<-sent, c.(component.Checker).Check(t.Context())); err != nil {
			t.Errorf("send and check: %v", err)
		}
	})
}

func TestAQueueThatIsGoneAndMayNotBeDeclaredEndsTheConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		for _, q := range []string{"orders", "orders.dead"} {
			b.queue(t, q, nil)
		}
		c := consumerOf(t, factoryOf(t, b, WithoutDeclare()))

		b.deleteQueue("orders")

		_, err := c.Receive(t.Context(), 1)
		if !errors.Is(err, errCancelled) || !strings.Contains(err.Error(), `queue "orders" is missing`) {
			t.Errorf("got %v, want that the queue is missing", err)
		}
	})
}

func TestWhatIsMissingOrOtherwiseIsNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		queues  map[string]amqp091.Table
		options []OptionFunc
		want    string
	}{
		"queue":        {nil, []OptionFunc{WithoutDeclare(), WithoutDeadLetters()}, `queue "orders" is missing, and WithoutDeclare forbids to declare it`},
		"dead letters": {map[string]amqp091.Table{"orders": nil}, []OptionFunc{WithoutDeclare()}, `queue "orders.dead" is missing`},
		"tier": {
			map[string]amqp091.Table{"orders": nil, "orders.dead": nil}, []OptionFunc{WithoutDeclare()}, `queue "orders.retry.2s" is missing`,
		},
		"exchange": {nil, []OptionFunc{WithoutDeclare(), WithExchange(Exchange{Name: "events", Kind: "topic"})}, `exchange "events" is missing`},
		"type": {
			map[string]amqp091.Table{"orders": {argType: "stream"}},
			[]OptionFunc{WithQueueArguments(map[string]any{"x-max-length": int64(5)})},
			`queue "orders" is declared otherwise: argument x-max-length: want the value '5' of type 'signedint', there is none`,
		},
		"binding": {nil, []OptionFunc{WithBinding("events", "k", nil)}, `binding of queue orders to exchange "events" is missing`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newFakeBroker()
				for q, args := range tc.queues {
					b.queue(t, q, args)
				}
				cf, err := factoryOf(t, b, tc.options...).(async.Planner).Plan(async.Plan{MaxHeld: 1, Attempts: 2, Delays: []time.Duration{2 * time.Second}})
				if err != nil {
					t.Fatal(err)
				}

				_, err = cf.Create(t.Context())

				if err == nil || !strings.Contains(err.Error(), tc.want) || reliability.Classify(err) != reliability.ClassPermanent {
					t.Errorf("got %v, want %q, permanent", err, tc.want)
				}
			})
		})
	}
}

func TestEverythingIsDeclared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		cf := factoryOf(t, b, WithQuorum(), WithExchange(Exchange{Name: "events", Kind: "direct"}), WithBinding("events", "placed", nil))
		cf, err := cf.(async.Planner).Plan(async.Plan{MaxHeld: 1, Attempts: 3, Delays: []time.Duration{time.Minute, time.Second, time.Minute}})
		if err != nil {
			t.Fatal(err)
		}

		for range 2 { // a restored broker, and one that has it all
			c, err := cf.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p := publisher(t, b, "events", "placed")
			if err := p.Send(t.Context(), &async.Message{ID: "1"}); err != nil {
				t.Fatal(err)
			}
			settle(t, c, async.Ack, receive(t, c, 1)...)
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}

		if got, want := b.names(), "orders orders.dead orders.retry.1m0s orders.retry.1s"; got != want {
			t.Errorf("queues: got %q, want %q", got, want)
		}
		want := amqp091.Table{argType: "quorum", argExchange: "", argKey: "orders.dead", argStrategy: "at-least-once", argOverflow: "reject-publish"}
		if got := b.queues["orders"].args; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("arguments of the queue: got %v, want %v", got, want)
		}
	})
}

func TestADeadLetterQueueThatWasDeletedIsDeclaredAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		c := consumerOf(t, factoryOf(t, b))
		sendAll(t, b, "1")
		m := receive(t, c, 1)[0]
		b.deleteQueue("orders.dead")

		if errs := settle(t, c, async.Reject, m); errs[0] == nil || !strings.Contains(errs[0].Error(), `no queue "orders.dead"`) {
			t.Errorf("got %v, want that the queue is missing", errs[0])
		}
		if errs := settle(t, c, async.Reject, m); errs[0] != nil {
			t.Errorf("the second time: got %v, want success", errs[0])
		}
		if n := b.has("orders.dead"); n != 1 {
			t.Errorf("%d dead letters, want 1", n)
		}
	})
}

func TestPlansThatTheBrokerCannotBearAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options []OptionFunc
		plan    async.Plan
		want    string
	}{
		"held": {nil, async.Plan{MaxHeld: 65536, Attempts: 1}, "65536 held messages: want at most 65535"},
		"pauses": {
			nil, async.Plan{MaxHeld: 1, Attempts: 3, Pauses: 29 * time.Minute, Timeout: time.Minute}, "3 tries with their pauses can take 32m0s",
		},
		"many tries":   {nil, async.Plan{MaxHeld: 1, Attempts: 1 << 62, Timeout: time.Hour}, "consumer_timeout"},
		"their bound":  {[]OptionFunc{WithConsumerTimeout(time.Second)}, async.Plan{MaxHeld: 1, Attempts: 1, Timeout: 2 * time.Second}, "held for 1s"},
		"their limit":  {[]OptionFunc{WithQuorum(), WithQueueArguments(map[string]any{argLimit: 12})}, async.Plan{MaxHeld: 1, Attempts: 3}, "a delivery limit of 12"},
		"off the lane": {nil, async.Plan{MaxHeld: 1, Attempts: 3, Delays: make([]time.Duration, 2), Timeout: 20 * time.Minute}, ""},
		"no bound":     {[]OptionFunc{WithConsumerTimeout(0)}, async.Plan{MaxHeld: 1, Attempts: 3, Timeout: 20 * time.Hour}, ""},
		"enough":       {[]OptionFunc{WithQuorum(), WithQueueArguments(map[string]any{argLimit: 13})}, async.Plan{MaxHeld: 1, Attempts: 3}, ""},
	} {
		_, err := factoryOf(t, newFakeBroker(), tc.options...).(async.Planner).Plan(tc.plan)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func TestTheDeliveryLimitOfRabbitMQ4IsHeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		b.versioned = "4.1.2"
		for attempts, fits := range map[int]bool{10: true, 11: false} {
			cf, err := factoryOf(t, b, WithQuorum()).(async.Planner).Plan(async.Plan{MaxHeld: 1, Attempts: attempts})
			if err != nil {
				t.Fatal(err)
			}
			c, err := cf.Create(t.Context())
			if (err == nil) != fits {
				t.Errorf("%d attempts: got %v", attempts, err)
			}
			if err == nil {
				err = c.Close(t.Context())
			} else if strings.Contains(err.Error(), "a delivery limit of 20") {
				err = nil
			}
			if err != nil {
				t.Errorf("%d attempts: %v", attempts, err)
			}
		}
	})
}

func TestAMessageThatTakesItsProcessDownIsNotStartedForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		cf, err := factoryOf(t, b, WithQuorum()).(async.Planner).Plan(async.Plan{MaxHeld: 1, Attempts: 3})
		if err != nil {
			t.Fatal(err)
		}
		c, err := cf.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sendAll(t, b, "1")
		for n := 1; ; n++ {
			m := receive(t, c, 1)[0]
			if m.Deliveries != n {
				t.Fatalf("delivery %d says it is number %d", n, m.Deliveries)
			}
			if err := c.Close(t.Context()); err != nil { // the process is gone
				t.Fatal(err)
			}
			if m.Attempt > 0 {
				if want := 3 + spareDeliveries + 2; n != want || m.Attempt != n-1 {
					t.Errorf("it counts as started %d times in delivery %d, want %d in delivery %d", m.Attempt, n, want-1, want)
				}
				return
			}
			if c, err = cf.Create(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAConsumerThatStandsByDoesNotLookStalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		cf := factoryOf(t, b, WithSingleActiveConsumer())
		cf, err := cf.(async.Planner).Plan(async.Plan{MaxHeld: 1, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		consumerOf(t, cf)
		standby := consumerOf(t, cf)
		sendAll(t, b, "1", "2", "3")
		synctest.Wait()

		lags, err := standby.(async.Lagger).Lag(t.Context())

		if err != nil || len(lags) != 1 || lags[0].Ready != 0 || lags[0].Messages != 2 {
			t.Errorf("got %+v, %v, want 2 messages, none of them ready for it", lags, err)
		}
	})
}

func TestABlockedBrokerIsSeenByTheCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		c := consumerOf(t, factoryOf(t, b, WithSendTimeout(time.Second)))
		sendAll(t, b, "1", "2")
		mm := receive(t, c, 2)
		b.block("low on memory")

		rejected := settle(t, c, async.Reject, mm[0])
		acked := settle(t, c, async.Ack, mm[1])

		if !errors.Is(rejected[0], ErrBlocked) {
			t.Errorf("reject: got %v, want ErrBlocked", rejected[0])
		}
		if acked[0] != nil {
			t.Errorf("ack: got %v, want that it goes on", acked[0])
		}
		if err := c.(component.Checker).Check(t.Context()); !errors.Is(err, ErrBlocked) {
			t.Errorf("check: got %v, want ErrBlocked", err)
		}
		b.block("")
		synctest.Wait()
		if err := c.(component.Checker).Check(t.Context()); err != nil {
			t.Errorf("check when it is over: %v", err)
		}
	})
}

func TestWhatTheBrokerDeadLetteredItselfIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		b.queue(t, "orders.dead", nil)
		at := time.Now().Truncate(time.Second)
		b.mu.Lock()
		for range 2 {
			b.enqueueLocked(b.queues["orders.dead"], "", "orders.dead", amqp091.Publishing{MessageId: "1", Headers: amqp091.Table{
				headerDeath: []any{amqp091.Table{"queue": "orders", "reason": "delivery_limit", "time": at}},
			}})
		}
		b.mu.Unlock()
		letters := factoryOf(t, b).(async.DeadLetterKeeper).DeadLetters()

		l, err := letters.Get(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}

		if l.Cause != "the broker moved it: delivery_limit" || l.Origin != "orders" || !l.Time.Equal(at) {
			t.Errorf("got %+v", l)
		}
		if err := letters.Remove(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if n, err := letters.Count(t.Context(), async.DeadFilter{}); n != 1 || err != nil {
			t.Errorf("after one of two was removed: %d, %v", n, err)
		}
	})
}

func TestReadersOfDeadLettersWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker()
		b.queue(t, "orders.dead", nil)
		b.mu.Lock()
		for i := range 20 {
			b.enqueueLocked(b.queues["orders.dead"], "", "orders.dead", amqp091.Publishing{MessageId: strconv.Itoa(i)})
		}
		b.mu.Unlock()
		var wg sync.WaitGroup
		for range 8 {
			letters := factoryOf(t, b).(async.DeadLetterKeeper).DeadLetters() // as other processes would
			wg.Go(func() {
				n := 0
				for _, err := range letters.List(t.Context(), async.DeadFilter{}) {
					if err != nil {
						t.Error(err)
					}
					n++
				}
				if count, err := letters.Count(t.Context(), async.DeadFilter{}); n != 20 || count != 20 || err != nil {
					t.Errorf("listed %d, counted %d, %v, want 20", n, count, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make func(oo ...OptionFunc) error
		oo   []OptionFunc
		want []string
	}{
		"all at once": {
			newConsumer,
			[]OptionFunc{
				nil, WithURLs(), WithTLS(nil), WithVhost(""), WithHeartbeat(1500 * time.Millisecond), WithConnectTimeout(0),
				WithConnectionName(""), WithDial(nil), WithConfig(nil), WithSendTimeout(-1), WithExchange(Exchange{}), WithExchange(Exchange{Name: "e"}),
				WithBinding("", "", nil), WithQueueArguments(map[string]any{argType: "quorum"}), WithDeadQueue(""), WithKey(nil), WithConsumerTimeout(-1),
			},
			[]string{
				"option 0 is nil", "no further url", "tls", "vhost is empty", "heartbeat 1.5s", "connect timeout 0s", "connection name", "dial function",
				"config function", "send timeout -1ns", "exchange name is empty", "kind is empty", "binding: exchange", "want the option WithQuorum",
				"dead-letter queue name", "key function", "consumer timeout -1ns",
			},
		},
		"for publishers": {
			newConsumer,
			[]OptionFunc{WithTransient(), WithUnroutable(), WithBrokerExpiration(), WithRoutingKey(RoutingByKey)},
			[]string{"WithTransient: not for a consumer", "WithUnroutable", "WithBrokerExpiration", "WithRoutingKey"},
		},
		"for consumers": {
			newPublisher,
			[]OptionFunc{WithQuorum(), WithoutOrder(), WithBinding("e", "", nil), WithDeadQueue("d")},
			[]string{"WithQuorum: not for a publisher", "WithoutOrder", "WithBinding", "WithDeadQueue"},
		},
		"contradictions": {
			newConsumer,
			[]OptionFunc{
				WithoutOrder(), WithSingleActiveConsumer(), WithDeadQueue("orders"), WithoutDeclare(),
				WithBinding("e", "", nil),
			},
			[]string{"want one of them", "want another one than the queue", "WithoutDeclare"},
		},
		"names": {func(oo ...OptionFunc) error { _, err := New(anyURL, "amq.x", oo...); return err }, nil, []string{`"amq.x"`}},
	} {
		err := tc.make(tc.oo...)
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
	if err := newConsumer(); err != nil {
		t.Errorf("without options: %v", err)
	}
	if _, err := NewPublisher(anyURL, "", ""); err == nil {
		t.Error("a publisher to nowhere: got no error")
	}
}

func newConsumer(oo ...OptionFunc) error {
	_, err := New(anyURL, "orders", oo...)
	return err
}

func newPublisher(oo ...OptionFunc) error {
	_, err := NewPublisher(anyURL, "events", "", oo...)
	return err
}

func TestTheNextNodeIsTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up, down := newFakeBroker(), newFakeBroker()
		down.down()
		var tried []string
		nodes := func(c *config) error {
			c.connector = func(ctx context.Context, c *config, e endpoint) (connection, error) {
				tried = append(tried, e.address)
				if strings.Contains(e.address, "two") {
					return up.connector(ctx, c, e)
				}
				return down.connector(ctx, c, e)
			}
			return nil
		}
		cf, err := New("amqp://one", "orders", WithURLs("amqp://two", "amqps://three"), nodes)
		if err != nil {
			t.Fatal(err)
		}

		for range 2 {
			c, err := cf.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		up.down()
		_, err = cf.Create(t.Context())

		if want := []string{"amqp://one:5672", "amqp://two:5672", "amqp://two:5672"}; !slices.Equal(tried[:3], want) {
			t.Errorf("tried %v, want %v first", tried, want)
		}
		for _, node := range []string{"one:5672", "two:5672", "three:5671"} {
			if err == nil || !strings.Contains(err.Error(), node) {
				t.Errorf("got %v, want what is wrong with %s", err, node)
			}
		}
	})
}
