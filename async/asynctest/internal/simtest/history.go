package simtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
)

// outcome is what came of one history.
type outcome struct {
	violation *violation
	steps     []step
	made      []injection
	state     any
	dead      map[int]deadEntry
	messages  []*async.Message
	kept      bool // something stays at the broker, as the strategy says: what was processed besides is chance
}

type deadEntry struct {
	cause    error
	injected bool // at least one of its failures was the simulation's
	touched  bool // some of its effects may have happened
}

// play plays one history in a bubble of its own.
func (c *Config) play(t *testing.T, mm []*async.Message, p *plan) outcome {
	t.Helper()
	var o outcome
	synctest.Test(t, func(*testing.T) { o = newWorld(c, mm, p).play() })
	return o
}

// play lets the service live, die and come back until everything is done with, or a property does not hold.
func (w *world) play() outcome {
	app := w.config.App()
	for number := 1; ; number++ {
		p := newProcess(w, &app, number)
		w.mu.Lock()
		w.process = p
		w.mu.Unlock()
		w.wg.Go(p.run)
		if !w.watch(p) {
			break
		}
		at, pause := w.visit(restarting, -1)
		if !w.turn(nil, actorStart+actor(number%15), pause+w.plan.pick(at, 0, 10*time.Millisecond, time.Second)) {
			break
		}
	}
	w.mu.Lock()
	if len(w.violations) == 0 {
		w.judgeLocked()
	}
	o := outcome{
		violation: w.firstViolation(), steps: w.steps, made: w.plan.made, dead: make(map[int]deadEntry),
	}
	for _, e := range w.broker.entries {
		o.messages = append(o.messages, e.message)
		if e.dead != nil || e.discarded && !e.effected {
			o.dead[e.index] = deadEntry{cause: e.dead, injected: e.injected > 0, touched: e.touched}
		}
	}
	o.kept = !w.broker.empty()
	w.mu.Unlock()
	if o.violation == nil && app.State != nil {
		o.state = app.State()
	}
	w.mu.Lock()
	w.over = true
	cancels := w.cancels
	w.mu.Unlock()
	close(w.thaw)
	for _, cancel := range cancels {
		cancel()
	}
	w.wg.Wait()
	return o
}

// watch waits until the life of p is over, and reports whether there is to be another.
func (w *world) watch(p *process) bool {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-p.died:
			return true
		case <-p.done:
			w.mu.Lock()
			resting := w.resting
			if w.fruitless++; p.stopped || w.progress > p.began {
				w.fruitless = 0
			}
			hopeless := w.fruitless > 5 // a service that is told to end over a message that fails does so each time
			w.mu.Unlock()
			return !resting && !hopeless
		case <-w.rest:
			return w.leave(p)
		case <-ticker.C:
			if w.idle(p) {
				return w.leave(p)
			}
		}
	}
}

// leave stops p because there is nothing left to do. It always reports false.
func (w *world) leave(p *process) bool {
	w.mu.Lock()
	w.plan.closed = true
	failed := len(w.violations) > 0
	w.mu.Unlock()
	if failed {
		return false
	}
	w.turn(nil, actorMain, 50*time.Millisecond) // what was about to happen happens
	w.mu.Lock()
	p.stopped = true
	cancel := p.cancel
	w.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-p.died:
	case <-timer.C:
		w.mu.Lock()
		w.violatef(GoesOn, "the service does not end %v after it was stopped", patience)
		w.mu.Unlock()
	}
	return false
}

// idle reports whether nothing has come of waiting. A service that keeps lanes closed is started again, which opens them.
func (w *world) idle(p *process) bool {
	w.mu.Lock()
	idle := w.now()-w.progress > patience
	closed := w.config.stopsLanes && w.now()-w.progress > 2*time.Minute && !slices.ContainsFunc(w.broker.entries, func(e *entry) bool {
		return e.state != gone && !slices.ContainsFunc(w.broker.entries, func(first *entry) bool {
			return first.index < e.index && first.dead != nil && bytes.Equal(first.message.Key, e.message.Key)
		})
	})
	if closed {
		w.progress = w.now()
	}
	w.mu.Unlock()
	if closed {
		p.stop()
	}
	return idle
}

