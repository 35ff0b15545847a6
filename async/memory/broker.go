package memory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/beatlabs/patron/async"
)

// ErrDown is what everything says while the broker is down, see [Broker.Down]. It is transient.
var ErrDown = errors.New("memory: broker is down")

// Broker is a message broker inside the process. Its methods may be called concurrently, and none but [Broker.Revoke] blocks. Make it with [New].
type Broker struct {
	config config
	faults faults

	mu     sync.Mutex // guards everything below
	queues map[string]*queue
	topics map[string]*topic
	dead   map[string]*deadLetters
	down   bool
}

// New returns a broker without queues; they are made when they are first used. It returns everything that is wrong with its options, joined.
func New(oo ...OptionFunc) (*Broker, error) {
	c, err := configure(oo)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	return &Broker{config: c, queues: make(map[string]*queue), topics: make(map[string]*topic), dead: make(map[string]*deadLetters)}, nil
}

// queue returns the queue with name, and makes it if there is none.
func (b *Broker) queue(name string) *queue {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[name]
	if q == nil {
		q = newQueue(name, &b.config, &b.faults, b.deadLocked(name), b.down)
		b.queues[name] = q
	}
	return q
}

// Len returns how many messages of queue are not settled, those in flight and those not yet due included.
func (b *Broker) Len(queue string) int {
	q := b.queue(queue)
	q.endLeases()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.all.size
}

// Held returns how many messages of queue are in flight: received and not settled.
func (b *Broker) Held(queue string) int {
	q := b.queue(queue)
	q.endLeases()
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, c := range q.consumers {
		n += c.held.size
	}
	return n
}

// Messages returns copies of the messages of queue that are not settled, those in flight included, in order of arrival. One that was not due when it was sent
// arrives when it is.
func (b *Broker) Messages(queue string) []*async.Message {
	q := b.queue(queue)
	q.endLeases()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.comeInLocked()
	mm := make([]*async.Message, 0, q.all.size)
	for it := q.all.front; it != nil; it = q.all.next(it) {
		mm = append(mm, q.copyOf(it))
	}
	return mm
}

// Down takes the broker away: consumers that are open fail for good, what they held goes back, and Create and Send fail with [ErrDown] until [Broker.Up].
// What is queued stays. Down when it is down does nothing.
func (b *Broker) Down() {
	for _, q := range b.turn(true) {
		q.goDown()
	}
}

// Up brings the broker back.
func (b *Broker) Up() {
	for _, q := range b.turn(false) {
		q.mu.Lock()
		q.down = false
		q.mu.Unlock()
	}
}

// turn notes whether the broker is down, for queues to come, and returns those that there are.
func (b *Broker) turn(down bool) []*queue {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
	qq := slices.Collect(maps.Values(b.queues))
	for _, t := range b.topics {
		qq = append(qq, t.queues()...)
	}
	return qq
}

func (q *queue) goDown() {
	q.mu.Lock()
	q.down = true
	q.turnAwayLocked(ErrDown)
	var loose []*item
	for len(q.consumers) > 0 {
		c := q.consumers[0]
		c.broken.Store(true)
		loose = append(loose, q.endLocked(c, ErrDown)...)
	}
	q.mu.Unlock()
	q.takeBack(loose, ErrDown)
}
