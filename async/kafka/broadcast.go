package kafka

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// memory is how far one reader of a broadcast has come. It goes from a consumer that lost the connection to the next one.
type memory struct {
	mu        sync.Mutex // guards everything below
	positions map[place]int64
	ends      map[place]int64 // where to stop; nil: it goes on
	drained   bool
}

// orphans are the memories of consumers that lost the connection.
type orphans struct {
	mu       sync.Mutex // guards memories
	memories []*memory
}

// take returns a memory that was left, or a new one.
func (o *orphans) take() *memory {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.memories); n > 0 {
		m := o.memories[n-1]
		o.memories = o.memories[:n-1]
		return m
	}
	return &memory{positions: make(map[place]int64)}
}

// orphan leaves what c remembers to the next consumer, unless it has come to its end.
func (c *consumer) orphan() {
	if c.memory == nil || c.memory.isDrained() {
		return
	}
	o := c.factory.orphans
	o.mu.Lock()
	defer o.mu.Unlock()
	o.memories = append(o.memories, c.memory)
}

func (m *memory) isDrained() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.drained
}

func (m *memory) position(p place) (int64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	offset, ok := m.positions[p]
	return offset, ok
}

func (m *memory) store(p place, offset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.positions[p] = offset
}

// begun reports whether there are positions, so that what is not among them is new.
func (m *memory) begun() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.positions) > 0
}

// behind reports whether offset was sent after the stop.
func (m *memory) behind(p place, offset int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ends == nil {
		return false
	}
	end, ok := m.ends[p]
	return !ok || offset >= end
}

// stop sets where to stop, unless that is known.
func (m *memory) stop(find func() (map[place]int64, error)) error {
	m.mu.Lock()
	known := m.ends != nil
	m.mu.Unlock()
	if known {
		return nil
	}
	ends, err := find()
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends = ends
	return nil
}

// finish is what Receive does once its context has ended. A member of a group leaves everything where it is. A reader of a broadcast takes what was
// sent until then, and returns io.EOF when all of it is settled.
func (c *consumer) finish(ctx context.Context, limit int) ([]*async.Message, error) {
	if c.memory == nil {
		return nil, ctx.Err()
	}
	until, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if err := c.memory.stop(func() (map[place]int64, error) { return c.readable(until) }); err != nil {
		return nil, c.factory.errorf("receive: find the end: %w", cause(err, c.health.connection()))
	}
	for {
		c.mu.Lock()
		c.woken = false
		c.out = c.out[:0]
		c.unstashLocked(limit)
		received, settled := c.finishedLocked()
		c.mu.Unlock()
		switch {
		case len(c.out) > 0:
			return c.out, nil
		case settled:
			return nil, io.EOF
		case until.Err() != nil:
			return nil, ctx.Err()
		case received:
			_ = sleep(until, 10*time.Millisecond)
			continue
		}
		if _, err := c.poll(until, limit); err != nil {
			return nil, c.factory.errorf("receive: %w", err)
		}
		if len(c.out) > 0 {
			return c.out, nil
		}
	}
}

// finishedLocked reports whether everything until the stop was received, and whether all of it is settled.
func (c *consumer) finishedLocked() (received, settled bool) {
	m := c.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	received, settled = true, true
	for at, end := range m.ends {
		p := c.parts[at]
		if p == nil {
			continue // it came up after the stop
		}
		received = received && len(p.stash) == 0 && p.book.Next() >= end
		settled = settled && p.book.Position() >= end
	}
	m.drained = received && settled
	return received, m.drained
}

// readable returns the end of what can be received now of every partition that c has.
func (c *consumer) readable(ctx context.Context) (map[place]int64, error) {
	topics := c.consumed()
	if len(topics) == 0 {
		return map[place]int64{}, nil
	}
	list := c.admin.ListCommittedOffsets
	if c.factory.config.uncommitted {
		list = c.admin.ListEndOffsets
	}
	ends, err := listed(list(ctx, topics...))
	if err != nil {
		return nil, fmt.Errorf("list last offsets: %w", err)
	}
	return ends, nil
}
