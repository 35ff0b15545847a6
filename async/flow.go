package async

import (
	"slices"
	"time"

	"github.com/beatlabs/patron/reliability/ratelimit"
)

// flow is what keeps a session from receiving or starting messages for a while although nothing is wrong: the user's pause and the rate limit. All of it is
// guarded by the mutex of the session.
type flow struct {
	halted  bool     // Component.Pause: nothing is received or started
	parking bool     // there are names in stopped
	stopped []string // of sources, by Component.PauseSource
	parked  queue    // messages of such sources, in the order in which they would have been started
	limiter *ratelimit.Limiter
	limit   *time.Timer // set while messages wait for the rate limit
	moves   uint64      // starts of the handler and verdicts that the broker took; the watchdog looks whether it grows
	backlog []Lag       // what the Lagger said last
	counted time.Time   // when it did
}

// barredLocked reports whether nothing may be started just now. If that is for the rate limit, a timer goes on with it, so nobody needs to wait here.
func (s *session) barredLocked() bool {
	f := &s.flow
	switch {
	case f.halted:
		return true
	case f.limiter == nil:
		return false
	case f.limit != nil:
		return true
	}
	wait := f.limiter.Delay()
	if wait == 0 {
		return false
	}
	f.limit = time.AfterFunc(wait, s.limitOver)
	return true
}

// limitOver is called when the rate limit allows another start.
func (s *session) limitOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow.limit = nil
	s.startAnotherLocked()
}

// startedLocked takes note of a start of the handler, which is about to happen. With a rate limit every start sees to the next one: either there is a worker
// for it, or the timer.
func (s *session) startedLocked() {
	s.flow.moves++
	if s.flow.limiter == nil {
		return
	}
	s.flow.limiter.Allow() // it does: whoever starts has asked barredLocked under the same lock, and the limiter is the component's own
	s.startAnotherLocked()
}

// startAnotherLocked starts one worker, if there is a slot and a message for it.
func (s *session) startAnotherLocked() {
	if s.running < s.slots && s.startableLocked() {
		s.running++
		go s.worker() // awaitWorkers waits for it
	}
}

// halt begins or ends a pause. A Volatile source that is being drained cannot be paused: what it holds dies with the process.
func (s *session) halt(halted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow.halted = halted && !s.draining
	if !s.flow.halted {
		s.startWorkersLocked()
		s.changed.Broadcast()
	}
}

// stopSources makes names the sources that are paused, and resumes the others.
func (s *session) stopSources(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.flow.stopped, s.flow.parking = names, len(names) > 0
	pauser, ok := s.consumer.(Pauser)
	if !ok {
		return
	}
	for _, source := range pauser.Sources() {
		s.stopSourceLocked(pauser, source, s.mustStopLocked(source))
	}
	s.unparkLocked()
}

// mustStopLocked reports whether source is paused by its name.
func (s *session) mustStopLocked(source *Source) bool {
	return slices.ContainsFunc(s.flow.stopped, source.is)
}

// meetLocked pauses a source that came up after it was paused by its name, as a partition that is assigned later.
func (s *session) meetLocked(source *Source) {
	if pauser, ok := s.consumer.(Pauser); ok && !source.stopped && s.mustStopLocked(source) {
		s.stopSourceLocked(pauser, source, true)
	}
}

// stopSourceLocked pauses or resumes a source at the driver, unless it is paused there for what is held of it.
func (s *session) stopSourceLocked(pauser Pauser, source *Source, stop bool) {
	if source.stopped == stop {
		return
	}
	source.stopped = stop
	switch {
	case source.paused:
	case stop:
		pauser.Pause(source)
	default:
		pauser.Resume(source)
	}
}

// unparkLocked gives parked messages back to where they were taken from. Those whose source is still paused are parked again when their turn comes.
func (s *session) unparkLocked() {
	var mm []*Message
	for m := s.flow.parked.pop(); m != nil; m = s.flow.parked.pop() {
		mm = append(mm, m)
	}
	for _, m := range slices.Backward(mm) {
		s.ready.pushFront(m)
	}
	s.startWorkersLocked()
}

// liftLocked ends all pauses, because a Volatile source is drained from now on. The rate limit stays: it is a promise to others.
func (s *session) liftLocked() {
	s.flow.halted = false
	if !s.flow.parking {
		return
	}
	s.flow.stopped, s.flow.parking = nil, false
	if pauser, ok := s.consumer.(Pauser); ok {
		for _, source := range pauser.Sources() {
			s.stopSourceLocked(pauser, source, false)
		}
	}
	s.unparkLocked()
}
