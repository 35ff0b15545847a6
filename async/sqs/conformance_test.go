package sqs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Whoever tests against a real broker waits nearly all the time: as many cases as there are processors leave those idle. A flag of the user comes later.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	goleak.VerifyTestMain(m)
}

// double is a way in which a queue can be used, with the traits that it must claim.
type double struct {
	traits  async.Traits
	queue   string
	dead    string // "": none
	options []OptionFunc
	sends   []PublisherOptionFunc
}

// standardTraits are those with a wait of 2 s.
func standardTraits() async.Traits {
	return async.Traits{
		DeadLetters: true, Receivers: 4, MaxBatch: 10, MaxDelay: 12 * time.Hour, StopWait: 5 * time.Second, Visibility: 30 * time.Second, Redelivers: true,
		CountsDeliveries: true, MaxPublishDelay: 15 * time.Minute,
	}
}

func fifoTraits() async.Traits {
	t := standardTraits()
	t.Ordered, t.MaxPublishDelay = async.OrderedGroup, 0
	return t
}

func doubles() map[string]double {
	wait := WithWait(2 * time.Second)
	redrive := standardTraits()
	redrive.DeadLetters = false
	one := fifoTraits()
	one.Receivers, one.Visibility = 1, 10*time.Second
	return map[string]double{
		"standard":           {traits: standardTraits(), queue: "orders", dead: "orders-dead", options: []OptionFunc{wait}},
		"standard, redriven": {traits: redrive, queue: "orders", options: []OptionFunc{wait}},
		"FIFO":               {traits: fifoTraits(), queue: "orders.fifo", dead: "orders-dead", options: []OptionFunc{wait}},
		"FIFO, FIFO letters, one receiver": {
			traits: one, queue: "orders.fifo", dead: "orders-dead.fifo", options: []OptionFunc{wait, WithReceivers(1), WithVisibility(one.Visibility)},
		},
	}
}

func TestConsumerConformance(t *testing.T) {
	t.Parallel()
	for name, d := range doubles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.Run(t, d.traits, d.harness, asynctest.WithVirtualTime())
		})
	}
}

func TestProducerConformance(t *testing.T) {
	t.Parallel()
	for name, d := range doubles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.RunProducer(t, d.traits, d.harness, asynctest.WithVirtualTime())
		})
	}
}

func TestDeadLetterConformance(t *testing.T) {
	t.Parallel()
	for name, d := range doubles() {
		if d.dead == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.sends = append(d.sends, WithoutDeduplication()) // some cases send with an ID that was sent before
			asynctest.RunDeadLetters(t, d.traits, d.harness, asynctest.WithVirtualTime())
		})
	}
}

func (d double) harness(tb testing.TB) asynctest.Harness {
	tb.Helper()
	f := newFake(d.queue, d.dead)
	h := &fakeHarness{fake: f}
	h.harness = newHarness(tb, f, fakeURL+d.queue, d.dead, d.options...)
	h.sends = d.sends
	return h
}

// harness is one of a fake or a real SQS.
type harness struct {
	testing.TB
	client    *faults
	queue     string // URL
	factory   *factory
	sends     []PublisherOptionFunc
	closers   []func()
	mu        sync.Mutex
	consumers []*consumer
}

func newHarness(tb testing.TB, client Client, queue, dead string, oo ...OptionFunc) *harness {
	tb.Helper()
	q, err := parseQueue(queue)
	if err != nil {
		tb.Fatal(err)
	}
	h := &harness{TB: tb, queue: queue, client: newFaults(client, q.name, dead)}
	if dead != "" {
		oo = append(oo, WithDeadLetterQueue(dead))
	}
	h.factory = h.newFactory(h.client, oo)
	return h
}

func (h *harness) newFactory(client Client, oo []OptionFunc) *factory {
	h.Helper()
	f, err := New(client, h.queue, oo...)
	if err != nil {
		h.Fatal(err)
	}
	return f.(*factory)
}

// spyFactory knows the consumers that it made.
type spyFactory struct {
	*factory
	harness *harness
}

func (f *spyFactory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	planned, err := f.factory.Plan(p)
	if err != nil {
		return nil, err
	}
	return &spyFactory{factory: planned.(*factory), harness: f.harness}, nil
}

func (f *spyFactory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.factory.Create(ctx)
	if err != nil {
		return nil, err
	}
	f.harness.mu.Lock()
	defer f.harness.mu.Unlock()
	f.harness.consumers = append(f.harness.consumers, c.(*consumer))
	return c, nil
}

func (h *harness) Factory() async.ConsumerFactory { return &spyFactory{factory: h.factory, harness: h} }

func (h *harness) Producer() async.Producer {
	p, err := NewPublisher(h.client, h.queue, h.sends...)
	if err != nil {
		h.Fatal(err)
	}
	return p
}

func (h *harness) Close() {
	for _, f := range h.closers {
		f()
	}
}

func (h *harness) DeadLetters(ctx context.Context) ([]*async.Message, error) {
	letters := newLetters(h.client.Client, h.factory.config.dead)
	var mm []*async.Message
	for l, err := range letters.List(ctx, async.DeadFilter{}) {
		if err != nil {
			return nil, err
		}
		async.MarkDead(l.Message, errors.New(l.Cause), l.Attempts, &async.Source{Name: l.Origin, Partition: -1}, l.Time)
		mm = append(mm, l.Message)
	}
	return mm, nil
}

func (h *harness) FailSettlements(every int) {
	h.client.mu.Lock()
	defer h.client.mu.Unlock()
	h.client.every, h.client.settled = every, 0
}

func (h *harness) BreakDeadLetters() { h.breakDeadLetters(true) }
func (h *harness) MendDeadLetters()  { h.breakDeadLetters(false) }

func (h *harness) breakDeadLetters(gone bool) {
	h.client.mu.Lock()
	defer h.client.mu.Unlock()
	h.client.deadGone = gone
}

func (h *harness) FailSend(i int) {
	h.client.mu.Lock()
	defer h.client.mu.Unlock()
	h.client.skip = i
}

func (h *harness) Absent() async.ConsumerFactory {
	absent := newFaults(newFake(), "", "")
	absent.takeDown()
	return h.newFactory(absent, nil)
}

// everyHeld returns the messages that each consumer holds.
func (h *harness) everyHeld() map[*consumer][]*async.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[*consumer][]*async.Message)
	for _, c := range h.consumers {
		c.mu.Lock()
		for m := range c.held {
			out[c] = append(out[c], m)
		}
		c.mu.Unlock()
	}
	return out
}

// fakeHarness is one of the fake.
type fakeHarness struct {
	*harness
	fake *fake
}

func (h *fakeHarness) Down() { h.client.takeDown() }
func (h *fakeHarness) Up()   { h.client.bringUp() }

// Lose makes all receipts worthless, which the consumers find out by extending them.
func (h *fakeHarness) Lose() {
	name := h.factory.queue.name
	h.fake.void(name)
	for c, mm := range h.everyHeld() {
		if err := c.Extend(context.Background(), mm); !errors.Is(err, async.ErrLost) {
			h.Errorf("extend messages whose receipts are void: got %v, want ErrLost", err)
		}
	}
	h.fake.show(name)
}
