package sarama

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
)

// Lag implements async.Lagger. A hole at the end of a partition, such as the marker of a transaction, counts as a message until the next one is settled; what a
// crashed owner had finished above the position counts until it is passed.
func (c *consumer) Lag(ctx context.Context) ([]async.Lag, error) {
	c.mu.Lock()
	claims := append([]*claim(nil), c.claims...)
	c.mu.Unlock()
	bySource := make(map[*async.Source]*async.Lag, len(claims))
	var order []*async.Source
	for _, k := range claims {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		end, err := c.link.client.GetOffset(k.topic, k.partition, sarama.OffsetNewest)
		if err != nil {
			return nil, c.factory.errorf("lag of %s/%d: %w", k.topic, k.partition, err)
		}
		lag := bySource[k.source]
		if lag == nil {
			lag = &async.Lag{Source: k.source}
			bySource[k.source], order = lag, append(order, k.source)
		}
		if err := c.measure(lag, k, end); err != nil {
			return nil, err
		}
	}
	lags := make([]async.Lag, len(order))
	for i, s := range order {
		lags[i] = *bySource[s]
	}
	return lags, nil
}

// measure adds what waits in a claim to the lag of its source.
func (c *consumer) measure(lag *async.Lag, k *claim, end int64) error {
	c.mu.Lock()
	next, held, queued, out := k.book.Next(), int64(k.book.Unsettled()), int64(len(k.queue)), k.book.Out()
	c.mu.Unlock()
	if next < 0 {
		oldest, err := c.link.client.GetOffset(k.topic, k.partition, sarama.OffsetOldest)
		if err != nil {
			return fmt.Errorf("lag of %s/%d: %w", k.topic, k.partition, err)
		}
		next = oldest
	}
	waiting := max(0, end-next)
	if k.retry {
		lag.NotDue += waiting
		lag.Messages += held
		return nil
	}
	lag.Messages += waiting + held
	if out == 0 {
		lag.Ready += min(queued, waiting) // behind what is out nothing of the partition is given a handler
	}
	return nil
}
