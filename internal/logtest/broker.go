package logtest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// Fault is what is wrong with a broker.
type Fault int

// The faults. The zero Fault is none.
const (
	SeekNowhere       Fault = iota + 1 // Seek leaves everything as it is
	SeekOldest                         // Seek always goes to the oldest
	SeekLater                          // Seek takes a time for one that is passed over
	SeekForgets                        // Seek moves the consumer, not the group
	SeekKeeps                          // Seek ends no claim, and takes verdicts on what it dropped
	SeekEnds                           // Seek ends claims before it refuses
	SeekLoses                          // Seek gives running handlers no time
	SeekWaits                          // Seek waits for running handlers for ever
	SeekSilently                       // Seek does not wake a Receive
	PauseNothing                       // Pause leaves everything as it is
	ResumeSilently                     // Resume does not wake a Receive
	SourcesOfTheirOwn                  // Sources are not those of the messages
)

// ErrDown is what consumers and producers say while the broker is down.
var ErrDown = errors.New("log is down")

var errClosed = errors.New("consumer closed")

// Broker is one topic, consumed by one group. The consumer that has been open longest owns all partitions. Make it with [New].
type Broker struct {
	topic string
	fault Fault

	mu         sync.Mutex // guards everything below, and the consumers
	partitions []*partition
	consumers  []*consumer // open ones; the first is the owner
	dead       []*async.Message
	down       bool
	seeks      int
}

// partition is a log and the position of the group in it.
type partition struct {
	log       []*async.Message
	committed int64 // all before it is done
}

// New returns an empty log.
func New(topic string, partitions int, fault Fault) *Broker {
	b := &Broker{topic: topic, fault: fault}
	for range partitions {
		b.partitions = append(b.partitions, &partition{})
	}
	return b
}

// Down takes the broker away: consumers and producers fail until [Broker.Up].
func (b *Broker) Down() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = true
	for _, c := range b.consumers {
		c.err = ErrDown
		c.wakeLocked()
	}
	b.consumers = nil
}

// Up brings it back.
func (b *Broker) Up() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = false
}

// Rebalance revokes all claims of the owner, which then goes on from the position of the group.
func (b *Broker) Rebalance(ctx context.Context) {
	b.mu.Lock()
	if len(b.consumers) == 0 {
		b.mu.Unlock()
		return
	}
	c := b.consumers[0]
	claims := c.claimsLocked(func(*async.Source) bool { return true })
	b.mu.Unlock()
	for _, claim := range claims {
		claim.Revoke(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range c.assigned {
		c.moveLocked(i, b.partitions[i].committed)
	}
	c.wakeLocked()
}

// Grow adds a partition, which the owner gets at once.
func (b *Broker) Grow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.partitions = append(b.partitions, &partition{})
	for _, c := range b.consumers {
		c.assignLocked()
		c.wakeLocked()
	}
}

// Lag returns how many messages are not done.
func (b *Broker) Lag() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var n int64
	for _, p := range b.partitions {
		n += int64(len(p.log)) - p.committed
	}
	return n
}

// Seeks returns how often a consumer was told to seek.
func (b *Broker) Seeks() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seeks
}

// DeadLetters returns what was rejected.
func (b *Broker) DeadLetters() []*async.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.dead)
}

// buryLocked writes the message of s to the dead letters, once.
func (b *Broker) buryLocked(s *async.Settlement) {
	m := s.Message.Clone()
	if slices.ContainsFunc(b.dead, func(d *async.Message) bool { return d.ID == m.ID }) {
		return
	}
	if s.Cause != nil {
		m.Headers.Set(async.HeaderDeadCause, s.Cause.Error())
	}
	m.Headers.Set(async.HeaderDeadAttempt, strconv.Itoa(m.Attempt))
	m.Headers.Set(async.HeaderDeadOrigin, m.Source.String())
	m.Headers.Set(async.HeaderDeadTime, time.Now().Format(time.RFC3339Nano))
	b.dead = append(b.dead, m)
}

// unlocked calls f without the mutex.
func (b *Broker) unlocked(f func() error) error {
	b.mu.Unlock()
	defer b.mu.Lock()
	return f()
}

// Send appends mm, each to the partition of its key.
func (b *Broker) Send(mm ...*async.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return ErrDown
	}
	for _, m := range mm {
		p := b.partitions[b.partitionOf(m.Key)]
		p.log = append(p.log, m.Clone())
	}
	if len(b.consumers) > 0 {
		b.consumers[0].wakeLocked()
	}
	return nil
}

func (b *Broker) partitionOf(key []byte) int {
	h := fnv.New32a()
	_, _ = h.Write(key)
	return int(h.Sum32() % uint32(len(b.partitions)))
}

// Producer returns a producer.
func (b *Broker) Producer() async.Producer {
	return async.Observed("log", b.topic, &producer{broker: b})
}

type producer struct {
	broker *Broker
	mu     sync.Mutex // guards closed
	closed bool
}

func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return async.ErrClosed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return p.broker.Send(mm...)
}

func (p *producer) Close(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// Factory returns a factory of consumers.
func (b *Broker) Factory() async.ConsumerFactory { return factory{b} }

type factory struct{ broker *Broker }

// Traits implements async.ConsumerFactory.
func (factory) Traits() async.Traits {
	return async.Traits{Ordered: async.OrderedGroup, DeadLetters: true}
}

// Create implements async.ConsumerFactory.
func (f factory) Create(ctx context.Context) (async.Consumer, error) {
	b := f.broker
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, ErrDown
	}
	c := &consumer{broker: b, wake: make(chan struct{}, 1)}
	for range b.partitions {
		c.assignLocked()
	}
	b.consumers = append(b.consumers, c)
	b.ownLocked()
	return c, nil
}

// ownLocked lets the first consumer go on where the group is, unless it does already.
func (b *Broker) ownLocked() {
	if len(b.consumers) == 0 || b.consumers[0].owner {
		return
	}
	c := b.consumers[0]
	c.owner = true
	for i, p := range b.partitions {
		c.moveLocked(i, p.committed)
	}
	c.wakeLocked()
}
