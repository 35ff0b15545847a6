package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// world is a broker: the real one, or the double.
type world interface {
	options() []OptionFunc // with which it is reached
	absent() []OptionFunc  // with which it never is
	down()
	up()
	clear(queues, exchanges []string) // when a case is over
}

// harness drives either broker through the suites. What a broker cannot be told to do, a tap between the driver and the client library does: a publish gets
// another routing key, so that the broker itself returns it.
type harness struct {
	tb      testing.TB
	world   world
	queue   string
	options []OptionFunc

	mu        sync.Mutex // guards everything below
	consumers []*consumer
	broken    bool // the queue of dead letters
	failEvery int
	settled   int
	refuse    int // publishes of producers until the one that is refused; below 0: none
}

func newHarness(tb testing.TB, w world, oo ...OptionFunc) *harness {
	tb.Helper()
	return &harness{
		tb: tb, world: w, queue: unique("orders"), options: append([]OptionFunc{WithConsumerTimeout(0)}, oo...), refuse: -1,
	}
}

// tapped makes a config's connections go through the tap.
func (h *harness) tapped(producer bool) OptionFunc {
	return func(c *config) error {
		under := c.connector
		c.connector = func(ctx context.Context, c *config, e endpoint) (connection, error) {
			conn, err := under(ctx, c, e)
			if err != nil {
				return nil, err
			}
			return &tapConnection{connection: conn, h: h, producer: producer}, nil
		}
		return nil
	}
}

func (h *harness) must(err error) {
	if err != nil {
		h.tb.Helper()
		h.tb.Fatal(err)
	}
}

const anyURL = "amqp://guest:guest@127.0.0.1/"

func (h *harness) factory(oo []OptionFunc) async.ConsumerFactory {
	cf, err := New(anyURL, h.queue, append(append(append([]OptionFunc(nil), oo...), h.tapped(false)), h.options...)...)
	h.must(err)
	return &tapFactory{factory: cf.(*factory), h: h}
}

func (h *harness) Factory() async.ConsumerFactory { return h.factory(h.world.options()) }
func (h *harness) Absent() async.ConsumerFactory  { return h.factory(h.world.absent()) }
func (h *harness) Down()                          { h.world.down() }
func (h *harness) Up()                            { h.world.up() }

func (h *harness) Producer() async.Producer {
	p, err := NewPublisher(anyURL, "", h.queue, append(h.world.options(), h.tapped(true), h.declaring())...)
	h.must(err)
	return p
}

// declaring makes a producer declare the queue of the consumers: the suite may send before it consumes.
func (h *harness) declaring() OptionFunc {
	return func(c *config) error {
		under := c.connector
		c.connector = func(ctx context.Context, c *config, e endpoint) (connection, error) {
			conn, err := under(ctx, c, e)
			if err != nil {
				return nil, err
			}
			ch, err := conn.Channel()
			if err != nil {
				return nil, errors.Join(err, conn.CloseDeadline(time.Now()))
			}
			target, err := newConfig(consumes, anyURL, h.queue, h.options)
			if err == nil {
				err = target.declare(ch, nil)
			}
			if err != nil {
				return nil, errors.Join(err, conn.CloseDeadline(time.Now()))
			}
			return conn, nil
		}
		return nil
	}
}

func (h *harness) DeadLetters(ctx context.Context) ([]*async.Message, error) {
	cf, err := New(anyURL, h.queue, append(h.world.options(), h.options...)...)
	h.must(err)
	var mm []*async.Message
	for l, err := range cf.(async.DeadLetterKeeper).DeadLetters().List(ctx, async.DeadFilter{}) {
		if err != nil {
			return nil, err
		}
		async.MarkDead(l.Message, errors.New(l.Cause), l.Attempts, &async.Source{Name: l.Origin, Partition: -1}, l.Time)
		mm = append(mm, l.Message)
	}
	return mm, nil
}

// Broadcast is for one exchange, in the order of the harness.
func (h *harness) Broadcast() (async.ConsumerFactory, async.Producer) {
	exchange := h.queue + ".topic"
	oo := append(h.world.options(), WithConsumerTimeout(0))
	if h.Factory().Traits().Redelivers {
		oo = append(oo, WithoutOrder())
	}
	cf, err := NewBroadcast(anyURL, exchange, oo...)
	h.must(err)
	p, err := NewPublisher(anyURL, exchange, "", append(h.world.options(), WithUnroutable(), WithExchange(Exchange{Name: exchange, Kind: "fanout"}))...)
	h.must(err)
	return cf, p
}

func (h *harness) FailSettlements(every int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failEvery, h.settled = every, 0
}

func (h *harness) BreakDeadLetters() { h.setBroken(true) }
func (h *harness) MendDeadLetters()  { h.setBroken(false) }

func (h *harness) setBroken(broken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = broken
}

func (h *harness) FailSend(i int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse = i
}

