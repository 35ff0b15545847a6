package async

import (
	"context"
	"errors"
	"slices"
	"time"

	plog "github.com/beatlabs/patron/log"
)

// watchLanes looks for closed lanes that may be opened, until ctx ends.
func (s *session) watchLanes(ctx context.Context) {
	if !s.c.config.stopLane {
		return
	}
	letters, ok := s.c.DeadLetters()
	if !ok {
		return
	}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.reopenLanes(ctx, letters)
		}
	}
}

// closedLane is one that StopLaneOnDead closed, and the IDs of what died in it.
type closedLane struct {
	key  Lane
	dead []string
}

// reopenLanes opens the lanes whose dead letters are gone, because they were replayed or removed, by whatever process. A lane of which a message without an ID
// died waits for Component.OpenLanes.
func (s *session) reopenLanes(ctx context.Context, letters DeadLetters) {
	for _, closed := range s.closedLanes() {
		dead, err := anyDead(ctx, letters, closed.dead)
		if err != nil {
			if ctx.Err() == nil {
				plog.Slog(s.work).WarnContext(ctx, "dead letters unknown", "component", s.c.name, "error", err.Error())
			}
			return
		}
		if !dead {
			s.openLane(closed)
		}
	}
}

func (s *session) closedLanes() []closedLane {
	s.mu.Lock()
	defer s.mu.Unlock()
	var closed []closedLane
	for key, l := range s.lanes {
		if l.closed && !slices.Contains(l.dead, "") {
			closed = append(closed, closedLane{key: key, dead: slices.Clone(l.dead)})
		}
	}
	return closed
}

// anyDead reports whether there is a letter of one of ids.
func anyDead(ctx context.Context, letters DeadLetters, ids []string) (bool, error) {
	for _, id := range ids {
		if _, err := letters.Get(ctx, id); err == nil || !errors.Is(err, ErrNoLetter) {
			return err == nil, err
		}
	}
	return false, nil
}

// openLane opens one lane, unless something else died in it meanwhile.
func (s *session) openLane(was closedLane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[was.key]
	if l == nil || !l.closed || !slices.Equal(l.dead, was.dead) {
		return
	}
	s.openLocked(was.key, l)
	s.startWorkersLocked()
}

// openLanesOf opens the closed lanes of the sources that are meant, and returns how many there were.
func (s *session) openLanesOf(meant func(*Source) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for key, l := range s.lanes {
		if !l.closed || !meant(key.Source) {
			continue
		}
		n++
		s.openLocked(key, l)
	}
	s.startWorkersLocked()
	return n
}

// closeLocked closes l because of m.
func (l *lane) closeLocked(m *Message) {
	l.closed = true
	l.dead = append(l.dead, m.ID)
}

// openLocked opens a closed lane.
func (s *session) openLocked(key Lane, l *lane) {
	l.closed, l.dead = false, nil
	if l.active == 0 {
		s.advanceLocked(key, l)
	}
}
