package asynctest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest/internal/simtest"
)

// highest is a ledger that commits as far as the highest offset it was told of: whatever was still in work below it is lost when the consumer dies.
type highest struct{ next int64 }

func newHighest(next int64, _ []int64) simtest.Ledger { return &highest{next: next} }

func (h *highest) Finish(offset int64)        { h.next = max(h.next, offset+1) }
func (h *highest) Position() (int64, []int64) { return h.next, nil }

// wrapped makes consumers that are wrong.
type wrapped struct {
	async.ConsumerFactory
	wrap func(async.Consumer) async.Consumer
}

func (w wrapped) Create(ctx context.Context) (async.Consumer, error) {
	c, err := w.ConsumerFactory.Create(ctx)
	if err != nil {
		return nil, err
	}
	return w.wrap(c), nil
}

// eager settles messages when it receives them, as a client does that acknowledges by itself.
type eager struct{ async.Consumer }

func (e eager) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	mm, err := e.Consumer.Receive(ctx, limit)
	if err != nil {
		return mm, err
	}
	ss := make([]async.Settlement, len(mm))
	for i, m := range mm {
		ss[i] = async.Settlement{Message: m, Verdict: async.Ack}
	}
	return mm, e.Consumer.Settle(context.WithoutCancel(ctx), ss)
}

func (e eager) Settle(context.Context, []async.Settlement) error { return nil }

// unheeding does not let the engine know of claims, so that it goes on after they have ended.
type unheeding struct{ async.Consumer }

func (u unheeding) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	mm, err := u.Consumer.Receive(ctx, limit)
	for _, m := range mm {
		m.Claim = nil
	}
	return mm, err
}

// TestWrongEnginesAreFound plants one fault at a time into what is simulated. Each must be found soon, by the property it breaks, with a short history.
func TestWrongEnginesAreFound(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]struct {
		broker   SimulationFunc
		plant    func(*simtest.Config)
		options  []async.OptionFunc
		property simtest.Property
		says     string
		faults   int
		steps    int
	}{
		"commit of the highest offset": {
			broker:   WithLog(1, offsetLog),
			plant:    func(c *simtest.Config) { c.Ledger = newHighest },
			options:  []async.OptionFunc{async.WithConcurrency(2)},
			property: simtest.NothingLost, says: "has no effect and is not dead", faults: 1, steps: 20,
		},
		"settle before the effect": {
			broker:   WithQueue(leaseQueue),
			plant:    wrap(func(c async.Consumer) async.Consumer { return eager{c} }),
			property: simtest.AfterEffect, says: "of which no handler has succeeded", faults: 0, steps: 4,
		},
		"late ack after a revocation": {
			broker:   WithLog(2, offsetLog),
			plant:    wrap(func(c async.Consumer) async.Consumer { return unheeding{c} }),
			property: simtest.OwnClaim, says: "ack of", faults: 1, steps: 20,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := wrong.options
			s, err := newSimulation(1, func() App { return set{}.app(options...) }, []SimulationFunc{wrong.broker, WithFaults(Death, Revoke, Lose)})
			if err != nil {
				t.Fatal(err)
			}
			wrong.plant(&s.config)
			began := time.Now()
			r := s.run(t)
			took := time.Since(began)

			t.Logf("found in history %d, after %d steps and %v:\n%s", r.Histories, r.Steps, took, r.Failure)
			if r.Property != wrong.property || !strings.Contains(r.Failure, wrong.says) {
				t.Errorf("got property %q, want %q, and a text that says %q", r.Property, wrong.property, wrong.says)
			}
			if r.Made > wrong.faults || r.Length > wrong.steps {
				t.Errorf("the shortest history has %d faults and %d steps, want at most %d and %d", r.Made, r.Length, wrong.faults, wrong.steps)
			}
			if took > 10*time.Second {
				t.Errorf("found after %v, want less than 10s", took)
			}
		})
	}
}

func wrap(f func(async.Consumer) async.Consumer) func(*simtest.Config) {
	return func(c *simtest.Config) {
		c.Wrap = func(cf async.ConsumerFactory) async.ConsumerFactory { return wrapped{ConsumerFactory: cf, wrap: f} }
	}
}
