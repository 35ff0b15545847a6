package http

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
)

// script is a connection whose client sends all its bytes at once, and then no more.
type script struct {
	in     *bytes.Reader
	mu     sync.Mutex // guards the fields below
	out    bytes.Buffer
	closed chan struct{}
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.Read(p)
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
		close(s.closed)
		return nil
	}
}

func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// once is a listener with one connection.
type once struct {
	conn chan net.Conn
	done chan struct{}
}

func (l *once) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conn:
		return nc, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *once) Close() error   { return nil }
func (l *once) Addr() net.Addr { return &net.TCPAddr{} }

// FuzzConnection sends any bytes to a server. What comes back must be answers, one for each request that reached the router, in order, and at most one more,
// with which net/http refuses what is no request.
func FuzzConnection(f *testing.F) {
	for _, s := range []string{
		"", "GET /p HTTP/1.1\r\nHost: a\r\n\r\n", "GET /p?a=1&a=2&%zz HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\nHEAD /p HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /none HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100),
		"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nshort",
		"POST /echo/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
		"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
		"POST /p HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET //echo//x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /echo/%2e%2e/p HTTP/1.1\r\nHost: a\r\nX-Correlation-Id: \x7f\r\n\r\n", "GET /p HTTP/1.1\r\n\r\n",
		"\x16\x03\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"DELETE /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /p HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://b/p HTTP/1.1\r\nHost: a\r\nAccept: application/x-no\r\n\r\n",
		"GET /p HTTP/1.1\nHost: a\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nBaggage: a=%20;p\nX-Correlation-Id: c\n\n",
	} {
		f.Add([]byte(s))
	}
	c := scriptedComponent(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		synctest.Test(t, func(t *testing.T) { converse(t, c, in) })
	})
}

// echoLimit is the longest body of the scripted component.
const echoLimit = 64

