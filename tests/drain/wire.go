package drain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// patience bounds how long an answer may take: more than the grace period of the tour.
const patience = 15 * time.Second

// fate is what became of a request.
type fate uint8

const (
	answered fate = iota // wholly
	refused              // there was no connection
	reset                // the connection was new, and ended before a byte of an answer
	lost                 // an open connection gave no answer: a violation
	cut                  // the answer is not whole: a violation
)

func (f fate) String() string {
	names := [...]string{answered: "answered", refused: "refused", reset: "reset", lost: "lost", cut: "cut"}
	if int(f) < len(names) {
		return names[f]
	}
	return "fate " + strconv.Itoa(int(f))
}

// answer is a whole answer.
type answer struct {
	status   int
	location string
	closes   bool // it says Connection: close
}

// wire is one connection at a time to a server, kept alive and used for one request after the other. It is for one goroutine. net/http will not do: its
// transport repeats requests of its own accord when a connection that it used before has ended.
type wire struct {
	addr  string
	conn  net.Conn // nil: there is none now
	bytes *bufio.Reader
	used  bool // an answer came over it

	split      func(size int) (int, time.Duration) // how much of a request to send at first, and how long to wait then; nil: all of it
	closedIdle int                                 // connections that the server had closed before a request went out
}

// isOpen reports whether there is a connection. One that the server has closed meanwhile is let go.
func (w *wire) isOpen() bool {
	if w.conn != nil && !w.quiet() {
		w.closedIdle++
		w.close()
	}
	return w.conn != nil
}

// open makes a connection.
func (w *wire) open(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", w.addr)
	if err != nil {
		return err
	}
	w.conn, w.bytes, w.used = conn, bufio.NewReader(conn), false
	return nil
}

// quiet reports whether the connection is open, as far as it can be known without a wait, and nothing came over it that was not asked for.
func (w *wire) quiet() bool {
	socket, ok := w.conn.(syscall.Conn)
	if !ok || w.bytes.Buffered() > 0 {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	empty := false
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		empty = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && empty
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close() // nothing is on its way
		w.conn = nil
	}
}

// post sends an order over the open connection. The error says more about a fate that is not answered.
func (w *wire) post(body []byte) (answer, fate, error) {
	used := w.used
	a, fate, err := w.exchange(body)
	w.used = true
	if err != nil || a.closes {
		w.close()
	}
	if fate == reset && used {
		fate = lost
	}
	return a, fate, err
}

func (w *wire) exchange(body []byte) (answer, fate, error) {
	if err := w.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return answer{}, lost, err
	}
	request := make([]byte, 0, 256+len(body))
	request = fmt.Appendf(request, "POST /orders HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", w.addr, len(body))
	unsent := w.write(append(request, body...))
	// The server may answer before it has read all and then close: so the answer counts even if the end of the request could not be sent.
	if _, err := w.bytes.Peek(1); err != nil {
		return answer{}, silence(err), errors.Join(unsent, err)
	}
	resp, err := http.ReadResponse(w.bytes, &http.Request{Method: http.MethodPost})
	if err != nil {
		return answer{}, cut, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	switch err = errors.Join(err, resp.Body.Close()); {
	case err != nil:
		return answer{}, cut, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	case resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && resp.StatusCode != http.StatusNoContent:
		return answer{}, cut, fmt.Errorf("status %d: nothing says where the answer ends", resp.StatusCode)
	case w.bytes.Buffered() > 0:
		return answer{}, cut, fmt.Errorf("status %d: bytes behind the answer", resp.StatusCode)
	}
	return answer{status: resp.StatusCode, location: resp.Header.Get("Location"), closes: resp.Close}, answered, nil
}

// write sends a request, perhaps in two pieces.
func (w *wire) write(request []byte) error {
	if w.split == nil {
		_, err := w.conn.Write(request)
		return err
	}
	first, gap := w.split(len(request))
	_, err := w.conn.Write(request[:first])
	if err != nil || first == len(request) {
		return err
	}
	<-time.After(gap)
	_, err = w.conn.Write(request[first:])
	return err
}

// silence is the fate of a request without a byte of an answer: if the connection ended, it may have ended before the request came.
func silence(err error) fate {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return reset
	}
	return lost
}

// unopened is the fate of a request for which there was no connection.
func unopened(err error) fate {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		return refused
	}
	return lost
}
