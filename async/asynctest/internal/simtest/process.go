package simtest

import (
	"context"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/internal/jitter"
	"github.com/beatlabs/patron/component"
)

// process is one life of the service: a component and a handler, over the broker and the store that survive it. Its fields are guarded by the mutex of the
// world.
type process struct {
	world    *world
	app      *App
	number   int
	consumer *consumer
	cancel   context.CancelFunc
	died     chan struct{} // closed by its death
	done     chan struct{} // closed when it has returned

	began     time.Duration
	dead      bool // cut off
	ended     bool // it has returned
	stopped   bool // it was asked to return
	disturbed bool // the connection was lost
	failures  int  // attempts that failed
	running   int  // handlers
	telling   *call
}

type processKey struct{}

func newProcess(w *world, app *App, number int) *process {
	return &process{world: w, began: w.now(), app: app, number: number, died: make(chan struct{}), done: make(chan struct{})}
}

// itself stands for a receiver of the process, or for all of it, where a place has a message: so none of it depends on what else happens in an instant.
func (p *process) itself(slot int) int { return -(p.number*MaxReceivers + slot + 1) }

// jitter is the source of the engine's pauses. What it draws keeps messages apart that pause in one instant.
func (p *process) jitter(key string, n time.Duration) time.Duration {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.broker.index(key)
	share := time.Duration(i + 1)
	if i < 0 {
		i = p.itself(0)
	}
	h := w.plan.hash(w.placeLocked(drawing, i), 4)
	if n < 2*period {
		return time.Duration(h % uint64(n))
	}
	return time.Duration(h%uint64(n/period-1))*period + share
}

// run is the life of the process.
func (p *process) run() {
	defer close(p.done)
	w := p.world
	cf := async.ConsumerFactory(&factory{process: p, traits: w.config.Traits})
	if w.config.Wrap != nil {
		cf = w.config.Wrap(cf)
	}
	c, err := p.app.component(cf, p)
	if err == nil {
		at := place{event: restarting, n: p.number}
		grace := w.plan.pick(at, 0, 100*time.Millisecond, component.DefaultGrace)
		ctx := context.WithValue(jitter.With(w.config.Context(), p.jitter), processKey{}, p)
		ctx, cancel := context.WithCancel(component.WithGrace(ctx, grace, nil))
		defer cancel()
		w.mu.Lock()
		p.cancel = cancel
		w.cancels = append(w.cancels, cancel)
		if w.over {
			cancel()
		}
		w.mu.Unlock()
		err = c.Run(ctx)
	}
	p.end(err)
}

// end judges how the process ended.
func (p *process) end(err error) {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	p.ended = true
	if p.dead || w.over {
		return
	}
	p.dead = true // whatever still runs ends with the process
	if err == nil {
		w.notef(p, "ends")
	} else {
		w.notef(p, "ends: %v", err)
	}
	switch {
	case err != nil && p.failures == 0 && !p.disturbed && p.running == 0:
		w.violatef(GoesOn, "the service ended though nothing failed: %v", err)
	case err == nil && !p.stopped:
		w.violatef(GoesOn, "the service ended though nobody stopped it")
	}
	if p.consumer != nil {
		p.consumer.deaf = w.now() // Close has been called, if all is well; the operating system closes what is left
		w.broker.shout()
	}
}

// dieLocked cuts the process off.
func (p *process) dieLocked(when string) {
	if p.dead {
		return
	}
	w := p.world
	w.faultf(p, "dies %s", when)
	p.dead = true
	if c := p.consumer; c != nil && w.config.Traits.Visibility == 0 {
		// Nobody renews a lease; everything else is noticed after a while.
		c.deaf = w.now() + w.plan.pick(place{event: restarting, n: p.number}, time.Millisecond, time.Second, 6*time.Second)
	}
	w.broker.shout()
	close(p.died)
}

// disturbLocked makes the surroundings do something to the process, or to the claim of d, if the plan says so.
func (p *process) disturbLocked(at place, d *delivery, possible ...Fault) Fault {
	f := p.world.plan.fault(at, possible...)
	p.carryOutLocked(f, at, d)
	return f
}

// carryOutLocked carries out those faults that come from the surroundings.
func (p *process) carryOutLocked(f Fault, at place, d *delivery) {
	w := p.world
	switch f {
	case Stop:
		w.actLocked(p, at, func(actor) { p.stop() })
	case Disconnect:
		w.actLocked(p, at, func(actor) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if p.consumer != nil {
				p.consumer.breakLocked("")
			}
		})
	case Revoke:
		w.actLocked(p, at, func(a actor) { p.revoke(d.claim, at) })
	case Lose:
		w.actLocked(p, at, func(actor) { p.lose(d.claim, "") })
	case Expire:
		if w.config.Traits.Visibility > 0 && w.broker.holds(d) {
			w.faultf(p, "is late: the visibility of %s runs out", w.name(d))
			w.broker.takeBack(d.claim)
		}
	case None, Death, SettleFails, AnswerLost, DeadLetterFails, Slow, FailTransient, FailPermanent, Panic, faults:
	}
}

// stop asks the process to end in good order.
func (p *process) stop() {
	p.world.mu.Lock()
	if p.stopped || p.dead || p.cancel == nil {
		p.world.mu.Unlock()
		return
	}
	p.stopped = true
	p.world.faultf(p, "is stopped")
	cancel := p.cancel
	p.world.mu.Unlock()
	cancel()
}

// revoke takes a claim away in good order.
func (p *process) revoke(c *claim, at place) {
	w := p.world
	w.mu.Lock()
	if c.over || c.ended > 0 || c.revoked > 0 {
		w.mu.Unlock()
		return
	}
	deadline := w.plan.pick(at, 5*time.Millisecond, 100*time.Millisecond, 5*time.Second)
	c.revoked = w.now()
	w.faultf(p, "has its claim on %s revoked, with %v to finish", w.claimed(c), deadline)
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	c.async.Revoke(ctx)

	w.mu.Lock()
	defer w.mu.Unlock()
	if p.dead || w.over {
		return
	}
	c.ended = w.now()
	w.broker.takeBack(c)
}

// lose ends a claim without notice.
func (p *process) lose(c *claim, why string) {
	w := p.world
	w.mu.Lock()
	if c.ended > 0 || c.over && c.revoked > 0 {
		w.mu.Unlock()
		return
	}
	if why != "" {
		why = ": " + why
	}
	w.faultf(p, "loses its claim on %s%s", w.claimed(c), why)
	c.ended = w.now()
	w.broker.takeBack(c)
	w.mu.Unlock()
	c.async.Lose(errConnection)
}

// claimed says what a claim is about.
func (w *world) claimed(c *claim) string {
	for i, part := range w.broker.parts {
		if part.claim == c {
			return c.consumer.sources[i].String()
		}
	}
	if c.consumer.channel == c {
		return "everything"
	}
	for _, e := range w.broker.entries {
		if e.index == c.first {
			if w.config.Traits.Ordered == async.OrderedGroup && len(e.message.Key) > 0 {
				return "key " + string(e.message.Key)
			}
			return e.message.ID
		}
	}
	return "nothing"
}