func scriptedComponent(tb testing.TB) *Component {
	tb.Helper()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		w.Header().Set("X-Echo", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
	proc := func(_ context.Context, req *psync.Request) (*psync.Response, error) {
		return &psync.Response{Payload: req.Fields}, nil
	}
	c, err := New(WithRoutesBuilder(NewRoutesBuilder().
		Append(NewRawRouteBuilder("/echo/{name}", echo).Method(http.MethodPost).WithBodyLimit(echoLimit)).
		Append(NewGetRouteBuilder("/p", proc)).
		Append(NewPostRouteBuilder("/p", proc))))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// converse has a server answer in, and checks the answers.
func converse(t *testing.T, c *Component, in []byte) {
	t.Helper()
	s := &script{in: bytes.NewReader(in), closed: make(chan struct{})}
	var handled []*http.Request
	srv := c.newServer(t.Context())
	srv.ErrorLog = nil
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handled = append(handled, r) // one connection: one after another
		c.router.ServeHTTP(w, r)
	})
	l := &once{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	l.conn <- s
	served := make(chan struct{})
	go func() {
		_ = srv.Serve(&connListener{Listener: l, set: newConnSet(), timeouts: c.config.timeouts})
		close(served)
	}()
	<-s.closed
	close(l.done)
	<-served

	answers := bufio.NewReader(&s.out)
	n := 0
	for ; ; n++ {
		if _, err := answers.Peek(1); err == io.EOF {
			break
		}
		var req *http.Request
		if n < len(handled) {
			req = handled[n]
		}
		checkAnswer(t, in, answers, req)
		if n > len(handled) {
			t.Fatalf("%q: got %d answers and more to %d requests", in, n, len(handled))
		}
	}
	if n < len(handled) {
		t.Fatalf("%q: got %d answers to %d requests", in, n, len(handled))
	}
}

// checkAnswer reads an answer to req, which is nil for what did not become a request.
func checkAnswer(t *testing.T, in []byte, answers *bufio.Reader, req *http.Request) {
	t.Helper()
	resp, err := http.ReadResponse(answers, req)
	if err != nil {
		t.Fatalf("%q: the answer cannot be read: %v", in, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusContinue {
		checkAnswer(t, in, answers, req)
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%q: the body of the answer cannot be read: %v", in, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 599 || req == nil && resp.StatusCode < 400 {
		t.Errorf("%q: got status %d", in, resp.StatusCode)
	}
	if req == nil || req.Method == http.MethodHead {
		return
	}
	if resp.StatusCode >= 400 {
		switch contentType := resp.Header.Get("Content-Type"); {
		case contentType == problemType:
			var d document
			if err := json.Unmarshal(body, &d); err != nil || d.Status != resp.StatusCode || d.Title == "" {
				t.Errorf("%q: got %d with the problem %s", in, resp.StatusCode, body)
			}
		case !strings.HasPrefix(contentType, "text/plain"):
			t.Errorf("%q: got %d with the content type %q", in, resp.StatusCode, contentType)
		}
	}
	if echo := resp.Header.Get("X-Echo"); resp.StatusCode == http.StatusOK && echo != "" && (echo != strconv.Itoa(len(body)) || len(body) > echoLimit) {
		t.Errorf("%q: got an echo of %s bytes with %d", in, echo, len(body))
	}
}

// FuzzProblem writes a problem for any Accept header and reads it again.
func FuzzProblem(f *testing.F) {
	f.Add(uint16(400), "detail", "/a/b", "is wrong", "application/json", int64(0))
	f.Add(uint16(401), "a\r\nX: y", "\xff", "\u2028", "text/html, */*;q=0", int64(time.Nanosecond))
	f.Add(uint16(503), "", "", "", "application/problem+json;q=0, application/json", int64(90*time.Second))
	f.Add(uint16(499), "é", "/~0", "\x00", "*/*", int64(-1))
	f.Add(uint16(422), "<script>", "/lines/0", "want", "image/png", int64(1<<62))
	f.Add(uint16(503), "", "", "", "", int64(math.MaxInt64))
	seconds := regexp.MustCompile(`\A[1-9][0-9]*\z`)
	f.Fuzz(func(t *testing.T, status uint16, detail, pointer, fault, accept string, retry int64) {
		status = 400 + status%200
		p := problem{status: int(status), detail: detail, faults: []psync.Fault{{Pointer: pointer, Detail: fault}}, retryAfter: time.Duration(retry)}
		r := &http.Request{Method: http.MethodGet, Header: http.Header{"Accept": {accept}}}
		w := httptest.NewRecorder()
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("ETag", "x")

		writeProblem(w, r.WithContext(t.Context()), p)

		if w.Code != int(status) || w.Header().Get("Content-Encoding")+w.Header().Get("ETag") != "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("got %d with %v, want %d", w.Code, w.Header(), status)
		}
		after, said := w.Header()["Retry-After"]
		if said != (retry > 0) || said && !seconds.MatchString(after[0]) {
			t.Errorf("Retry-After of %v: got %q", time.Duration(retry), after)
		}
		if got := w.Header().Get("WWW-Authenticate"); (got != "") != (status == http.StatusUnauthorized) {
			t.Errorf("WWW-Authenticate with %d: got %q", status, got)
		}
		switch contentType := w.Header().Get("Content-Type"); contentType {
		case problemType:
			want := document{Type: "about:blank", Title: title(int(status)), Status: int(status), Detail: asUTF8(detail)}
			want.Errors = []psync.Fault{{Pointer: asUTF8(pointer), Detail: asUTF8(fault)}}
			var got document
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("got %q: %v", w.Body, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		case "text/plain; charset=utf-8":
			if !strings.HasPrefix(w.Body.String(), strconv.Itoa(int(status))+" ") || !strings.Contains(w.Body.String(), detail) {
				t.Errorf("got %q", w.Body)
			}
			if accept == "" || accept == "*/*" {
				t.Errorf("Accept %q: got text", accept)
			}
		default:
			t.Errorf("Accept %q: got the content type %q", accept, contentType)
		}
	})
}

// asUTF8 is what encoding/json makes of text that is no UTF-8: every such byte becomes U+FFFD.
func asUTF8(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}
