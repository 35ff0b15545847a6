package jaeger

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arrival bounds how long a test waits for a packet on loopback before it fails.
const arrival = 5 * time.Second

// fakeAgent is a Jaeger agent on a UDP socket of the loopback interface. It keeps every packet.
type fakeAgent struct {
	conn    *net.UDPConn
	packets chan []byte
}

// listen starts an agent at port, 0 for a free one.
func listen(tb testing.TB, port int) *fakeAgent {
	tb.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		tb.Fatal(err)
	}
	a := &fakeAgent{conn: conn, packets: make(chan []byte, 4096)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			a.packets <- append([]byte(nil), buf[:n]...)
		}
	}()
	tb.Cleanup(func() {
		a.close()
		<-done
	})
	return a
}

func (a *fakeAgent) close() { _ = a.conn.Close() }

func (a *fakeAgent) port() int { return a.conn.LocalAddr().(*net.UDPAddr).Port }

// next returns the next packet, decoded.
func (a *fakeAgent) next(tb testing.TB) wireBatch {
	tb.Helper()
	select {
	case p := <-a.packets:
		return mustDecode(tb, p)
	case <-time.After(arrival):
		tb.Fatal("no packet arrived")
		return wireBatch{}
	}
}

// spans waits until n spans have arrived and returns them in order.
func (a *fakeAgent) spans(tb testing.TB, n int) []wireSpan {
	tb.Helper()
	var out []wireSpan
	for len(out) < n {
		out = append(out, a.next(tb).Spans...)
	}
	return out
}

// unusedPort returns a port at which nobody listens.
func unusedPort(tb testing.TB) int {
	tb.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// newExporter returns an exporter for the loopback interface that is shut down after the test.
func newExporter(tb testing.TB, port int, oo ...OptionFunc) *Exporter {
	tb.Helper()
	e, err := NewExporter("127.0.0.1", port, oo...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Shutdown(context.WithoutCancel(tb.Context())) })
	return e
}

// paced makes the exporter write its next packet only when the agent has read the one before: the kernel's buffers are small, and a lost datagram is
// not what the test is about.
func paced(tb testing.TB, e *Exporter, a *fakeAgent) {
	tb.Helper()
	dial := e.agent.dial
	e.agent.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &pacedConn{Conn: conn, read: func() int { return len(a.packets) }}, err
	}
}

type pacedConn struct {
	net.Conn
	read    func() int
	written int
}

func (c *pacedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written++
	for end := time.Now().Add(arrival); c.read() < c.written && time.Now().Before(end); {
		<-time.After(100 * time.Microsecond)
	}
	return n, err
}

// countingConn counts what is written to it and says what it is told to.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
	err    error
}

func (c countingConn) Write(p []byte) (int, error)      { c.writes.Add(1); return len(p), c.err }
func (c countingConn) Close() error                     { return nil }
func (c countingConn) SetWriteDeadline(time.Time) error { return nil }

func itoa(n int) string { return strconv.Itoa(n) }
