package asynctest

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// wrongHolders are wrong in what they leave to whom, and for how long.
func wrongHolders() map[string]wrongBroker {
	// A claim that the consumer does not know of cannot tell it anything.
	foreign := change(func(_ *tampered, mm []*async.Message) {
		for i, m := range mm {
			mm[i] = m.Clone()
			mm[i].Lane, mm[i].Claim = m.Lane, async.NewClaim()
		}
	})
	return map[string]wrongBroker{
		"takes messages back without a word": {tamper: tamper{receive: foreign}, caught: []string{
			"a lost claim gives its messages back, and they cannot be settled late", "a lost claim cancels what runs, and its late result is not settled",
			"a revoked claim lets running messages finish and drops those that wait", "a revoked claim cancels a message that does not finish in time",
		}},
		"takes late settlements": {mode: leasing, tamper: tamper{settle: hush(async.ErrLost)}, caught: []string{
			"a message comes back after its visibility time, and then cannot be settled late", "a lost claim gives its messages back, and they cannot be settled late",
		}},
		"extends nothing": {
			mode:   leasing,
			tamper: tamper{extend: func(context.Context, *tampered, []*async.Message) error { return nil }},
			caught: []string{"a message that is extended stays", "a message is kept while its handler runs longer than its visibility time"},
		},
		"extends what is gone": {
			mode: leasing,
			tamper: tamper{extend: func(ctx context.Context, c *tampered, mm []*async.Message) error {
				_ = c.driver.Extend(ctx, mm)
				return nil
			}},
			caught: []string{"a message that came back cannot be extended"},
		},
		"never takes a message back": {
			tamper: tamper{traits: func(t *async.Traits) { t.Visibility = 30 * time.Second }},
			caught: []string{"a message comes back after its visibility time, and then cannot be settled late"},
		},
		"is connected to nobody": {
			tamper: tamper{absent: func(h *wrongHarness) async.ConsumerFactory { return h.Factory() }},
			caught: []string{
				"a broker that never was there is waited for, and the check says why", "a broker that never was there ends a service that fails fast",
			},
		},
		"hides that the broker is gone": {
			tamper: tamper{receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
				mm, err := c.driver.Receive(ctx, limit)
				if err != nil {
					<-ctx.Done()
				}
				return mm, err
			}, settle: func(ctx context.Context, c *tampered, ss []async.Settlement) error {
				_ = c.driver.Settle(ctx, ss)
				return nil
			}},
			caught: []string{"a broker that goes and comes back loses nothing"},
		},
		"leaves a goroutine behind": {
			tamper: tamper{close: func(ctx context.Context, c *tampered) error {
				go time.Sleep(24 * time.Hour)
				return c.driver.Close(ctx)
			}},
			caught: []string{"a component that is stopped leaves no goroutine, and can be followed by another", "receive gives every message once"},
		},
	}
}

// wrongStoppers are wrong in how they end.
func wrongStoppers() map[string]wrongBroker {
	late := func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
		mm, err := c.driver.Receive(ctx, limit)
		if err != nil {
			time.Sleep(time.Second)
		}
		return mm, err
	}
	return map[string]wrongBroker{
		"comes back late from receive": {tamper: tamper{receive: late}, caught: []string{"receive returns when its context ends"}},
		"comes back late from a drain": {mode: draining, tamper: tamper{receive: late}, caught: []string{
			"receive returns when its context ends", "a volatile source is drained to empty and then closed",
		}},
		"acknowledges on close": {
			tamper: tamper{receive: change(hold), close: func(ctx context.Context, c *tampered) error {
				for _, m := range c.held {
					_ = c.driver.Settle(ctx, []async.Settlement{{Message: m}})
				}
				return c.driver.Close(ctx)
			}},
			caught: []string{"close gives back what is unsettled, in order"},
		},
		"empties the source when it stops": {
			tamper: tamper{receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
				mm, err := c.driver.Receive(ctx, limit)
				if ctx.Err() == nil {
					return mm, err
				}
				for c.harness.broker.Len(queue) > c.harness.broker.Held(queue) {
					mm, _ := c.driver.Receive(context.WithoutCancel(ctx), 100)
					for _, m := range mm {
						_ = c.driver.Settle(ctx, []async.Settlement{{Message: m}})
					}
				}
				return nil, err
			}},
			caught: []string{"a source that outlives its consumers keeps its messages when one stops"},
		},
		"says that it is empty while messages are in flight": {
			mode: draining,
			tamper: tamper{receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
				mm, err := c.driver.Receive(ctx, limit)
				if err != nil {
					err = io.EOF
				}
				return mm, err
			}},
			caught: []string{"a volatile source is drained to empty and then closed"},
		},
		"never says that it is empty": {
			mode: draining,
			tamper: tamper{receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
				mm, err := c.driver.Receive(ctx, limit)
				if isEOF(err) {
					err = context.Canceled
				}
				return mm, err
			}},
			caught: []string{"receive returns when its context ends", "a volatile source is drained to empty and then closed"},
		},
		"accepts messages when it is drained": {tamper: tamper{traits: func(t *async.Traits) { t.Volatile = true }, receive: drainOpen}, caught: []string{
			"a volatile source is drained to empty and then closed", "a stop drains a volatile source to empty, and closes it",
			"what is left in a volatile source after the grace period is counted",
		}},
		"lets delayed messages wait when it is drained": {
			mode: draining,
			tamper: tamper{receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
				if ctx.Err() == nil {
					return c.driver.Receive(ctx, limit)
				}
				short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Millisecond)
				defer cancel()
				mm, err := c.driver.Receive(short, limit)
				if err != nil && !isEOF(err) {
					err = context.Canceled
				}
				if len(mm) > 0 && mm[0].Deliveries > 1 { // it was delayed, so it hurried
					for _, m := range mm {
						_ = c.driver.Settle(ctx, []async.Settlement{{Message: m, Verdict: async.Retry, Delay: time.Hour}})
					}
					return nil, context.Canceled
				}
				return mm, err
			}},
			caught: []string{"draining a volatile source makes delayed messages due"},
		},
		"loses every third message when it is drained": {mode: draining, tamper: tamper{receive: loseThird}, caught: []string{
			"a stop cuts the pauses of a volatile source short", "a stop drains a volatile source to empty, and closes it",
			"a volatile source is drained although its broker goes meanwhile",
		}},
		"counts nothing of what is left": {
			mode: draining,
			tamper: tamper{lag: func(ctx context.Context, c *tampered) ([]async.Lag, error) {
				return nil, nil
			}},
			caught: []string{"what is left in a volatile source after the grace period is counted"},
		},
	}
}

