package sarama

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const dialTimeout = 10 * time.Second

// network makes the connections of one client, and can end them all: that is how a context ends what the client library does without one.
type network struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	life context.Context //nolint:containedctx // of the client; ends what is being dialled
	end  context.CancelFunc

	mu    sync.Mutex // guards everything below
	conns map[*conn]struct{}
	err   error // of the last dial, nil if it succeeded
}

// newNetwork returns the network of c; its connections outlive ctx.
func newNetwork(ctx context.Context, c *config) *network {
	n := &network{dial: c.dial, conns: make(map[*conn]struct{})}
	if n.dial == nil {
		n.dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	n.life, n.end = context.WithCancel(context.WithoutCancel(ctx))
	return n
}

// Dial implements proxy.Dialer for the client library.
func (n *network) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(n.life, dialTimeout)
	defer cancel()
	under, err := n.dial(ctx, network, addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
	if err != nil {
		return nil, err
	}
	if n.life.Err() != nil {
		_ = under.Close() // nobody knows of it
		return nil, fmt.Errorf("dial %s: %w", addr, net.ErrClosed)
	}
	c := &conn{Conn: under, network: n}
	n.conns[c] = struct{}{}
	return c, nil
}

// close ends all connections, and those to come.
func (n *network) close() {
	n.end()
	n.mu.Lock()
	conns := n.conns
	n.conns = make(map[*conn]struct{})
	n.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close() // whoever uses it is told
	}
}

// failure returns why the last connection could not be made.
func (n *network) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// conn is a connection that its network knows.
type conn struct {
	net.Conn

	network *network
}

func (c *conn) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}

// within runs f, which must return when the network is closed, and closes that when ctx ends. The error says which of the two it was.
func (n *network) within(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, n.close)
	err := f()
	if !stop() && err != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}
