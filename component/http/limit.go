package http

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// bodyRate is how many bytes a second the body of a processor must come with on average, after the read timeout: who sends a byte now and then would
// otherwise hold a connection for days.
const bodyRate = 1 << 10

// body is the body of a request, bounded in size and in time. Reading is for one goroutine at a time, which need not be that of the handler: a proxy reads
// while it answers. A nil body is that of a request without one.
type body struct {
	io.ReadCloser // limited in size
	rw            http.ResponseWriter
	conn          *conn // nil: the deadlines are those of rw
	timeout       time.Duration
	whole         bool  // bounded as a whole by bodyRate
	left          int64 // what is left of the announced length, or -1

	received atomic.Int64
	own      atomic.Bool           // the handler sets deadlines itself
	done     atomic.Bool           // there is no more to read
	late     atomic.Bool           // a deadline has passed: no more waiting
	failure  atomic.Pointer[error] // why there is no more, unless it was the end

	waiting time.Time     // since when a read waits for the network; guarded by the mutex of conn
	waited  time.Duration // how long reads waited before; guarded by the mutex of conn
}

// connFrom returns the connection that a request came on, or nil.
func connFrom(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

func newBody(x *exchange, r *http.Request, e *endpoint) *body {
	b := &body{ReadCloser: r.Body, rw: x.rw, timeout: x.component.config.timeouts.read, whole: e.whole, left: r.ContentLength}
	if r.ProtoMajor == 1 {
		b.conn = connFrom(r.Context())
	}
	if e.bodyLimit > 0 {
		b.ReadCloser = http.MaxBytesReader(x.rw, r.Body, e.bodyLimit)
	}
	return b
}

// Read reads a piece of the body. It waits no longer than the read timeout.
func (b *body) Read(p []byte) (int, error) {
	own := b.own.Load()
	if !own {
		b.bound()
	}
	n, err := b.ReadCloser.Read(p)
	if !own {
		b.release()
	}
	b.received.Add(int64(n))
	if b.left >= 0 {
		b.left -= int64(n)
	}
	if err != nil {
		b.ended(err)
	}
	return n, err
}

func (b *body) ended(err error) {
	if err != io.EOF { //nolint:errorlint // An error that wraps EOF is not the end.
		b.failure.Store(&err)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			b.late.Store(true)
		}
	}
	b.done.Store(true)
}

// Len returns how many bytes are left if the request has announced that, or -1, for whoever makes a buffer.
func (b *body) Len() int { return int(b.left) }

// err returns why the body could not be read to its end, or nil.
func (b *body) err() error {
	if b == nil {
		return nil
	}
	if err := b.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// deadline returns until when a read from the network that begins now may wait.
func (b *body) deadline(now time.Time) time.Time {
	if b.late.Load() {
		return now
	}
	if b.waiting.IsZero() {
		b.waiting = now
	}
	wait := b.timeout
	if b.whole {
		earned := time.Duration(b.received.Load()) * time.Second / bodyRate
		wait = min(wait, b.timeout+earned-b.waited-now.Sub(b.waiting))
	}
	return now.Add(wait)
}

// noted adds the time of a wait that is over.
func (b *body) noted(now time.Time) {
	if !b.waiting.IsZero() {
		b.waited += now.Sub(b.waiting)
		b.waiting = time.Time{}
	}
}

// bound bounds reads from the network until release is called.
func (b *body) bound() {
	if b.conn != nil {
		b.conn.beginBody(b)
		return
	}
	_ = http.NewResponseController(b.rw).SetReadDeadline(b.deadline(time.Now())) // an error: not supported, as in tests
}

func (b *body) release() {
	if b.conn != nil {
		b.conn.endBody()
		return
	}
	b.noted(time.Now())
	_ = http.NewResponseController(b.rw).SetReadDeadline(time.Time{}) // an error: not supported, as in tests
}

// unread reports whether net/http may still have to read the body.
func (b *body) unread() bool {
	return b != nil && b.conn != nil && !b.done.Load() && !b.own.Load()
}

// abandon bounds what net/http reads after the handler, until the connection is idle.
func (b *body) abandon() {
	if b != nil && b.conn != nil && (!b.done.Load() || b.failure.Load() != nil) {
		b.conn.beginBody(b)
	}
}