// judgeLocked checks what must hold in the end.
func (w *world) judgeLocked() {
	for _, e := range w.broker.entries {
		kept := w.broker.excused(e) || w.process.failures > 0 && !w.resting
		switch {
		case e.effected || e.dead != nil || e.discarded:
			if e.state != gone && !kept && w.broker.parts == nil {
				w.violatef(GoesOn, "%s has been processed and is still at the broker, %v later", e.message.ID, (w.now() - w.progress).Round(time.Minute))
			}
		case w.broker.lost(e):
			w.loseLocked(e)
		case !kept:
			w.violatef(GoesOn, "%s has not been processed, %v after the last that was", e.message.ID, (w.now() - w.progress).Round(time.Minute))
		}
	}
}

func (w *world) loseLocked(e *entry) {
	w.violatef(NothingLost, "%s has no effect and is not dead, and the broker has done with it", e.message.ID)
}

// lost reports whether nobody will get e again.
func (b *broker) lost(e *entry) bool {
	return e.state == gone || b.parts != nil && e.offset < b.parts[e.partition].committed
}

// messages makes the messages of a history, all of them published by one producer.
func (c *Config) messages(seed uint64) []*async.Message {
	r := rand.New(rand.NewPCG(seed, 0))
	mm := make([]*async.Message, 1+r.IntN(c.Most))
	for i := range mm {
		m := c.Message(r, i)
		if m.ID == "" {
			m.ID = "m" + strconv.Itoa(i+1)
		}
		if !m.Headers.Has(correlation.HeaderID) {
			m.Headers.Set(correlation.HeaderID, "simulation-"+m.ID)
		}
		mm[i] = m
	}
	return mm
}

// failure is a history in which a property does not hold.
type failure struct {
	violation
	steps     []step
	messages  []*async.Message
	made      []injection
	faultless string // of SameEffects: the state without faults
	state     string
}

// try plays a history and, if all is well, the same messages without faults, and compares. The second result is the steps with faults.
func (c *Config) try(t *testing.T, mm []*async.Message, p *plan) (*failure, []step) {
	t.Helper()
	o := c.play(t, mm, p)
	f := &failure{steps: o.steps, messages: o.messages, made: o.made}
	if o.violation != nil {
		f.violation = *o.violation
		return f, o.steps
	}
	if len(o.made) == 0 || c.stateless || o.kept || c.compare(t, mm, p, &o, f) {
		return nil, o.steps
	}
	return f, o.steps
}

// compare compares the end of a history with that of a faultless run, and fills in the failure if it is another one. Messages that are dead because the
// simulation made their handler fail are left out of the faultless run; if they may have had some of their effects by then, there is nothing to compare.
func (c *Config) compare(t *testing.T, mm []*async.Message, p *plan, o *outcome, f *failure) bool {
	t.Helper()
	calm := slices.Clone(mm)
	for without := false; ; without = true {
		quiet := calmPlan(p.seed)
		quiet.brisk, quiet.variant = p.brisk, p.variant
		reference := c.play(t, calm, quiet)
		if reference.violation != nil {
			f.violation, f.steps, f.made = *reference.violation, reference.steps, nil
			return false
		}
		if reference.kept {
			return true
		}
		end := o.steps[len(o.steps)-1].at
		for i, m := range mm {
			d, dead := o.dead[i]
			if _, also := reference.dead[i]; dead && !also && !d.injected {
				f.violation = violation{end, SameEffects, fmt.Sprintf("%s is dead, but not without faults: %v", m.ID, d.cause)}
				return false
			}
		}
		if reflect.DeepEqual(o.state, reference.state) {
			return true
		}
		again := false
		for i, d := range o.dead {
			if _, also := reference.dead[i]; also || calm[i] == nil {
				continue
			}
			if d.injected && d.touched {
				return true
			}
			if d.injected {
				calm[i], again = nil, true
			}
		}
		if again && !without {
			continue
		}
		f.violation = violation{end, SameEffects, "the state is another one"}
		f.state, f.faultless = show(o.state), show(reference.state)
		return false
	}
}

func show(v any) string { return fmt.Sprintf("%+v", v) }