// Lose makes the broker close the channels of all consumers, which acknowledge what they never had.
func (h *harness) Lose() {
	h.mu.Lock()
	consumers := append([]*consumer(nil), h.consumers...)
	h.mu.Unlock()
	for _, c := range consumers {
		c.mu.Lock()
		sub, closed := c.sub, c.closed
		c.mu.Unlock()
		if closed || c.conn.IsClosed() {
			continue
		}
		if err := sub.ch.Ack(1<<40, false); err != nil {
			h.tb.Errorf("acknowledge what was never delivered: %v", err)
		}
		for end := time.Now().Add(10 * time.Second); !sub.claim.Lost() && time.Now().Before(end); {
			wait(h.tb.Context(), time.Millisecond)
		}
	}
}

func (h *harness) Close() {
	h.world.clear([]string{
		h.queue, h.queue + deadSuffix, h.queue + ".topic" + deadSuffix,
		h.queue + ".retry.1s", h.queue + ".retry.2s", h.queue + ".retry.3s",
	}, []string{h.queue + ".topic"})
}

// wait blocks for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

var uniqueNames struct {
	sync.Mutex
	n int
}

func unique(name string) string {
	uniqueNames.Lock()
	defer uniqueNames.Unlock()
	uniqueNames.n++
	return fmt.Sprintf("test.%s.%d.%d", name, started.UnixNano(), uniqueNames.n)
}

var started = time.Now()

// tapFactory remembers its consumers.
type tapFactory struct {
	*factory
	h *harness
}

func (f *tapFactory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	planned, err := f.factory.Plan(p)
	if err != nil {
		return nil, err
	}
	return &tapFactory{factory: planned.(*factory), h: f.h}, nil
}

func (f *tapFactory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.factory.Create(ctx)
	if err != nil {
		return nil, err
	}
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	f.h.consumers = append(f.h.consumers, c.(*consumer))
	return &tapConsumer{consumer: c.(*consumer), h: f.h}, nil
}

// tapConsumer fails settlements before they are carried out.
type tapConsumer struct {
	*consumer
	h *harness
}

var errFailing = errors.New("broken on purpose")

func (c *tapConsumer) Settle(ctx context.Context, ss []async.Settlement) error {
	passed := make([]async.Settlement, 0, len(ss))
	places := make([]int, 0, len(ss))
	c.h.mu.Lock()
	for i := range ss {
		if c.h.settled++; c.h.failEvery > 0 && c.h.settled%c.h.failEvery == 0 {
			ss[i].Err = errFailing
			continue
		}
		passed, places = append(passed, ss[i]), append(places, i)
	}
	c.h.mu.Unlock()
	err := c.consumer.Settle(ctx, passed)
	for i, at := range places {
		ss[at].Err = passed[i].Err
	}
	return err
}

// tapConnection gives some publishes another routing key.
type tapConnection struct {
	connection
	h        *harness
	producer bool
}

func (t *tapConnection) Channel() (channel, error) {
	ch, err := t.connection.Channel()
	if err != nil {
		return nil, err
	}
	return &tapChannel{
		channel: ch, t: t, returned: make(chan amqp091.Return), confirmed: make(chan amqp091.Confirmation),
	}, nil
}

const nowhere = "nowhere."

type tapChannel struct {
	channel
	t         *tapConnection
	returned  chan amqp091.Return
	confirmed chan amqp091.Confirmation
	confirms  chan amqp091.Confirmation
}

func (t *tapChannel) Publish(exchange, key string, mandatory, immediate bool, msg amqp091.Publishing) error {
	h := t.t.h
	h.mu.Lock()
	astray := h.broken && key == h.queue+deadSuffix
	if t.t.producer && h.refuse >= 0 {
		astray = astray || h.refuse == 0
		h.refuse--
	}
	h.mu.Unlock()
	if astray {
		key = nowhere + key
	}
	return t.channel.Publish(exchange, key, mandatory, immediate, msg)
}

func (t *tapChannel) NotifyPublish(confirms chan amqp091.Confirmation) chan amqp091.Confirmation {
	t.confirms = confirms
	return confirms
}

// NotifyReturn is the second of both. One goroutine passes confirms and returns on in the order in which they come.
func (t *tapChannel) NotifyReturn(returns chan amqp091.Return) chan amqp091.Return {
	t.channel.NotifyPublish(t.confirmed)
	t.channel.NotifyReturn(t.returned)
	go func() {
		returned := t.returned
		for {
			select {
			case r, ok := <-returned:
				if !ok {
					returned = nil
					continue
				}
				r.RoutingKey = strings.TrimPrefix(r.RoutingKey, nowhere)
				returns <- r
			case c, ok := <-t.confirmed:
				if !ok {
					close(t.confirms)
					return
				}
				t.confirms <- c
			}
		}
	}()
	return returns
}
