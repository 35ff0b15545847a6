package simtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// call is one attempt at a message, or a batch.
type call struct {
	process    *process
	world      *world
	actor      actor
	deliveries []*delivery
}

type callKey struct{}

// Errors of handlers: one that panics, and those that fail because the simulation wants it.
var (
	errPanic     = errors.New("it panics")
	errTransient = errors.New("simulation: the store does not answer")
	errPermanent = reliability.Permanent(errors.New("simulation: the store refuses it"))
)

// handle is around one attempt, outside of everything that is the user's.
func (p *process) handle(ctx context.Context, mm []*async.Message, next func(context.Context) error) (err error) {
	w := p.world
	if !w.enter() {
		return errCut
	}
	defer w.wg.Done()
	if !w.lives(p) {
		return errCut
	}
	c := &call{process: p, world: w}
	for _, m := range mm {
		if d, ok := m.Raw.(*delivery); ok {
			c.deliveries = append(c.deliveries, d)
		}
	}
	if len(c.deliveries) != len(mm) {
		return next(ctx) // whoever wraps the broker has put in messages of its own
	}
	first := c.deliveries[0]
	c.actor = actorHandler + actor(first.entry.index*8+first.number%8)

	w.mu.Lock()
	c.beginLocked(mm)
	w.mu.Unlock()
	at, pause := w.visit(starting, first.entry.index)
	if !w.turn(p, c.actor, pause) {
		return errCut
	}
	err = errPanic // unless the handler returns; the engine sees the panic itself
	defer func() {
		at, pause := w.visit(ending, first.entry.index)
		if !w.turn(p, c.actor, pause) || !c.finish(ctx, at, err) {
			err = errCut
		}
	}()
	return c.play(ctx, at, mm, next)
}

// beginLocked checks that the attempt may be made.
func (c *call) beginLocked(mm []*async.Message) {
	w, p := c.world, c.process
	if p.dead || w.over {
		return
	}
	now := w.now()
	for i, d := range c.deliveries {
		if ended := cmp.Or(d.claim.revoked, d.claim.ended); ended > 0 && now > ended {
			w.violatef(OwnClaim, "%s is handed out, whose claim ended at %v", w.name(d), shown(ended))
		}
		w.confirmLocked(d)
		if want := d.base + d.failed + 1; mm[i].Attempt != want && !d.unsure {
			w.violatef(Attempts, "%s is handed out with attempt %d, want %d", w.name(d), mm[i].Attempt, want)
		}
		if w.config.lanes && d.lane != nil {
			c.checkLaneLocked(d)
		}
	}
	for _, d := range c.deliveries {
		d.running = true
	}
	p.running++
}

// checkLaneLocked checks that d may be processed now as far as its lane goes.
func (c *call) checkLaneLocked(d *delivery) {
	w := c.world
	for _, e := range w.broker.entries {
		if e == d.entry && e.delivery == d || !bytes.Equal(e.message.Key, d.lane) {
			continue
		}
		other := e.delivery
		if other != nil && other.running && other.claim.ended == 0 && !other.claim.consumer.process.dead && !slices.Contains(c.deliveries, other) {
			w.violatef(LaneAlone, "%s is handed out while %s, of the same key, is in a handler", w.name(d), w.name(other))
		}
		together := slices.ContainsFunc(c.deliveries, func(o *delivery) bool { return o.entry == e })
		if e.index >= d.entry.index || e.done() || together || !c.inOrder(e, d) {
			continue
		}
		if w.broker.lost(e) && (e.delivery == nil || e.delivery.claim.over) {
			w.loseLocked(e)
			continue
		}
		text := fmt.Sprintf("%s is handed out before %s, which came before it, is done with", w.name(d), e.message.ID)
		if before := e.delivery; before != nil && e.failing && before.claim.consumer == d.claim.consumer {
			before.passed = text // it may have failed for good, and be discarded as the strategy says
			continue
		}
		w.violatef(LaneOrder, "%s", text)
	}
}

// confirmLocked reports that a message was handed out too early, now that it is known that the one before it was not done with.
func (w *world) confirmLocked(d *delivery) {
	if d.passed != "" {
		w.violatef(LaneOrder, "%s", d.passed)
	}
}

// inOrder reports whether e must come before d: always where there is order among consumers, else if one consumer got them in this order.
func (c *call) inOrder(e *entry, d *delivery) bool {
	before := e.delivery
	return c.world.config.Traits.Ordered == async.OrderedGroup ||
		before != nil && before.claim.consumer == d.claim.consumer && before.serial < d.serial
}

// play makes the attempt, and lets happen what the plan says.
func (c *call) play(ctx context.Context, at place, mm []*async.Message, next func(context.Context) error) error {
	w, p := c.world, c.process
	w.mu.Lock()
	w.notef(p, "starts the handler of %s", c.names(mm))
	f := c.disturbLocked(at, Panic)
	w.mu.Unlock()
	if err := c.suffer(ctx, f, "before the handler of "+c.names(mm)); err != nil {
		return err
	}
	if f == Panic {
		c.countInjected()
		panic("simulation: a bug")
	}
	return next(context.WithValue(ctx, callKey{}, c))
}

