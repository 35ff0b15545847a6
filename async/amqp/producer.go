package amqp

import (
	"context"
	"errors"
	"fmt"

	"github.com/beatlabs/patron/async"
)

// producer sends to one exchange.
type producer struct {
	config *config
	outlet *outlet
}

var _ async.Producer = (*producer)(nil)

// NewPublisher returns a producer to an exchange, which "" makes the default one: there the routing key is the name of a queue. It connects with the first
// Send. Send waits until the broker has confirmed each message; many may send at the same time, and their messages are on the way together. A message that
// reaches no queue is an error, see [WithUnroutable]. It waits while there is no connection and while the broker blocks publishers ([ErrBlocked]), until its
// context ends or [WithSendTimeout] is over.
func NewPublisher(url, exchange, routingKey string, oo ...OptionFunc) (async.Producer, error) {
	c, err := newConfig(publishes, url, exchange, oo)
	c.exchange, c.routingKey = exchange, routingKey
	if err := errors.Join(c.checkTarget(), err); err != nil {
		return nil, fmt.Errorf("amqp: publisher to %q: %w", c.target(), err)
	}
	c.subject = c.target()
	return async.Observed(system, c.target(), &producer{config: c, outlet: newOutlet(c)}), nil
}

func (c *config) checkTarget() error {
	switch {
	case len(c.exchange) > maxName:
		return fmt.Errorf("exchange name of %d bytes: want at most %d", len(c.exchange), maxName)
	case len(c.routingKey) > maxName:
		return fmt.Errorf("routing key of %d bytes: want at most %d", len(c.routingKey), maxName)
	case c.exchange == "" && c.routingKey == "" && c.routingKeyOf == nil:
		return errors.New("neither an exchange nor a routing key: want one, or the name of a queue for the routing key")
	default:
		return nil
	}
}

// target is what spans call it: the exchange, or the queue behind the default one.
func (c *config) target() string {
	if c.exchange != "" {
		return c.exchange
	}
	if c.routingKey != "" {
		return c.routingKey
	}
	return "default exchange"
}

// Send implements async.Producer.
func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	if len(mm) == 0 {
		return nil
	}
	flights := make([]*flight, len(mm))
	ready := make([]*flight, 0, len(mm))
	var batch *async.BatchError
	for i, m := range mm {
		f, err := p.flightOf(m)
		if err != nil {
			batch = failed(batch, i, err)
			continue
		}
		flights[i] = f
		ready = append(ready, f)
	}
	if err := p.outlet.send(ctx, ready); err != nil {
		return fmt.Errorf("amqp: send to %s: %w", p.config.target(), err)
	}
	for i, f := range flights {
		if f != nil && f.err != nil {
			batch = failed(batch, i, f.err)
		}
	}
	if err := batch.Err(); err != nil {
		return fmt.Errorf("amqp: send to %s: %w", p.config.target(), err)
	}
	return nil
}

func failed(batch *async.BatchError, i int, err error) *async.BatchError {
	if batch == nil {
		batch = &async.BatchError{}
	}
	return batch.Add(i, err)
}

// flightOf returns the publish of m.
func (p *producer) flightOf(m *async.Message) (*flight, error) {
	c := p.config
	key := c.routingKey
	if c.routingKeyOf != nil {
		key = c.routingKeyOf(m)
	}
	if len(key) > maxName {
		return nil, permanent("routing key %.40q… of %d bytes: want at most %d", key, len(key), maxName)
	}
	publishing, err := publishingOf(c, m)
	if err != nil {
		return nil, permanent("%w", err)
	}
	return &flight{exchange: c.exchange, key: key, optional: c.unroutable, publishing: publishing}, nil
}

// Close implements async.Producer.
func (p *producer) Close(ctx context.Context) error {
	if err := p.outlet.close(ctx); err != nil {
		return fmt.Errorf("amqp: close publisher to %s: %w", p.config.target(), err)
	}
	return nil
}
