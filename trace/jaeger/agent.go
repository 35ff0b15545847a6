package jaeger

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

const (
	dialTimeout  = 5 * time.Second // for resolving the host's name; UDP itself connects at once
	writeTimeout = time.Second     // a datagram waits only while the kernel's buffer is full
	// resolveEvery is how long the address of a host that is a name is believed. Writing to an address that nobody has any more gives no error.
	resolveEvery = 30 * time.Second
	// refusalWait is how long the last look for a refusal waits. On one machine, where agents run, the refusal is there at once.
	refusalWait = 5 * time.Millisecond
)

// agent is the connection to the Jaeger agent: a socket that comes and goes. The zero value is not usable; it must not be used concurrently.
type agent struct {
	address string // host:port
	named   bool   // the host is a name, not an IP address
	dial    func(ctx context.Context, network, address string) (net.Conn, error)

	conn     net.Conn // nil: none at the moment
	resolved time.Time
	// unsure is the number of spans in the packet that was written last: a host that refuses it says so with the next write.
	unsure int
}

func newAgent(host, port string) *agent {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &agent{
		address: net.JoinHostPort(host, port),
		named:   net.ParseIP(host) == nil,
		dial:    dialer.DialContext,
	}
}

// send writes one packet that holds n spans. It returns how many spans are now known to be lost, those of the packet before it included, and why.
// It blocks while the host's name is resolved, within ctx and five seconds.
func (a *agent) send(ctx context.Context, packet []byte, n int) (lost int, err error) {
	if ctx.Err() != nil {
		return n, context.Cause(ctx)
	}
	err = a.write(ctx, packet)
	if errors.Is(err, syscall.ECONNREFUSED) && a.unsure > 0 {
		// The refusal is for the packet before this one, which has not been sent: try it on a new socket.
		lost, a.unsure = a.unsure, 0
		a.close()
		refused := err
		if err = a.write(ctx, packet); err == nil {
			a.unsure = n
			return lost, refused
		}
	}
	if err != nil {
		a.close()
		a.unsure = 0
		return lost + n, err
	}
	a.unsure = n
	return lost, nil
}

func (a *agent) write(ctx context.Context, packet []byte) error {
	if err := a.connect(ctx); err != nil {
		return err
	}
	deadline := time.Now().Add(writeTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := a.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := a.conn.Write(packet)
	return err
}

// connect sees to it that there is a socket, and that a name has been resolved not too long ago. If a name cannot be resolved again, the old address
// stays.
func (a *agent) connect(ctx context.Context) error {
	if a.conn != nil && (!a.named || time.Since(a.resolved) < resolveEvery) {
		return nil
	}
	conn, err := a.dial(ctx, "udp", a.address)
	if err != nil {
		if a.conn == nil {
			return err
		}
		a.resolved = time.Now()
		return nil
	}
	a.close()
	a.conn, a.resolved = conn, time.Now()
	return nil
}

// flush looks once more whether the last packet was refused, since no other write will tell. It returns the number of spans that are lost, and why.
func (a *agent) flush() (lost int, err error) {
	if a.conn == nil || a.unsure == 0 {
		return 0, nil
	}
	lost, a.unsure = a.unsure, 0
	if err = a.conn.SetReadDeadline(time.Now().Add(refusalWait)); err == nil {
		var answer [1]byte
		_, err = a.conn.Read(answer[:])
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return lost, err
	}
	return 0, nil
}

// close gives the socket back. What the kernel says then is about packets that nobody can do anything for any more.
func (a *agent) close() {
	if a.conn == nil {
		return
	}
	_ = a.conn.Close()
	a.conn = nil
}
