package memory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/async/memory"
)

// brokers are the ways in which a broker can be made, with the traits that each must claim.
func brokers() map[string]broker {
	traits := async.Traits{
		Ordered: async.OrderedGroup, DeadLetters: true, MaxDelay: 365 * 24 * time.Hour, StopWait: 50 * time.Millisecond,
		Redelivers: true, CountsDeliveries: true, ExactAttempts: true, MaxPublishDelay: 365 * 24 * time.Hour, Broadcasts: true,
	}
	volatile, leased := traits, traits
	volatile.Volatile = true
	leased.Visibility = 30 * time.Second
	return map[string]broker{
		"volatile":            {traits: volatile},
		"volatile, claims":    {traits: volatile, options: []memory.OptionFunc{memory.WithClaims()}, claims: true},
		"outlives":            {traits: traits, options: []memory.OptionFunc{memory.WithoutDrain()}},
		"outlives, claims":    {traits: traits, options: []memory.OptionFunc{memory.WithoutDrain(), memory.WithClaims()}, claims: true},
		"outlives, leases":    {traits: leased, options: []memory.OptionFunc{memory.WithoutDrain(), memory.WithVisibility(leased.Visibility)}, claims: true},
		"outlives, one a key": {traits: traits, options: []memory.OptionFunc{memory.WithoutDrain(), memory.WithPerKey(1)}},
	}
}

type broker struct {
	traits  async.Traits
	options []memory.OptionFunc
	claims  bool
}

func TestConsumerConformance(t *testing.T) {
	t.Parallel()
	for name, b := range brokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.Run(t, b.traits, b.harness, asynctest.WithVirtualTime())
		})
	}
}

func TestProducerConformance(t *testing.T) {
	t.Parallel()
	for name, b := range brokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.RunProducer(t, b.traits, b.harness, asynctest.WithVirtualTime())
		})
	}
}

func TestDeadLetterConformance(t *testing.T) {
	t.Parallel()
	for name, b := range brokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.RunDeadLetters(t, b.traits, b.harness, asynctest.WithVirtualTime())
		})
	}
}

func TestConsumerConformanceInRealTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped by -short: the same cases as in virtual time, with a real clock")
	}
	b := brokers()["outlives, claims"]
	asynctest.Run(t, b.traits, b.harness, asynctest.WithQuiet(50*time.Millisecond))
}

func (b broker) harness(tb testing.TB) asynctest.Harness {
	tb.Helper()
	m, err := memory.New(b.options...)
	if err != nil {
		tb.Fatal(err)
	}
	h := &harness{broker: m}
	if b.claims {
		return &claimHarness{h}
	}
	return h
}

const queue = "orders"

// harness has everything but claims.
type harness struct{ broker *memory.Broker }

func (h *harness) Factory() async.ConsumerFactory { return h.broker.Consumer(queue) }
func (h *harness) Producer() async.Producer       { return h.broker.Producer(queue) }
func (h *harness) Close()                         {}
func (h *harness) Down()                          { h.broker.Down() }
func (h *harness) Up()                            { h.broker.Up() }
func (h *harness) MendDeadLetters()               { h.broker.Heal() }

func (h *harness) DeadLetters(context.Context) ([]*async.Message, error) {
	return h.broker.DeadLetters(queue), nil
}

func (h *harness) Absent() async.ConsumerFactory {
	absent, err := memory.New()
	if err != nil {
		panic(err)
	}
	absent.Down()
	return absent.Consumer(queue)
}

func (h *harness) Broadcast() (async.ConsumerFactory, async.Producer) {
	return h.broker.Broadcast("topic"), h.broker.BroadcastProducer("topic")
}

var errBroken = errors.New("broken on purpose")

func (h *harness) inject(f memory.Fault) {
	if err := h.broker.Inject(f); err != nil {
		panic(err)
	}
}

func (h *harness) FailSettlements(every int) {
	h.broker.Heal()
	if every > 0 {
		h.inject(memory.Fault{Op: memory.OpSettleOne, Every: every, Err: errBroken})
	}
}

func (h *harness) BreakDeadLetters() { h.inject(memory.Fault{Op: memory.OpDeadLetter, Err: errBroken}) }

func (h *harness) FailSend(i int) {
	h.inject(memory.Fault{Op: memory.OpSendOne, After: i, Times: 1, Err: errBroken})
}

// claimHarness is one of a broker whose messages can be taken away.
type claimHarness struct{ *harness }

func (h *claimHarness) Lose()                      { h.broker.Lose(queue, errBroken) }
func (h *claimHarness) Revoke(ctx context.Context) { h.broker.Revoke(ctx, queue) }
