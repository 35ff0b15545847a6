package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/beatlabs/patron/async"
)

// consumed returns the topics that c consumes.
func (c *consumer) consumed() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.topics))
}

// Lag implements async.Lagger, for the partitions that this consumer has now: the end of the log less the position that is settled. Offsets are
// counted, which in compacted and transactional topics are more than the messages. What waits in a retry topic is counted with its origin.
func (c *consumer) Lag(ctx context.Context) ([]async.Lag, error) {
	c.mu.Lock()
	topics := topicsOf(slices.Collect(maps.Values(c.parts)))
	c.mu.Unlock()
	if len(topics) == 0 {
		return nil, nil
	}
	ends, err := listed(c.admin.ListEndOffsets(ctx, topics...))
	if err != nil {
		return nil, c.factory.errorf("lag: list last offsets: %w", err)
	}
	ready := ends
	if !c.factory.config.uncommitted {
		if ready, err = listed(c.admin.ListCommittedOffsets(ctx, topics...)); err != nil {
			return nil, c.factory.errorf("lag: list last offsets: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lagLocked(ends, ready), nil
}

func (c *consumer) lagLocked(ends, ready map[place]int64) []async.Lag {
	var lags []async.Lag
	index := make(map[string]int, len(c.parts)) // of sources by their names: those of retry topics have the names of their origins
	add := func(p *partition, l async.Lag) {
		name := p.source.String()
		i, ok := index[name]
		if !ok {
			index[name] = len(lags)
			lags = append(lags, l)
			return
		}
		if !p.retry {
			lags[i].Source = l.Source
		}
		lags[i].Messages += l.Messages
		lags[i].NotDue += l.NotDue
		lags[i].Ready += l.Ready
	}
	for _, p := range c.parts {
		end, ok := ends[p.place]
		position := p.book.Position()
		if !ok || position < 0 {
			continue
		}
		waiting := max(0, end-position-int64(p.book.Finished()))
		l := async.Lag{Source: p.source}
		switch {
		case p.retry:
			out := int64(p.book.Out())
			l.Messages, l.NotDue = out, max(0, waiting-out)
		default:
			l.Messages = waiting
			if next := p.book.Next(); p.paused == 0 && len(p.stash) == 0 && !p.leaving && !p.halted {
				l.Ready = min(waiting, max(0, ready[p.place]-max(next, position)))
			}
		}
		add(p, l)
	}
	return lags
}

// Sources implements async.Pauser.
func (c *consumer) Sources() []*async.Source {
	c.mu.Lock()
	defer c.mu.Unlock()
	sources := make([]*async.Source, 0, len(c.parts))
	for _, p := range c.parts {
		sources = append(sources, p.source)
	}
	return sources
}

// Pause implements async.Pauser.
func (c *consumer) Pause(source *async.Source) { c.pauseSource(source, true) }

// Resume implements async.Pauser.
func (c *consumer) Resume(source *async.Source) { c.pauseSource(source, false) }

func (c *consumer) pauseSource(source *async.Source, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on {
		c.halted[source] = struct{}{}
	} else {
		delete(c.halted, source)
	}
	for _, p := range c.parts {
		if p.source == source {
			p.halted = on
		}
	}
	if !on && len(c.stashed) > 0 {
		c.wakeLocked()
	}
}

// String names the consumer in logs.
func (c *consumer) String() string { return fmt.Sprintf("consumer of %v", c.factory.topics) }
