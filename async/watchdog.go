package async

import (
	"context"
	"fmt"
	"strconv"
	"time"

	plog "github.com/beatlabs/patron/log"
)

// progress is what the watchdog judges by. It is guarded by the mutex of the session.
type progress struct {
	moves   uint64    // starts of the handler and verdicts that the broker took
	backlog []Lag     // what the Lagger said last
	counted time.Time // when it did
}

// stall is what the watchdog tells: messages wait, and nothing moves.
type stall struct {
	since   time.Time // the last progress that was seen
	what    string
	source  *Source
	message string // ID
	key     string
}

// stallOf returns a stall that m shows, as a sentence with its name in the middle.
func stallOf(before string, m *Message, after string) *stall {
	return &stall{source: m.Source, message: m.ID, key: printable(m.Key), what: before + name(m) + after}
}

// name names m for people.
func name(m *Message) string {
	text := "a message without ID"
	if m.ID != "" {
		text = "message " + printable([]byte(m.ID))
	}
	text += " of " + m.Source.String()
	if len(m.Key) > 0 {
		text += " (key " + printable(m.Key) + ")"
	}
	return text
}

// printable quotes the beginning of b, so that neither its bytes nor its length harm a line of a log.
func printable(b []byte) string {
	const most = 40
	if len(b) == 0 {
		return ""
	}
	if len(b) > most {
		return strconv.Quote(string(b[:most])) + "…"
	}
	return strconv.Quote(string(b))
}

// err is what Check says. It is never critical: the replica that stalls may be the only one that does, and none of the others is better at its messages.
func (st *stall) err() error {
	return fmt.Errorf("%w for %v: %s", ErrStalled, time.Since(st.since).Round(time.Second), st.what)
}

// others is " and n more" of what there are n in all.
func others(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n-1)
}

// guard is the watchdog. It looks at what the session holds until ctx ends, and calls no driver, so that a driver that blocks is seen as well.
func (s *session) guard(ctx context.Context) {
	limit := s.c.config.watchdog
	if limit == 0 {
		return
	}
	defer s.report(ctx, nil)
	ticker := time.NewTicker(max(1, min(limit/4, watchEvery)))
	defer ticker.Stop()
	var moves uint64
	since := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s.mu.Lock()
			st := s.obstacleLocked(now)
			if st == nil || s.progress.moves != moves {
				moves, since = s.progress.moves, now
			}
			if st != nil {
				st.since = since
			}
			if now.Sub(since) < limit {
				st = s.closedLaneLocked(now, limit) // others may go on: a closed lane does not
			}
			s.mu.Unlock()
			s.report(ctx, st)
		}
	}
}

// report tells of a stall that begins, and of one that is over (nil).
func (s *session) report(ctx context.Context, st *stall) {
	before := s.c.stall.Swap(st)
	log := plog.Slog(s.work)
	switch {
	case st != nil && before == nil:
		s.c.gaugeStalled(1)
		log.WarnContext(ctx, "consumer stalled", "component", s.c.name, "source", st.source.String(), "message", st.message, "key", st.key,
			"error", st.err().Error())
	case st == nil && before != nil:
		s.c.gaugeStalled(0)
		log.InfoContext(ctx, "consumer stall over", "component", s.c.name, "after", time.Since(before.since).Round(time.Second))
	}
}

func (c *Component) gaugeStalled(value float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.control.stalled != nil {
		c.control.stalled.Set(value)
	}
}

// obstacleLocked says what things would hang on if nothing moved, or nil if nothing is expected to: nothing waits, the component stops, or what waits does so
// on purpose (a pause of the user or between tries, the rate limit, a batch that gathers).
func (s *session) obstacleLocked(now time.Time) *stall {
	if s.closing || s.receive.Err() != nil {
		return nil
	}
	var atWork, unsettled *Message
	var working, settlements int
	for m := s.held.first; m != nil; m = m.task.next {
		switch m.task.state {
		case running:
			if working++; atWork == nil {
				atWork = m
			}
		case settling:
			if settlements++; unsettled == nil {
				unsettled = m
			}
		case waiting, paused, gone:
		}
	}
	switch {
	case atWork != nil: // no start for as long as it is: each of them runs since then
		return stallOf("the handler of ", atWork, others(working)+" is still running")
	case unsettled != nil:
		return stallOf("the broker has not taken the verdict on ", unsettled, others(settlements))
	case s.flow.halted, s.flow.limit != nil, s.gather != nil:
		return nil
	}
	if m := s.idleLocked(); m != nil {
		return stallOf("", m, " is ready, and no worker takes it")
	}
	return s.unreceivedLocked(now)
}

// idleLocked returns a message that could be started.
func (s *session) idleLocked() *Message {
	for m := range s.ready.all() {
		if m.task.state == waiting && !m.Source.stopped {
			return m
		}
	}
	return nil
}

// unreceivedLocked is a source that has messages for us which do not come.
func (s *session) unreceivedLocked(now time.Time) *stall {
	if s.held.count >= s.c.config.maxHeld || now.Sub(s.progress.counted) > 3*watchEvery {
		return nil
	}
	for _, l := range s.progress.backlog {
		if l.Ready > 0 && !l.Source.full && !l.Source.stopped {
			return &stall{source: l.Source, what: fmt.Sprintf("%s has at least %d messages ready, and none is received", l.Source, l.Ready)}
		}
	}
	return nil
}

// closedLaneLocked returns the stall of the closed lane whose followers have waited longest, if that is for limit.
func (s *session) closedLaneLocked(now time.Time, limit time.Duration) *stall {
	if !s.c.config.stopLane || s.closing || s.receive.Err() != nil {
		return nil
	}
	var first *Message
	var behind int
	for _, l := range s.lanes {
		if !l.closed {
			continue
		}
		var head *Message
		n := 0
		for m := range l.line.all() {
			if m.task.state == waiting {
				if n++; head == nil {
					head = m
				}
			}
		}
		if head != nil && (first == nil || head.task.received.Before(first.task.received)) {
			first, behind = head, n
		}
	}
	if first == nil || now.Sub(first.task.received) < limit {
		return nil
	}
	st := stallOf("", first, others(behind)+" in a lane that StopLaneOnDead closed behind a dead letter: OpenLanes opens it")
	st.since = first.task.received
	return st
}
