package inbox

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Memory is a [Store] in the process: for tests, and for one process that bears to forget what it knew when it ends. It may be used concurrently. Make it
// with [NewMemory].
type Memory struct {
	capacity int

	mu      sync.Mutex // guards all
	entries map[Key]*entry
	order   list.List // of the entries that are done, the one that was done first in front
}

var _ Store = (*Memory)(nil)

// entry is what is known of a message.
type entry struct {
	key   Key
	owner string    // "": it is done
	until time.Time // the lease or the TTL lasts so long
	place *list.Element
}

// errFull says that everything that a Memory may hold is in flight.
var errFull = errors.New("full of messages in flight")

// NewMemory returns a store that knows at most so many messages: beyond that the one that was done first is forgotten, be it before its time. Those in flight
// are not: if there are so many, Begin fails.
func NewMemory(capacity int) (*Memory, error) {
	if capacity < 1 {
		return nil, fmt.Errorf("inbox: memory: capacity %d: want at least 1", capacity)
	}
	return &Memory{capacity: capacity, entries: make(map[Key]*entry)}, nil
}

// Len returns how many messages it knows, those whose time is over included.
func (s *Memory) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// Begin implements Store.
func (s *Memory) Begin(ctx context.Context, key Key, owner string, lease time.Duration) (State, time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil {
		left := e.until.Sub(now)
		switch {
		case left <= 0:
			s.forgetLocked(e)
		case e.owner == "":
			return Done, 0, nil
		case e.owner != owner:
			return InFlight, left, nil
		}
	}
	if e := s.entries[key]; e != nil {
		e.until = now.Add(lease)
		return Begun, 0, nil
	}
	if !s.roomLocked(now) {
		return 0, 0, fmt.Errorf("inbox: memory of %d messages: %w", s.capacity, errFull)
	}
	s.entries[key] = &entry{key: key, owner: owner, until: now.Add(lease)}
	return Begun, 0, nil
}

// Extend implements Store.
func (s *Memory) Extend(ctx context.Context, key Key, owner string, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil || e.owner != owner || owner == "" || !now.Before(e.until) {
		return ErrNotOwner
	}
	e.until = now.Add(lease)
	return nil
}

// Done implements Store.
func (s *Memory) Done(ctx context.Context, key Key, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		if !s.roomLocked(now) {
			return fmt.Errorf("inbox: memory of %d messages: %w", s.capacity, errFull)
		}
		e = &entry{key: key}
		s.entries[key] = e
	}
	e.owner, e.until = "", now.Add(ttl)
	if e.place != nil {
		s.order.MoveToBack(e.place)
	} else {
		e.place = s.order.PushBack(e)
	}
	return nil
}

// Abandon implements Store.
func (s *Memory) Abandon(ctx context.Context, key Key, owner string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil && e.owner == owner && owner != "" {
		s.forgetLocked(e)
	}
	return nil
}

// roomLocked makes room for one more, and reports whether there is some. What is too old goes first, a few at a time.
func (s *Memory) roomLocked(now time.Time) bool {
	for n := 0; n < 2 || len(s.entries) >= s.capacity; n++ {
		front := s.order.Front()
		if front == nil {
			break
		}
		e, _ := front.Value.(*entry)
		if len(s.entries) < s.capacity && now.Before(e.until) {
			break
		}
		s.forgetLocked(e)
	}
	if len(s.entries) < s.capacity {
		return true
	}
	for _, e := range s.entries { // what nobody came back to
		if !now.Before(e.until) {
			s.forgetLocked(e)
		}
	}
	return len(s.entries) < s.capacity
}

func (s *Memory) forgetLocked(e *entry) {
	delete(s.entries, e.key)
	if e.place != nil {
		s.order.Remove(e.place)
	}
}
