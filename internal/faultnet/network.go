package faultnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Network dials connections that it can break. Make it with [New]. Its methods may be called concurrently.
type Network struct {
	mu      sync.Mutex
	conns   map[*conn]struct{}
	down    bool
	stalled chan struct{} // closed when the stall ends; nil: not stalled
	dials   int
}

// New returns a network that works.
func New() *Network { return &Network{conns: make(map[*conn]struct{})} }

// Dial connects like net.Dial.
func (n *Network) Dial(network, addr string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, addr)
}

// DialContext connects like net.Dialer.DialContext. While the network is down it returns ECONNREFUSED; while it is stalled it blocks until ctx ends.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	down, stalled := n.down, n.stalled
	n.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-ctx.Done():
			return nil, fmt.Errorf("dial %s: %w", addr, ctx.Err())
		}
	}
	if down {
		return nil, refused(network, addr)
	}
	var d net.Dialer
	under, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: under, network: n, closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.Join(refused(network, addr), under.Close())
	}
	n.conns[c] = struct{}{}
	return c, nil
}

func refused(network, addr string) error {
	return &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s: %w", addr, syscall.ECONNREFUSED)}
}

// Down breaks all connections, and refuses new ones until Up.
func (n *Network) Down() {
	n.mu.Lock()
	n.down = true
	n.mu.Unlock()
	n.Break()
}

// Break breaks the connections that there are. New ones can be made.
func (n *Network) Break() {
	n.mu.Lock()
	conns := n.conns
	n.conns = make(map[*conn]struct{})
	n.mu.Unlock()
	for c := range conns {
		_ = c.Close() // what it returns is of no use: it is broken either way
	}
}

// Stall makes every connection half open until Up: what is written goes nowhere, nothing is read, and nobody is told.
func (n *Network) Stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stalled == nil {
		n.stalled = make(chan struct{})
	}
}

// Up ends Down and Stall. Connections that were stalled are broken: bytes of theirs are lost.
func (n *Network) Up() {
	n.mu.Lock()
	n.down = false
	stalled := n.stalled
	n.stalled = nil
	n.mu.Unlock()
	if stalled != nil {
		n.Break()
		close(stalled)
	}
}

// Conns returns how many connections are open, and how often one was dialled.
func (n *Network) Conns() (open, dials int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns), n.dials
}

// stall returns what is closed when the stall ends, or nil.
func (n *Network) stall() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stalled
}

// conn is a connection of a network.
type conn struct {
	net.Conn
	network *Network
	once    sync.Once
	closed  chan struct{}
	mu      sync.Mutex // guards the deadlines
	read    time.Time
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if stalled := c.network.stall(); stalled != nil && n > 0 {
		return 0, c.wait(stalled, c.deadline(&c.read)) // the bytes are lost with the connection
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if c.network.stall() != nil {
		return len(b), nil // into the buffer of a kernel that gets no acknowledgement
	}
	return c.Conn.Write(b)
}

// wait blocks until the stall, the connection or the deadline ends, which all are errors.
func (c *conn) wait(stalled <-chan struct{}, deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-stalled:
		return net.ErrClosed
	case <-c.closed:
		return net.ErrClosed
	case <-late:
		return os.ErrDeadlineExceeded
	}
}

func (c *conn) deadline(of *time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *of
}

func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.read = t
	c.mu.Unlock()
	return c.Conn.SetDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.read = t
	c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}
