package simtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
)

// Errors of the broker.
var (
	errConnection = errors.New("simulation: connection lost")
	errAnswer     = errors.New("simulation: no answer")
	errSettlement = errors.New("simulation: settlement failed")
	errDeadLetter = errors.New("simulation: dead letter cannot be written")
)

// factory makes the consumers of one process.
type factory struct {
	process *process
	traits  async.Traits
}

var _ async.ConsumerFactory = (*factory)(nil)

func (f *factory) Traits() async.Traits { return f.traits }

func (f *factory) Create(context.Context) (async.Consumer, error) {
	p, w := f.process, f.process.world
	at, pause := w.visit(connecting, p.itself(0))
	if !w.turn(p, actorConnect+actor(at.n%8), pause) {
		return nil, errCut
	}
	w.mu.Lock()
	wrong := w.plan.fault(at, Death, Disconnect)
	if wrong == Death {
		p.dieLocked("while it connects")
		w.mu.Unlock()
		w.lives(p)
		return nil, errCut
	}
	defer w.mu.Unlock()
	if wrong == Disconnect {
		p.disturbed = true
		w.faultf(p, "cannot connect")
		return nil, errConnection
	}
	c := &consumer{process: p, world: w, sources: newSources(w.config.Partitions)}
	p.consumer = c
	w.notef(p, "connects")
	if len(w.broker.parts) > 0 {
		return &logConsumer{consumer: c}, nil
	}
	return c, nil
}

// consumer is one connection to the broker. Its fields are guarded by the mutex of the world.
type consumer struct {
	process *process
	world   *world
	sources []*async.Source // its own, since the engine counts there what it holds

	broken  error         // the connection is lost
	deaf    time.Duration // when the broker notices that the process is dead; 0: it lives
	channel *claim        // of all messages, where they belong to the connection
	slots   [MaxReceivers]bool
	takes   int
	settles int
	extends int
	paused  map[*async.Source]bool
}

var (
	_ async.Consumer = (*consumer)(nil)
	_ async.Extender = (*consumer)(nil)
	_ async.Pauser   = (*logConsumer)(nil)
)

// logConsumer is a consumer of several sources, each of which can be paused.
type logConsumer struct{ *consumer }

// Sources are all partitions: there is one consumer at a time.
func (c *logConsumer) Sources() []*async.Source    { return slices.Clone(c.sources) }
func (c *logConsumer) Pause(source *async.Source)  { c.setPaused(source, true) }
func (c *logConsumer) Resume(source *async.Source) { c.setPaused(source, false) }

func (c *logConsumer) setPaused(source *async.Source, paused bool) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	if c.paused == nil {
		c.paused = make(map[*async.Source]bool)
	}
	c.paused[source] = paused
	c.world.broker.shout()
}

// receiver takes a free slot for one call of Receive. Which of several goroutines gets which does not matter: they all do the same.
func (c *consumer) receiver() int {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	slot := 0
	for c.slots[slot] && slot < MaxReceivers-1 {
		slot++
	}
	c.slots[slot] = true
	return slot
}

func (c *consumer) leave(slot int) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.slots[slot] = false
}

// Receive waits until there is something, and then for its turn, after which it may be gone again.
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	slot := c.receiver()
	defer c.leave(slot)
	for {
		if !c.await(ctx) {
			return nil, errCut
		}
		at, pause := c.world.visit(receiving, c.process.itself(slot))
		if !c.world.turn(c.process, actorReceiver+actor(slot*16+at.n%16), pause) {
			return nil, errCut
		}
		if mm, err := c.take(ctx, at, limit); len(mm) > 0 || err != nil {
			return mm, err
		}
	}
}

