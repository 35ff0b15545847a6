package asynctest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
)

const queue = "orders"

// tamper is what is wrong with a broker. Each function that is set stands between the suite and the memory broker.
type tamper struct {
	traits    func(*async.Traits)
	create    func(ctx context.Context, h *wrongHarness, next func(context.Context) (async.Consumer, error)) (async.Consumer, error)
	receive   func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error)
	settle    func(ctx context.Context, c *tampered, ss []async.Settlement) error
	extend    func(ctx context.Context, c *tampered, mm []*async.Message) error
	lag       func(ctx context.Context, c *tampered) ([]async.Lag, error)
	close     func(ctx context.Context, c *tampered) error
	send      func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error
	shut      func(ctx context.Context, p *tamperedProducer) error
	absent    func(h *wrongHarness) async.ConsumerFactory
	broadcast func(h *wrongHarness) (async.ConsumerFactory, async.Producer)
	letters   func(d async.DeadLetters) async.DeadLetters
}

// driver is what the consumer of the memory broker is.
type driver interface {
	async.Consumer
	async.Extender
	async.Lagger
}

// tampered is a consumer of a wrong broker, with what its faults remember.
type tampered struct {
	driver
	tamper  *tamper
	harness *wrongHarness
	n       int
	kept    []*async.Message
	held    map[string]*async.Message
	lock    chan struct{}
}

func (c *tampered) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if c.tamper.receive != nil {
		return c.tamper.receive(ctx, c, limit)
	}
	return c.driver.Receive(ctx, limit)
}

func (c *tampered) Settle(ctx context.Context, ss []async.Settlement) error {
	if c.tamper.settle != nil {
		return c.tamper.settle(ctx, c, ss)
	}
	return c.driver.Settle(ctx, ss)
}

func (c *tampered) Extend(ctx context.Context, mm []*async.Message) error {
	if c.tamper.extend != nil {
		return c.tamper.extend(ctx, c, mm)
	}
	return c.driver.Extend(ctx, mm)
}

func (c *tampered) Lag(ctx context.Context) ([]async.Lag, error) {
	if c.tamper.lag != nil {
		return c.tamper.lag(ctx, c)
	}
	return c.driver.Lag(ctx)
}

func (c *tampered) Close(ctx context.Context) error {
	if c.tamper.close != nil {
		return c.tamper.close(ctx, c)
	}
	return c.driver.Close(ctx)
}

// tamperedProducer is a producer of a wrong broker.
type tamperedProducer struct {
	async.Producer
	tamper  *tamper
	harness *wrongHarness
	n       int
}

func (p *tamperedProducer) Send(ctx context.Context, mm ...*async.Message) error {
	if p.tamper.send != nil {
		return p.tamper.send(ctx, p, mm)
	}
	return p.Producer.Send(ctx, mm...)
}

func (p *tamperedProducer) MaxPublishDelay() time.Duration {
	return p.Producer.(async.Scheduler).MaxPublishDelay()
}

func (p *tamperedProducer) Close(ctx context.Context) error {
	if p.tamper.shut != nil {
		return p.tamper.shut(ctx, p)
	}
	return p.Producer.Close(ctx)
}

// wrongHarness is a memory broker with something wrong.
type wrongHarness struct {
	broker *memory.Broker
	tamper *tamper
	late   []*async.Message // confirmed, but not sent
	lost   int              // messages to lose
}

type wrongFactory struct {
	async.ConsumerFactory
	h *wrongHarness
}

func (f wrongFactory) Traits() async.Traits {
	t := f.ConsumerFactory.Traits()
	if f.h.tamper.traits != nil {
		f.h.tamper.traits(&t)
	}
	return t
}

func (f wrongFactory) DeadLetters() async.DeadLetters {
	d := f.ConsumerFactory.(async.DeadLetterKeeper).DeadLetters()
	if f.h.tamper.letters != nil {
		return f.h.tamper.letters(d)
	}
	return d
}

func (f wrongFactory) Create(ctx context.Context) (async.Consumer, error) {
	next := func(ctx context.Context) (async.Consumer, error) {
		c, err := f.ConsumerFactory.Create(ctx)
		if err != nil {
			return nil, err
		}
		return &tampered{
			driver: c.(driver), tamper: f.h.tamper, harness: f.h, held: make(map[string]*async.Message), lock: make(chan struct{}, 1),
		}, nil
	}
	if f.h.tamper.create != nil {
		return f.h.tamper.create(ctx, f.h, next)
	}
	return next(ctx)
}

func (h *wrongHarness) Factory() async.ConsumerFactory {
	return wrongFactory{h.broker.Consumer(queue), h}
}

func (h *wrongHarness) Producer() async.Producer {
	return &tamperedProducer{Producer: h.broker.Producer(queue), tamper: h.tamper, harness: h}
}

func (h *wrongHarness) Close()                     {}
func (h *wrongHarness) Down()                      { h.broker.Down() }
func (h *wrongHarness) Up()                        { h.broker.Up() }
func (h *wrongHarness) MendDeadLetters()           { h.broker.Heal() }
func (h *wrongHarness) Lose()                      { h.broker.Lose(queue, nil) }
func (h *wrongHarness) Revoke(ctx context.Context) { h.broker.Revoke(ctx, queue) }

func (h *wrongHarness) DeadLetters(context.Context) ([]*async.Message, error) {
	return h.broker.DeadLetters(queue), nil
}

func (h *wrongHarness) Absent() async.ConsumerFactory {
	if h.tamper.absent != nil {
		return h.tamper.absent(h)
	}
	absent, err := memory.New()
	if err != nil {
		panic(err)
	}
	absent.Down()
	return absent.Consumer(queue)
}

func (h *wrongHarness) Broadcast() (async.ConsumerFactory, async.Producer) {
	if h.tamper.broadcast != nil {
		return h.tamper.broadcast(h)
	}
	return h.broker.Broadcast("topic"), h.broker.BroadcastProducer("topic")
}

var errBroken = errors.New("broken on purpose")

func (h *wrongHarness) inject(f memory.Fault) {
	if err := h.broker.Inject(f); err != nil {
		panic(err)
	}
}

func (h *wrongHarness) FailSettlements(every int) {
	h.broker.Heal()
	if every > 0 {
		h.inject(memory.Fault{Op: memory.OpSettleOne, Every: every, Err: errBroken})
	}
}

func (h *wrongHarness) BreakDeadLetters() {
	h.inject(memory.Fault{Op: memory.OpDeadLetter, Err: errBroken})
}

func (h *wrongHarness) FailSend(i int) {
	h.inject(memory.Fault{Op: memory.OpSendOne, After: i, Times: 1, Err: errBroken})
}

// mode is a kind of memory broker that a fault is planted in.
type mode int

const (
	outliving mode = iota
	leasing
	draining
	modes
)

func (m mode) broker(t testing.TB) *memory.Broker {
	t.Helper()
	b, err := memory.New(map[mode][]memory.OptionFunc{
		outliving: {memory.WithoutDrain(), memory.WithClaims()},
		leasing:   {memory.WithoutDrain(), memory.WithVisibility(30 * time.Second)},
		draining:  {memory.WithClaims()},
	}[m]...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wrongSuite is the suite for a broker of the mode with a fault.
func wrongSuite(t *testing.T, m mode, fault *tamper) *suite {
	t.Helper()
	h := &wrongHarness{broker: m.broker(t), tamper: fault}
	s, err := newSuite(h.Factory().Traits(), func(t testing.TB) Harness {
		return &wrongHarness{broker: m.broker(t), tamper: fault}
	}, []OptionFunc{WithVirtualTime()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
