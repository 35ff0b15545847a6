package http_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
	psync "github.com/beatlabs/patron/sync"
	"github.com/beatlabs/patron/trace/tracetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a listener whose connections are pipes, for virtual time.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (m *memory) listen(context.Context, string, string) (net.Listener, error) { return m, nil }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case m.conns <- server:
		return client, nil
	case <-m.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serving is a component that runs.
type serving struct {
	*phttp.Component
	mem    *memory
	client *http.Client
	stop   context.CancelFunc
	done   chan error // what Run returned
}

// serve starts and runs a component on a listener in memory.
func serve(ctx context.Context, t *testing.T, oo ...phttp.OptionFunc) *serving {
	t.Helper()
	mem := newMemory()
	c, err := phttp.New(append(oo, phttp.WithListen(mem.listen))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: mem.dial}
	s := &serving{Component: c, mem: mem, client: &http.Client{Transport: transport}, done: make(chan error, 1)}
	ctx, s.stop = context.WithCancel(ctx)
	go func() { s.done <- c.Run(ctx) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.stop()
	})
	return s
}

// shut stops the component and returns what Run returned.
func (s *serving) shut() error {
	s.stop()
	s.client.CloseIdleConnections()
	return <-s.done
}

// raw opens a connection to write on as one likes.
func (s *serving) raw(t *testing.T) *rawConn {
	t.Helper()
	nc, err := s.mem.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	c := &rawConn{Conn: nc, r: bufio.NewReader(nc)}
	t.Cleanup(func() {
		_ = nc.Close()
		c.wg.Wait()
	})
	return c
}

// rawConn is the client's side of a connection. What goes on in the background in wg ends with the test.
type rawConn struct {
	net.Conn
	r  *bufio.Reader
	wg sync.WaitGroup
}

func (c *rawConn) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatalf("send %.40q: %v", text, err)
	}
}

// answer is a response whose body was read.
type answer struct {
	StatusCode int
	Status     string
	Header     http.Header
	Close      bool
}

// readAnswer reads a response and its body.
func readAnswer(tb testing.TB, res *http.Response) (answer, string) {
	tb.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatalf("read the body: %v", err)
	}
	_ = res.Body.Close()
	return answer{StatusCode: res.StatusCode, Status: res.Status, Header: res.Header, Close: res.Close}, string(body)
}

// receive reads one answer with its body.
func (c *rawConn) receive(t *testing.T) (answer, string) {
	t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	return readAnswer(t, res)
}

// eof reads until the server closes the connection, and returns what came before.
func (c *rawConn) eof(t *testing.T) string {
	t.Helper()
	rest, err := io.ReadAll(c.r)
	if err != nil {
		t.Fatalf("read to the end: %v", err)
	}
	return string(rest)
}

const getRequest = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"

// get makes a route for GET that runs h.
func get(tb testing.TB, path string, h http.HandlerFunc) *phttp.Route {
	tb.Helper()
	return build(tb, phttp.NewRawRouteBuilder(path, h).MethodGet())
}

// process makes a route for a processor.
func process(tb testing.TB, method, path string, p psync.ProcessorFunc) *phttp.Route {
	tb.Helper()
	return build(tb, phttp.NewRouteBuilder(path, p).Method(method))
}

func build(tb testing.TB, rb *phttp.RouteBuilder) *phttp.Route {
	tb.Helper()
	route, err := rb.Build()
	if err != nil {
		tb.Fatal(err)
	}
	return route
}

func newComponent(tb testing.TB, oo ...phttp.OptionFunc) *phttp.Component {
	tb.Helper()
	c, err := phttp.New(oo...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// ask sends a request without a socket.
func ask(tb testing.TB, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	tb.Helper()
	return askIn(tb.Context(), tb, h, method, target, body, header...)
}

func askIn(ctx context.Context, tb testing.TB, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	tb.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(ctx, method, target, reader)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// observation is the telemetry and the log of a test.
type observation struct {
	context.Context
	*tracetest.Recorder

	mu  sync.Mutex // guards log
	log strings.Builder
}

func (o *observation) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.Write(p)
}

func (o *observation) lines() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.String()
}

// requests returns how many requests were counted with the given labels.
func (o *observation) requests(labels ...string) float64 {
	return o.Metric("http_server_request_duration_seconds", labels...)
}

// observe returns a context whose spans, metrics and log lines a test can read.
func observe(tb testing.TB) *observation {
	tb.Helper()
	o := &observation{Recorder: tracetest.New()}
	handler := slog.NewTextHandler(o, &slog.HandlerOptions{Level: slog.LevelDebug})
	o.Context = plog.WithContext(o.Recorder.Context(tb.Context()), plog.New(plog.NewHandler(handler, plog.NewLevelVar(plog.DebugLevel))))
	return o
}

// graceful is the context of a service whose grace period is d.
func graceful(ctx context.Context, d time.Duration) context.Context {
	return component.WithGrace(ctx, d, nil)
}
