package simtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// world is what surrounds the processes of one history: time, the broker, and who sees what happens.
type world struct {
	config *Config
	began  time.Time
	thaw   chan struct{} // closed when the history is over
	rest   chan struct{} // closed when there is nothing left to do, or no sense in going on

	mu         sync.Mutex // guards everything below, and the broker
	plan       *plan
	broker     *broker
	visits     map[place]int // n counts the places of an event and message
	steps      []step
	violations []violation
	resting    bool
	over       bool
	progress   time.Duration // when a message was last done with
	process    *process      // the living one, or the last
	fruitless  int           // processes in a row that ended by themselves and had done nothing
	chaos      int           // actions of the surroundings
	cancels    []context.CancelFunc
	wg         sync.WaitGroup
}

// step is one line of a history.
type step struct {
	at      time.Duration
	process int // 0: none
	text    string
	fault   bool
}

// actor has instants of its own: those whose time since the beginning, modulo a millisecond, is its share.
type actor int

// Actors: up to 200 messages with eight deliveries each have a share, and share it with nobody who could act in the same instant.
const (
	actorMain     actor = 0
	actorStart    actor = 1   // and 15 after it
	actorChaos    actor = 16  // and 31 after it
	actorReceiver actor = 48  // 16 for each of up to eight receivers
	actorSettler  actor = 176 // and 15 after it
	actorExtender actor = 192 // and 7 after it
	actorConnect  actor = 200 // and 7 after it
	actorCloser   actor = 208 // and 7 after it
	actorHandler  actor = 220 // eight for each message

	period = time.Millisecond
	share  = 500 * time.Nanosecond

	// MaxMessages is how many messages a history can have.
	MaxMessages = 200
	// MaxReceivers is how many receivers a consumer can have.
	MaxReceivers = 8
)

// errCut is what a process that has died, or whose history is over, gets from everything.
var errCut = errors.New("simulation: the process is dead")

func newWorld(cfg *Config, mm []*async.Message, p *plan) *world {
	w := &world{
		config: cfg, began: time.Now(), thaw: make(chan struct{}), rest: make(chan struct{}), plan: p, visits: make(map[place]int),
	}
	w.broker = newBroker(w, mm)
	return w
}

func (w *world) now() time.Duration { return time.Since(w.began) }

// turn waits for an instant of a that is at least pause away, and reports whether p lives then. Who is dead stays here until the history is over.
func (w *world) turn(p *process, a actor, pause time.Duration) bool {
	timer := time.NewTimer(w.untilTurn(a, pause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return w.lives(p)
	case <-w.thaw:
		return false
	}
}

// turnWithin is turn, but for a pause that ends with ctx.
func (w *world) turnWithin(ctx context.Context, p *process, a actor, pause time.Duration) bool {
	timer := time.NewTimer(w.untilTurn(a, pause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return w.lives(p)
	case <-ctx.Done():
		return w.turn(p, a, 0)
	case <-w.thaw:
		return false
	}
}

// enter counts a goroutine of the engine that comes in, for the end to wait for it: a Run whose grace is over leaves handlers behind. It reports false if the
// history is over.
func (w *world) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	w.wg.Add(1)
	return true
}

func (w *world) untilTurn(a actor, pause time.Duration) time.Duration {
	now := w.now()
	at := (now + pause).Truncate(period) + time.Duration(a+1)*share
	for at <= now || at < now+pause {
		at += period
	}
	return at - now
}

// lives reports whether p may go on, and freezes the caller until the history is over if p is dead.
func (w *world) lives(p *process) bool {
	w.mu.Lock()
	over, dead := w.over, p != nil && p.dead
	w.mu.Unlock()
	if dead && !over {
		<-w.thaw
	}
	return !over && !dead
}

// placeLocked returns the place at which event happens to message for one more time.
func (w *world) placeLocked(e event, message int) place {
	at := place{event: e, message: message}
	w.visits[at]++
	at.n = w.visits[at]
	return at
}

// visit is placeLocked for who does not have the mutex, with the pause that belongs to the place.
func (w *world) visit(e event, message int) (place, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.placeLocked(e, message)
	return at, w.plan.pause(at)
}

// notef adds a step to the history. The three of these need the mutex.
func (w *world) notef(p *process, format string, args ...any) {
	w.stepLocked(p, false, format, args)
}

func (w *world) faultf(p *process, format string, args ...any) {
	w.stepLocked(p, true, format, args)
}

func (w *world) stepLocked(p *process, fault bool, format string, args []any) {
	if w.over {
		return
	}
	s := step{at: w.now(), text: fmt.Sprintf(format, args...), fault: fault}
	if p != nil {
		s.process = p.number
	}
	w.steps = append(w.steps, s)
}

// violatef notes that a property does not hold, which ends the history.
func (w *world) violatef(property Property, format string, args ...any) {
	if w.over {
		return
	}
	w.violations = append(w.violations, violation{at: w.now(), property: property, text: fmt.Sprintf(format, args...)})
	w.restLocked()
}

// restLocked ends the faults and wakes who waits for the end.
func (w *world) restLocked() {
	w.plan.closed = true
	if !w.resting {
		w.resting = true
		close(w.rest)
	}
}

// actLocked makes the surroundings do something a little later: not in the turn of the actor at whose place it was drawn.
func (w *world) actLocked(p *process, at place, do func(a actor)) {
	a := actorChaos + actor(w.chaos%32)
	w.chaos++
	pause := w.plan.pick(at, 0, time.Millisecond, 5*time.Millisecond, 40*time.Millisecond)
	w.wg.Go(func() {
		if w.turn(nil, a, pause) && w.isLiving(p) {
			do(a)
		}
	})
}

func (w *world) isLiving(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.over && !p.dead && !p.ended
}

// firstViolation returns the earliest violation, nil if every property held.
func (w *world) firstViolation() *violation {
	if len(w.violations) == 0 {
		return nil
	}
	v := slices.MinFunc(w.violations, violation.compare)
	return &v
}