// await waits until there may be something to receive, or to say. It reports false when the history is over.
func (c *consumer) await(ctx context.Context) bool {
	w := c.world
	for {
		w.mu.Lock()
		changed, broken := w.broker.changed, c.broken != nil
		at, ok := w.broker.next(c)
		wait := at - w.now()
		w.mu.Unlock()
		if over := ctx.Err() != nil; broken || over || ok && wait <= 0 {
			return true
		}
		timer := time.NewTimer(max(wait, 0))
		due := timer.C
		if !ok {
			due = nil
		}
		select {
		case <-due:
		case <-changed:
		case <-ctx.Done():
		case <-w.thaw:
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

// take is what a Receive does in its turn.
func (c *consumer) take(ctx context.Context, at place, limit int) ([]*async.Message, error) {
	w := c.world
	w.mu.Lock()
	if c.broken != nil {
		defer w.mu.Unlock()
		return nil, c.broken
	}
	over := ctx.Err()
	if over != nil && w.plan.hash(at, 5)%2 == 0 { // else what has been on its way comes all the same
		defer w.mu.Unlock()
		return nil, over
	}
	w.broker.expire()
	c.takes++
	if w.plan.hash(at, 6)%2 == 0 {
		limit = min(limit, 1+int(w.plan.hash(at, 7)%4))
	}
	ee := w.broker.available(c, limit)
	if len(ee) == 0 {
		defer w.mu.Unlock()
		return nil, over
	}
	f := w.plan.fault(at, Death, Disconnect)
	if f == Disconnect {
		c.breakLocked("while it receives")
		defer w.mu.Unlock()
		return nil, c.broken
	}
	dd := w.broker.give(c, ee)
	mm := make([]*async.Message, len(dd))
	names := make([]string, len(dd))
	for i, d := range dd {
		mm[i] = d.message(c.sources[d.entry.partition], w.config.Traits)
		names[i] = w.name(d)
	}
	w.notef(c.process, "receives %s", strings.Join(names, ", "))
	if f == Death {
		c.process.dieLocked("before it sees what it received")
		w.mu.Unlock()
		w.lives(c.process)
		return nil, errCut
	}
	for _, d := range dd {
		c.process.disturbLocked(w.placeLocked(handingOut, d.entry.index), d, Revoke, Lose)
	}
	w.mu.Unlock()
	return mm, nil
}

// name says which delivery d is.
func (w *world) name(d *delivery) string {
	if d.number == 1 {
		return d.entry.message.ID
	}
	return fmt.Sprintf("%s (delivery %d)", d.entry.message.ID, d.number)
}

// message makes the message of a delivery.
func (d *delivery) message(source *async.Source, t async.Traits) *async.Message {
	m := d.entry.message.Clone()
	m.Source, m.Claim, m.Attempt, m.Raw = source, d.claim.async, d.base, d
	if t.CountsDeliveries {
		m.Deliveries = d.number
	}
	if t.Ordered != async.OrderedNone && len(m.Key) > 0 {
		m.Lane = async.LaneOf(source, m.Key)
		d.lane = m.Key
	}
	return m
}

// breakLocked loses the connection. Where messages belong to it, they are lost with it.
func (c *consumer) breakLocked(when string) {
	if c.broken != nil {
		return
	}
	c.broken = errConnection
	c.process.disturbed = true
	c.world.faultf(c.process, "loses the connection %s", when)
	if cl := c.channel; cl != nil {
		c.world.actLocked(c.process, c.world.placeLocked(revoking, -1), func(actor) { c.process.lose(cl, "the channel is closed") })
	}
	c.world.broker.shout()
}

// Extend gives leases their time anew.
func (c *consumer) Extend(_ context.Context, mm []*async.Message) error {
	w := c.world
	w.mu.Lock()
	c.extends++
	a := actorExtender + actor(c.extends%8)
	w.mu.Unlock()
	if !w.turn(c.process, a, 0) {
		return errCut
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	w.broker.expire()
	refused := &async.BatchError{}
	for i, m := range mm {
		d, ok := m.Raw.(*delivery)
		if !ok {
			continue
		}
		if w.broker.holds(d) && w.plan.fault(w.placeLocked(extending, d.entry.index), Expire) == Expire {
			w.faultf(c.process, "is late: the visibility of %s runs out", w.name(d))
			w.broker.takeBack(d.claim)
		}
		if !w.broker.holds(d) {
			_ = refused.Add(i, async.ErrLost) // it is asked for its error below
			if d.claim.ended == 0 {
				d.claim.ended = w.now()
			}
			continue
		}
		d.claim.until = w.now() + w.config.Traits.Visibility
	}
	return refused.Err()
}

// Close gives back what is unsettled.
func (c *consumer) Close(context.Context) error {
	w := c.world
	at, pause := w.visit(stopping, c.process.itself(0))
	if !w.turn(c.process, actorCloser+actor(at.n%8), pause) {
		return errCut
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.broken == nil {
		c.broken = async.ErrClosed
	}
	w.broker.takeBackAll(c)
	w.notef(c.process, "disconnects")
	return nil
}
