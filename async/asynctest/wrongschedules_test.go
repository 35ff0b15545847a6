package asynctest

import (
	"context"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// wrongSchedulers are wrong in what they make of times, and of who gets what is broadcast.
func wrongSchedulers() map[string]wrongBroker {
	return map[string]wrongBroker{
		"forgets when messages expire": {
			tamper: tamper{send: resend(func(m *async.Message) { m.Expires = time.Time{} })},
			caught: []string{"messages come as they were sent", "a message that expired before it was started is a dead letter with its cause"},
		},
		"forgets that messages were due": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					m.Due = time.Time{}
				}
			})},
			caught: []string{"messages come as they were sent", "a message is held back until it is due"},
		},
		"sends at once what is not due": {
			tamper: tamper{send: resend(func(m *async.Message) { m.Due = time.Time{} })},
			caught: []string{
				"a message is held back until it is due", "a message that is held back joins its key when it is due, and holds up nobody",
				"what the broker cannot hold back is refused, with all of its batch", "a stop leaves what is not due where it is",
			},
		},
		"holds messages back for too long": {
			tamper: tamper{send: resend(func(m *async.Message) {
				if !m.Due.IsZero() {
					m.Due = m.Due.Add(time.Minute)
				}
			})},
			caught: []string{"a message is held back until it is due", "a message that is held back joins its key when it is due, and holds up nobody"},
		},
		"sends the rest of a batch": {
			tamper: tamper{send: func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
				var err error
				for _, m := range mm {
					if failed := p.Producer.Send(ctx, m); failed != nil {
						err = failed
					}
				}
				return err
			}},
			caught: []string{"what the broker cannot hold back is refused, with all of its batch"},
		},
		"holds up a key for what is not due": {
			tamper: tamper{send: func() func(context.Context, *tamperedProducer, []*async.Message) error {
				due := make(map[string]time.Time) // of keys
				return func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
					for _, m := range mm {
						if due[string(m.Key)].After(m.Due) {
							m = m.Clone()
							m.Due = due[string(m.Key)]
						}
						due[string(m.Key)] = m.Due
						if err := p.Producer.Send(ctx, m); err != nil {
							return err
						}
					}
					return nil
				}
			}()},
			caught: []string{"a message that is held back joins its key when it is due, and holds up nobody"},
		},
		"counts what is not due as lag": {
			tamper: tamper{lag: func(ctx context.Context, c *tampered) ([]async.Lag, error) {
				lags, err := c.driver.Lag(ctx)
				for i := range lags {
					lags[i].Messages, lags[i].NotDue = lags[i].Messages+lags[i].NotDue, 0
				}
				return lags, err
			}},
			caught: []string{"the lag counts apart what is not due"},
		},
		"loses what is not due when it is closed": {
			tamper: tamper{close: func(ctx context.Context, c *tampered) error {
				lags, _ := c.driver.Lag(ctx)
				c.harness.lost += int(lags[0].NotDue)
				return c.driver.Close(ctx)
			}, receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
				for {
					mm, err := c.driver.Receive(ctx, limit)
					if c.harness.lost == 0 || len(mm) == 0 {
						return mm, err
					}
					c.harness.lost--
					_ = c.driver.Settle(ctx, []async.Settlement{{Message: mm[0]}})
				}
			}},
			caught: []string{"a stop leaves what is not due where it is"},
		},
		"drains what is not due": {
			mode:   draining,
			tamper: tamper{send: resend(func(m *async.Message) { m.Due = time.Time{} })},
			caught: []string{"a volatile source that is drained gives nothing before its time, and its loss is reported"},
		},
		"forgets what is not due when it is drained": {
			mode: draining,
			tamper: tamper{lag: func(ctx context.Context, c *tampered) ([]async.Lag, error) {
				lags, err := c.driver.Lag(ctx)
				for i := range lags {
					lags[i].NotDue = 0
				}
				return lags, err
			}},
			caught: []string{
				"a volatile source that is drained gives nothing before its time, and its loss is reported", "the lag counts apart what is not due",
			},
		},
		"shares what is broadcast": {
			tamper: tamper{broadcast: func(h *wrongHarness) (async.ConsumerFactory, async.Producer) {
				return h.broker.Consumer("topic"), h.broker.Producer("topic")
			}},
			caught: []string{
				"every broadcast consumer gets every message that is sent while it lives", "a broadcast consumer that stops finishes what it has, and the others go on",
			},
		},
		"broadcasts what was sent before": {
			tamper: tamper{broadcast: func(h *wrongHarness) (async.ConsumerFactory, async.Producer) {
				p := h.broker.BroadcastProducer("topic")
				return rememberingFactory{h.broker.Broadcast("topic"), p, h}, rememberingProducer{p, h}
			}},
			caught: []string{"every broadcast consumer gets every message that is sent while it lives"},
		},
		"drops what is broadcast when it stops": {
			tamper: tamper{broadcast: func(h *wrongHarness) (async.ConsumerFactory, async.Producer) {
				return droppingFactory{h.broker.Broadcast("topic")}, h.broker.BroadcastProducer("topic")
			}},
			caught: []string{"a broadcast consumer that stops finishes what it has, and the others go on"},
		},
	}
}

// resend lets f alter copies of what is sent.
func resend(f func(m *async.Message)) func(context.Context, *tamperedProducer, []*async.Message) error {
	return func(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
		altered := make([]*async.Message, len(mm))
		for i, m := range mm {
			altered[i] = m.Clone()
			f(altered[i])
		}
		err := p.Producer.Send(ctx, altered...)
		for i, m := range mm {
			m.ID, m.Time, m.Headers = altered[i].ID, altered[i].Time, altered[i].Headers
		}
		return err
	}
}

// rememberingProducer keeps what it broadcasts for consumers to come.
type rememberingProducer struct {
	async.Producer
	h *wrongHarness
}

func (p rememberingProducer) Send(ctx context.Context, mm ...*async.Message) error {
	p.h.late = append(p.h.late, mm...)
	return p.Producer.Send(ctx, mm...)
}

type rememberingFactory struct {
	async.ConsumerFactory
	producer async.Producer
	h        *wrongHarness
}

func (f rememberingFactory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.ConsumerFactory.Create(ctx)
	if err != nil {
		return nil, err
	}
	return c, f.producer.Send(ctx, f.h.late...)
}

// droppingFactory makes consumers that give nothing more once they are to stop.
type droppingFactory struct{ async.ConsumerFactory }

func (f droppingFactory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.ConsumerFactory.Create(ctx)
	if err != nil {
		return nil, err
	}
	return &droppingConsumer{driver: c.(driver)}, nil
}

type droppingConsumer struct{ driver }

// Receive gives one message at a time, so that something is left to drop.
func (c *droppingConsumer) Receive(ctx context.Context, _ int) ([]*async.Message, error) {
	if ctx.Err() == nil {
		return c.driver.Receive(ctx, 1)
	}
	for {
		mm, err := c.driver.Receive(ctx, 1)
		if err != nil {
			return nil, err
		}
		for _, m := range slices.Clone(mm) {
			_ = c.Settle(ctx, []async.Settlement{{Message: m}})
		}
	}
}