func hold(c *tampered, mm []*async.Message) {
	for _, m := range mm {
		c.held[m.ID] = m
	}
}

// drainOpen drains, but does not close.
func drainOpen(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
	if ctx.Err() == nil {
		return c.driver.Receive(ctx, limit)
	}
	if c.harness.broker.Len(queue) == 0 {
		return nil, io.EOF
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Millisecond)
	defer cancel()
	mm, err := c.driver.Receive(short, limit)
	if err != nil {
		err = context.Canceled
	}
	return mm, err
}

// wrongSenders are wrong in what they confirm.
func wrongSenders() map[string]wrongBroker {
	return map[string]wrongBroker{
		"confirms what it drops": {
			tamper: tamper{send: func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
				if p.n++; p.n%3 == 0 {
					return nil
				}
				return p.Producer.Send(ctx, mm...)
			}},
			caught: []string{"what is confirmed is there"},
		},
		"sends by one only": {
			tamper: tamper{send: func() func(context.Context, *tamperedProducer, []*async.Message) error {
				var mu sync.Mutex
				busy := false
				return func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
					mu.Lock()
					other := busy
					busy = true
					mu.Unlock()
					if other {
						return errors.New("somebody else sends")
					}
					time.Sleep(time.Millisecond)
					defer func() { mu.Lock(); busy = false; mu.Unlock() }()
					return p.Producer.Send(ctx, mm...)
				}
			}()},
			caught: []string{"many may send at the same time"},
		},
		"turns batches around when it sends": {
			tamper: tamper{send: func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
				for _, m := range slices.Backward(mm) {
					if err := p.Producer.Send(ctx, m); err != nil {
						return err
					}
				}
				return nil
			}},
			caught: []string{"a batch keeps the order of its keys"},
		},
		"names another message": {
			tamper: tamper{send: func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
				err := p.Producer.Send(ctx, mm...)
				if _, ok := errors.AsType[*async.BatchError](err); ok {
					return async.FailAt(0, errBroken)
				}
				return err
			}},
			caught: []string{"a refused message is named by its index, and the others are there"},
		},
		"sends although nobody waits": {
			tamper: tamper{send: func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
				return p.Producer.Send(context.WithoutCancel(ctx), mm...)
			}},
			caught: []string{"a send with an ended context sends nothing"},
		},
		"sends when it is closed": {
			tamper: tamper{shut: func(context.Context, *tamperedProducer) error { return nil }},
			caught: []string{"a closed producer refuses, and closes twice"},
		},
		"gives messages an ID of its own": {
			tamper: tamper{send: func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
				for _, m := range mm {
					own := m.Clone()
					own.ID = ""
					if err := p.Producer.Send(ctx, own); err != nil {
						return err
					}
				}
				return nil
			}},
			caught: []string{"messages without ID and time get them, and others keep theirs"},
		},
		"sends later": {
			tamper: tamper{send: func(_ context.Context, p *tamperedProducer, mm []*async.Message) error {
				p.harness.late = append(p.harness.late, mm...)
				return nil
			}, create: func(ctx context.Context, h *wrongHarness, next func(context.Context) (async.Consumer, error)) (async.Consumer, error) {
				if err := h.broker.Producer(queue).Send(ctx, h.late...); err != nil {
					return nil, err
				}
				return next(ctx)
			}},
			caught: []string{"a message that was sent belongs to the sender again"},
		},
		"sends something for nothing": {
			tamper: tamper{send: func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
				return p.Producer.Send(ctx, append(mm, &async.Message{})...)
			}},
			caught: []string{"an empty batch is nothing"},
		},
		"confirms while the broker is gone": {
			tamper: tamper{send: func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
				_ = p.Producer.Send(ctx, mm...)
				return nil
			}},
			caught: []string{"a broker that is gone confirms nothing"},
		},
	}
}
