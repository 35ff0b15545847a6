package http

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

var (
	_ http.ResponseWriter = (*exchange)(nil)
	_ http.Flusher        = (*exchange)(nil)
	_ http.Hijacker       = (*exchange)(nil)
	_ io.ReaderFrom       = (*exchange)(nil)
	_ io.StringWriter     = (*exchange)(nil)
)

// Unwrap returns the ResponseWriter of net/http, for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.rw }

// Header returns the header of the answer.
func (x *exchange) Header() http.Header { return x.rw.Header() }

// WriteHeader writes the header of the answer; a status below 200 is followed by another one.
func (x *exchange) WriteHeader(status int) {
	if x.wrote || status < http.StatusOK && status != http.StatusSwitchingProtocols {
		x.rw.WriteHeader(status) // which also complains about a second one
		return
	}
	x.prepare()
	x.rw.WriteHeader(status) // panics for what is no status of three digits
	x.wrote, x.status = true, int16(status)
}

// prepare is the last moment at which the header can be changed.
func (x *exchange) prepare() {
	if !x.began { // the mux redirects, without asking an endpoint
		x.begin(x.component.router.fallback)
	}
	if x.component.stopping.Load() && x.rw.Header().Get("Upgrade") == "" {
		x.rw.Header().Set("Connection", "close")
	}
}

// commit notes that net/http is about to write the header, with 200.
func (x *exchange) commit() {
	if !x.wrote {
		x.prepare()
		x.wrote, x.status = true, http.StatusOK
	}
}

// count counts what was written. It stops when the header is out.
func (x *exchange) count(n int64) { x.written = int16(min(int64(x.written)+n, buffered+1)) }

// reads reports whether net/http may now read the rest of the body, as it does before the header goes out: with the first flush, or with more than it buffers.
func (x *exchange) reads() bool { return x.written <= buffered && x.body.unread() }

// Write writes a piece of the body.
func (x *exchange) Write(p []byte) (int, error) {
	x.commit()
	if x.reads() {
		x.body.bound()
		defer x.body.release()
	}
	n, err := x.rw.Write(p)
	x.count(int64(n))
	return n, err
}

// WriteString is Write without a copy.
func (x *exchange) WriteString(s string) (int, error) {
	x.commit()
	if x.reads() {
		x.body.bound()
		defer x.body.release()
	}
	n, err := io.WriteString(x.rw, s)
	x.count(int64(n))
	return n, err
}

// ReadFrom lets net/http and the kernel copy a file.
func (x *exchange) ReadFrom(src io.Reader) (int64, error) {
	x.commit()
	rf, ok := x.rw.(io.ReaderFrom)
	if !ok || x.reads() {
		return io.Copy(struct{ io.Writer }{x}, src)
	}
	n, err := rf.ReadFrom(src)
	x.count(n)
	return n, err
}

// Flush sends what was written.
func (x *exchange) Flush() { _ = x.FlushError() } // as http.Flusher has it

// FlushError sends what was written.
func (x *exchange) FlushError() error {
	x.commit()
	if x.reads() {
		x.body.bound()
		defer x.body.release()
	}
	x.count(buffered + 1)
	return http.NewResponseController(x.rw).Flush()
}

// Hijack gives the connection to the handler.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(x.rw).Hijack()
	if err == nil {
		x.hijacked = true
		if !x.wrote {
			x.status = http.StatusSwitchingProtocols
		}
	}
	return nc, rw, err
}

// SetReadDeadline makes the handler responsible for the time that reading the body takes.
func (x *exchange) SetReadDeadline(t time.Time) error {
	if x.body != nil {
		x.body.own.Store(true)
	}
	return http.NewResponseController(x.rw).SetReadDeadline(t)
}

// SetWriteDeadline makes the handler responsible for the time that writing takes.
func (x *exchange) SetWriteDeadline(t time.Time) error {
	if c := connFrom(x.context); c != nil && x.request.ProtoMajor == 1 {
		return c.setOwnWriteDeadline(t)
	}
	return http.NewResponseController(x.rw).SetWriteDeadline(t)
}
