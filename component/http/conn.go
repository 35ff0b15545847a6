package http

import (
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// writeChunk is how much may be written within one write timeout.
const writeChunk = 64 << 10

// connState is what a connection is doing.
//
//	fresh ──> receiving ──> active ──> idle ──> receiving …
//	  │           ^           │          │
//	  │           │           v          │
//	  └───────> closing <──────────────<─┘     active ──> hijacked
//
// Whoever wants a quiet connection closed makes it closing and wakes its reader; the reader decides. If it has got bytes in the meantime it goes back to
// receiving, and the request is served: so nothing that was read is left without an answer.
type connState = int32

const (
	fresh     connState = iota // accepted, nothing read
	receiving                  // a request is coming in
	active                     // a handler is running
	idle                       // answered, and nothing read since
	closing                    // to be closed, unless bytes come first
	hijacked                   // the handler's own
)

// conn is a connection of the server. It bounds every write, and the reads of bodies, and knows whether a request is on its way.
//
// net/http sets deadlines, too. Those for reading are for headers and for idling and are left alone; the one for writing it only ever clears, which is ignored.
type conn struct {
	net.Conn
	set      *connSet
	timeouts timeouts
	born     time.Time

	state atomic.Int32 // a connState
	ahead atomic.Bool  // a byte of the next request was read while a handler ran

	writeUntil atomic.Int64 // the write deadline, in nanoseconds since born
	ownWrite   atomic.Bool  // a handler has set a write deadline

	reading atomic.Pointer[body] // the body whose reads are bounded now
	mu      sync.Mutex           // guards armed, and keeps deadlines in the order of the states that they belong to
	armed   bool                 // the read deadline is that of a body
}

// connOf returns the conn below nc, which may be wrapped in TLS, or nil.
func connOf(nc net.Conn) *conn {
	for nc != nil {
		if c, ok := nc.(*conn); ok {
			return c
		}
		wrapper, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = wrapper.NetConn()
	}
	return nil
}

// NetConn returns the connection below, as that of crypto/tls does.
func (c *conn) NetConn() net.Conn { return c.Conn }

// CloseWrite lets net/http close so that the client can still read the answer.
func (c *conn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

// Read reads from the network. It is called by the goroutine of the connection, and by the one with which net/http watches for the end of the client.
func (c *conn) Read(p []byte) (int, error) {
	if c.state.Load() == closing {
		return 0, io.EOF
	}
	if b := c.reading.Load(); b != nil {
		c.arm(b)
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.received(n, len(p))
	}
	return n, err
}

// received notes that n bytes were read into a buffer of the given size.
func (c *conn) received(n, size int) {
	switch state := c.state.Load(); state {
	case active:
		if size == 1 { // net/http watches with a buffer of one byte, and reads bodies with larger ones
			c.ahead.Store(true)
		}
	case fresh, idle:
		if !c.state.CompareAndSwap(state, receiving) {
			c.reopen()
			return
		}
		if state == idle && n < 4 { // net/http waits for 4 bytes with the idle timeout
			_ = c.SetReadDeadline(time.Now().Add(c.timeouts.readHeader)) // an error comes again with the next read
		}
	case closing:
		c.reopen()
	default:
	}
}

// reopen takes a closing back: bytes came first.
func (c *conn) reopen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Store(receiving)
	_ = c.SetReadDeadline(time.Now().Add(c.timeouts.readHeader)) // an error comes again with the next read
}

// dismiss closes the connection if it is in the given state, and no byte comes first.
func (c *conn) dismiss(state connState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.CompareAndSwap(state, closing) {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // an error: it is closed already
	}
}

// follow is told by net/http what becomes of the connection.
func (c *conn) follow(state http.ConnState) {
	switch state {
	case http.StateActive:
		c.ahead.Store(false)
		if c.state.Swap(active) == closing { // the whole request had been read together with the one before
			c.mu.Lock()
			defer c.mu.Unlock()
			_ = c.SetReadDeadline(time.Time{}) // an error comes again with the next read
		}
	case http.StateIdle:
		c.endBody()
		c.ownWrite.Store(false)
		if c.ahead.Swap(false) {
			c.state.Store(receiving)
			return
		}
		c.state.Store(idle)
		if c.set.dismissing.Load() {
			c.dismiss(idle)
		}
	case http.StateHijacked:
		c.state.Store(hijacked)
		c.set.remove(c)
	case http.StateClosed:
		c.set.remove(c)
	case http.StateNew:
	default:
	}
}

// beginBody bounds the reads from the network, from now until endBody, by what b says.
func (c *conn) beginBody(b *body) { c.reading.Store(b) }

func (c *conn) arm(b *body) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading.Load() == b {
		c.armed = true
		_ = c.SetReadDeadline(b.deadline(time.Now())) // an error comes again with the read
	}
}

// endBody takes back the deadline, before it can end the read with which net/http watches for the end of the client: that would cancel the request.
func (c *conn) endBody() {
	b := c.reading.Swap(nil)
	if b == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed {
		c.armed = false
		b.noted(time.Now())
		_ = c.SetReadDeadline(time.Time{}) // an error comes again with the next read
	}
}

// Write writes in pieces, each with its own deadline, so that a slow client is let go and a large answer is not cut.
func (c *conn) Write(p []byte) (int, error) {
	var n int
	for {
		piece := p[n:min(len(p), n+writeChunk)]
		c.allowWrite()
		m, err := c.Conn.Write(piece)
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// ReadFrom lets the kernel copy a file (sendfile), piece by piece. Any other source may pause, so it is copied by Write, whose deadlines begin when there is
// something to write.
func (c *conn) ReadFrom(src io.Reader) (int64, error) {
	limit, source := int64(math.MaxInt64), src
	limited, ok := src.(*io.LimitedReader)
	if ok {
		limit, source = limited.N, limited.R
	}
	rf, ok := c.Conn.(io.ReaderFrom)
	if ok && c.state.Load() == hijacked {
		return rf.ReadFrom(src)
	}
	if !ok || !isRegular(source) {
		return io.Copy(struct{ io.Writer }{c}, src)
	}
	var n int64
	for n < limit {
		piece := &io.LimitedReader{R: source, N: min(writeChunk, limit-n)}
		want := piece.N
		c.allowWrite()
		m, err := rf.ReadFrom(piece)
		n += m
		if limited != nil {
			limited.N -= m
		}
		if err != nil || m < want {
			return n, err
		}
	}
	return n, nil
}

func isRegular(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// allowWrite gives the next write its time. To move the deadline costs something, so it is set with a quarter more and left until that is used up.
func (c *conn) allowWrite() {
	if c.ownWrite.Load() || c.state.Load() == hijacked {
		return
	}
	now := time.Now()
	if c.writeUntil.Load()-int64(now.Sub(c.born)) >= int64(c.timeouts.write) {
		return
	}
	until := now.Add(c.timeouts.write + c.timeouts.write/4)
	c.writeUntil.Store(int64(until.Sub(c.born)))
	_ = c.Conn.SetWriteDeadline(until) // an error comes again with the write
}

// SetWriteDeadline ignores that net/http clears the deadline after each request, which each write renews anyway.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && c.state.Load() != hijacked {
		return nil
	}
	c.writeUntil.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// setOwnWriteDeadline sets the deadline of a handler, which holds until the end of its request.
func (c *conn) setOwnWriteDeadline(t time.Time) error {
	c.ownWrite.Store(true)
	c.writeUntil.Store(0)
	return c.Conn.SetWriteDeadline(t)
}
