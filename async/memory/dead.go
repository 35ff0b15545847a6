package memory

import (
	stdlist "container/list"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// deadLetters are the messages of one name that were rejected, in the order in which they were written.
type deadLetters struct {
	name     string
	capacity int

	mu    sync.Mutex    // guards everything below; a queue takes it while it holds its own
	order *stdlist.List // of *letter
	byID  map[string]*letter
}

// letter is one writing of a message. A message that dies again is written anew: another letter in the place of the old one.
type letter struct {
	of    *deadLetters
	dead  async.DeadLetter // for reading only
	place *stdlist.Element // nil: it is removed, or written anew
}

var _ async.DeadLetters = (*deadLetters)(nil)

func newDeadLetters(name string, capacity int) *deadLetters {
	return &deadLetters{name: name, capacity: capacity, order: stdlist.New(), byID: make(map[string]*letter)}
}

// writeDeadLocked writes it to the dead letters of q. A message that is there already, which happens when its settlement failed afterwards, is written anew:
// twice is safe. It is recognised by its ID; without one, by its place in the queue.
func (q *queue) writeDeadLocked(it *item, attempts int, cause error) error {
	m := q.copyOf(it)
	m.Attempt = attempts
	reason := ""
	if cause != nil {
		reason = cause.Error()
	}
	l, err := q.dead.write(async.DeadLetter{Message: m, Cause: reason, Attempts: attempts, Origin: q.source.String(), Time: time.Now()}, it.letter)
	if err != nil {
		return err
	}
	it.letter = l
	return nil
}

// write adds a letter, in the place of old if that is still there.
func (d *deadLetters) write(dead async.DeadLetter, old *letter) (*letter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := dead.Message.ID
	if (old == nil || old.place == nil) && id != "" {
		old = d.byID[id]
	}
	again := old != nil && old.place != nil
	if !again && d.order.Len() >= d.capacity {
		return nil, fmt.Errorf("dead letters of %s are full, %d messages", d.name, d.order.Len())
	}
	l := &letter{of: d, dead: dead}
	l.dead.Raw = l
	if again {
		d.removeLocked(old)
	}
	l.place = d.order.PushBack(l)
	if id != "" {
		d.byID[id] = l
	}
	return l, nil
}

func (d *deadLetters) removeLocked(l *letter) {
	d.order.Remove(l.place)
	l.place = nil
	if id := l.dead.Message.ID; d.byID[id] == l {
		delete(d.byID, id)
	}
}

// Dead returns the dead letters of queue, or of a topic that is broadcast, as async.Replay wants them. Nothing of it blocks. They are there as long as the
// broker, whether or not anybody consumes.
func (b *Broker) Dead(queue string) async.DeadLetters { return b.deadOf(queue) }

// deadOf returns the dead letters with name, and makes them if there are none.
func (b *Broker) deadOf(name string) *deadLetters {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deadLocked(name)
}

func (b *Broker) deadLocked(name string) *deadLetters {
	d := b.dead[name]
	if d == nil {
		d = newDeadLetters(name, b.config.deadCapacity)
		b.dead[name] = d
	}
	return d
}

// DeadLetters returns copies of the dead letters of queue, in the order in which they were written, for a test to look at: their headers say why
// (async.HeaderDeadCause), after how many attempts, where they came from and when they were written. [Broker.Dead] is for everything else.
func (b *Broker) DeadLetters(queue string) []*async.Message {
	d := b.deadOf(queue)
	d.mu.Lock()
	defer d.mu.Unlock()
	mm := make([]*async.Message, 0, d.order.Len())
	for e := d.order.Front(); e != nil; e = e.Next() {
		dead := &e.Value.(*letter).dead //nolint:forcetypeassert // there is nothing else in it
		m := dead.Message.Clone()
		async.MarkDead(m, errors.New(dead.Cause), dead.Attempts, m.Source, dead.Time)
		mm = append(mm, m)
	}
	return mm
}

// snapshot returns the letters there are.
func (d *deadLetters) snapshot() []*letter {
	d.mu.Lock()
	defer d.mu.Unlock()
	ll := make([]*letter, 0, d.order.Len())
	for e := d.order.Front(); e != nil; e = e.Next() {
		ll = append(ll, e.Value.(*letter)) //nolint:forcetypeassert // there is nothing else in it
	}
	return ll
}

// there reports whether l is neither removed nor written anew.
func (d *deadLetters) there(l *letter) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return l.place != nil
}

// copy returns the letter for a caller outside.
func (l *letter) copy() *async.DeadLetter {
	out := l.dead
	out.Message = l.dead.Message.Clone()
	return &out
}

// List implements async.DeadLetters.
func (d *deadLetters) List(ctx context.Context, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		for _, l := range d.snapshot() {
			if err := ctx.Err(); err != nil {
				yield(nil, d.errorf("list", err))
				return
			}
			if f.Match(&l.dead) && d.there(l) && !yield(l.copy(), nil) {
				return
			}
		}
	}
}

// Count implements async.DeadLetters.
func (d *deadLetters) Count(ctx context.Context, f async.DeadFilter) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, d.errorf("count", err)
	}
	var n int64
	for _, l := range d.snapshot() {
		if f.Match(&l.dead) {
			n++
		}
	}
	return n, nil
}

// Get implements async.DeadLetters.
func (d *deadLetters) Get(_ context.Context, id string) (*async.DeadLetter, error) {
	d.mu.Lock()
	l := d.byID[id]
	d.mu.Unlock()
	if l == nil {
		return nil, d.errorf("get", fmt.Errorf("%w with ID %q", async.ErrNoLetter, id))
	}
	return l.copy(), nil
}

// Remove implements async.DeadLetters.
func (d *deadLetters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	if err := ctx.Err(); err != nil {
		return d.errorf("remove", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range ll {
		if l == nil {
			continue
		}
		if raw, ok := l.Raw.(*letter); ok && raw.of == d && raw.place != nil {
			d.removeLocked(raw)
		}
	}
	return nil
}

func (d *deadLetters) errorf(operation string, err error) error {
	return fmt.Errorf("memory: %s dead letters of %s: %w", operation, d.name, err)
}
