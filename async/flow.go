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
	s.progress.moves++
	if s.flow.limiter == nil {
		return
	}
	s.flow.limiter.Allow() // it does: whoever starts has asked barredLocked under the same lock, and the limiter is the component's own
	s.startAnotherLocked()
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
	s.obeyLocked()
}

// obeyLocked pauses the sources that are paused by their names, and no others.
func (s *session) obeyLocked() {
	if s.pauser != nil {
		for _, source := range s.pauser.Sources() {
			s.pauseSourceLocked(source, source.full, s.mustStopLocked(source))
		}
	}
	s.unparkLocked()
}

// mustStopLocked reports whether source is paused by its name.
func (s *session) mustStopLocked(source *Source) bool {
	return slices.ContainsFunc(s.flow.stopped, source.is)
}

// meetLocked pauses a source that came up after it was paused by its name, as a partition that is assigned later.
func (s *session) meetLocked(source *Source) {
	if s.pauser != nil && !source.stopped && s.mustStopLocked(source) {
		s.pauseSourceLocked(source, source.full, true)
	}
}

// countSourceLocked keeps the number of held messages of a source, and pauses a source that holds half of what may be held, so that its stuck lanes
// leave room for others. It resumes at a quarter.
func (s *session) countSourceLocked(source *Source, n int) {
	if s.pauser == nil {
		return
	}
	source.held += n
	half := max(1, s.c.config.maxHeld/2)
	switch {
	case !source.full && source.held >= half:
		s.pauseSourceLocked(source, true, source.stopped)
	case source.full && source.held <= half/2:
		s.pauseSourceLocked(source, false, source.stopped)
	}
}

// pauseSourceLocked notes why source is paused, and pauses it at the driver while there is a reason: it is full, or it is stopped by its name.
func (s *session) pauseSourceLocked(source *Source, full, stopped bool) {
	was, now := source.full || source.stopped, full || stopped
	source.full, source.stopped = full, stopped
	switch {
	case now && !was:
		s.pauser.Pause(source)
	case was && !now:
		s.pauser.Resume(source)
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
	s.obeyLocked()
}