// disturbLocked draws what goes wrong while a handler runs.
func (c *call) disturbLocked(at place, more ...Fault) Fault {
	possible := append([]Fault{Death, Slow, Stop, Disconnect, Revoke, Lose, Expire, FailTransient, FailPermanent}, more...)
	return c.process.disturbLocked(at, c.deliveries[0], possible...)
}

// suffer carries out those faults that come from within.
func (c *call) suffer(ctx context.Context, f Fault, when string) error {
	w, p := c.world, c.process
	switch f {
	case Death:
		w.mu.Lock()
		p.dieLocked(when)
		w.mu.Unlock()
		w.lives(p)
		return errCut
	case Slow:
		w.mu.Lock()
		slow := w.plan.pick(place{event: starting, message: c.deliveries[0].entry.index}, 2*time.Second, 20*time.Second, 90*time.Second)
		w.faultf(p, "is slow: %v %s", slow, when)
		w.mu.Unlock()
		if !w.turnWithin(ctx, p, c.actor, slow) {
			return errCut
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.countInjected() // it is not its own fault that the handler had no time left
		}
	case FailTransient:
		c.countInjected()
		return errTransient
	case FailPermanent:
		c.countInjected()
		return errPermanent
	case None, Stop, Disconnect, Revoke, Lose, Expire, SettleFails, AnswerLost, DeadLetterFails, Panic, faults:
	}
	return nil
}

func (c *call) countInjected() {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	for _, d := range c.deliveries {
		d.entry.injected++
	}
}

// finish takes note of how the attempt ended. It reports false if the process is dead.
func (c *call) finish(ctx context.Context, at place, err error) bool {
	w, p := c.world, c.process
	w.mu.Lock()
	errs := c.outcomes(err)
	for i, d := range c.deliveries {
		d.running = false
		e := d.entry
		switch {
		case errs[i] == nil:
			d.succeeded = true
			e.failing, e.touched = false, true
			if !e.effected {
				e.effected = true
				w.progress = w.now()
			}
		case errors.Is(errs[i], errUntouched):
		case ctx.Err() == nil:
			c.failLocked(d)
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			d.unsure = true // whether it was given up meanwhile cannot be seen from here
			c.failLocked(d)
		}
	}
	p.running--
	w.notef(p, "ends the handler of %s", c.ends(errs, ctx.Err() != nil))
	if w.broker.stuck() {
		w.restLocked()
	}
	if f := p.disturbLocked(at, c.deliveries[0], Death, Stop, Disconnect, Revoke, Lose); f == Death {
		p.dieLocked("after the handler of " + c.ends(nil, false))
		w.mu.Unlock()
		return w.lives(p)
	}
	w.mu.Unlock()
	return true
}

func (c *call) failLocked(d *delivery) {
	d.failed++
	d.entry.failures++
	d.entry.failing = true
	c.process.failures++
}

var errUntouched = errors.New("simulation: untouched")

// outcomes spreads what a handler returned over its messages, as the contract of async.BatchFunc says.
func (c *call) outcomes(err error) []error {
	errs := make([]error, len(c.deliveries))
	batch, ok := errors.AsType[*async.BatchError](err)
	for i := range errs {
		switch {
		case !ok || c.process.app.Batch == nil:
			errs[i] = err
		case batch.Stopped && i >= batch.Stop:
			errs[i] = errUntouched
		default:
			errs[i] = batch.Errors[i]
		}
	}
	return errs
}

// names says which messages are handed out, and for which attempt.
func (c *call) names(mm []*async.Message) string {
	var b bytes.Buffer
	for i, d := range c.deliveries {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.world.name(d))
		if mm[i].Attempt > 1 {
			fmt.Fprintf(&b, " (attempt %d)", mm[i].Attempt)
		}
	}
	return b.String()
}

// ends says how the attempt ended for each message.
func (c *call) ends(errs []error, cancelled bool) string {
	var b bytes.Buffer
	for i, d := range c.deliveries {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.world.name(d))
		switch {
		case errs == nil:
		case errs[i] == nil:
			b.WriteString(": done")
		case cancelled:
			fmt.Fprintf(&b, ": given up: %v", errs[i])
		default:
			fmt.Fprintf(&b, ": failed: %v", errs[i])
		}
	}
	return b.String()
}

// Point is where a process may die between two effects.
func Point(ctx context.Context, name string) error {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		p, ok := ctx.Value(processKey{}).(*process)
		if !ok {
			return context.Cause(ctx)
		}
		p.world.mu.Lock()
		c = p.telling
		p.world.mu.Unlock()
		if c == nil {
			return context.Cause(ctx)
		}
	}
	w, p := c.world, c.process
	at, pause := w.visit(atPoint, c.deliveries[0].entry.index)
	if !w.turn(p, c.actor, pause) {
		return errCut
	}
	w.mu.Lock()
	when := fmt.Sprintf("before %s of %s", name, c.ends(nil, false))
	f := c.disturbLocked(at)
	w.mu.Unlock()
	if err := c.suffer(ctx, f, when); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	for _, d := range c.deliveries {
		d.entry.touched = true
	}
	w.notef(p, "does %s of %s", name, c.ends(nil, false))
	w.mu.Unlock()
	return nil
}
