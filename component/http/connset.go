package http

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// connSet holds the connections of a server that runs, but for those that were hijacked.
type connSet struct {
	dismissing atomic.Bool // connections that become idle are closed

	mu      sync.Mutex // guards the fields below
	conns   map[*conn]struct{}
	closing bool          // no more will come
	empty   chan struct{} // closed when no more will come and none is left
}

func newConnSet() *connSet {
	return &connSet{conns: make(map[*conn]struct{}), empty: make(chan struct{})}
}

func (s *connSet) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
}

func (s *connSet) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; !ok {
		return
	}
	delete(s.conns, c)
	s.signalLocked()
}

// close says that no more will come.
func (s *connSet) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.signalLocked()
}

func (s *connSet) signalLocked() {
	if s.closing && len(s.conns) == 0 {
		close(s.empty)
	}
}

// dismiss closes all connections that are in the given state.
func (s *connSet) dismiss(state connState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.dismiss(state)
	}
}

// count returns how many connections are in the given state.
func (s *connSet) count(state connState) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for c := range s.conns {
		if c.state.Load() == state {
			n++
		}
	}
	return n
}

// connListener accepts connections into a set.
type connListener struct {
	net.Listener
	set      *connSet
	timeouts timeouts
}

func (l *connListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, set: l.set, timeouts: l.timeouts, born: time.Now()}
	l.set.add(c)
	return c, nil
}
