package http_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	phttpclient "github.com/beatlabs/patron/client/http"
	"github.com/beatlabs/patron/trace/tracetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server that ends with the test.
func serve(tb testing.TB, h http.HandlerFunc) *httptest.Server {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	return server
}

func newClient(tb testing.TB, oo ...phttpclient.OptionFunc) *phttpclient.Client {
	tb.Helper()
	client, err := phttpclient.New(oo...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.CloseIdleConnections)
	return client
}

func newTransport(tb testing.TB, oo ...phttpclient.OptionFunc) *phttpclient.Transport {
	tb.Helper()
	transport, err := phttpclient.NewTransport(oo...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return transport
}

func newRequest(ctx context.Context, tb testing.TB, method, url string) *http.Request {
	tb.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

// read reads a body to its end and closes it.
func read(tb testing.TB, resp *http.Response) string {
	tb.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Error(err)
	}
	if err := resp.Body.Close(); err != nil {
		tb.Error(err)
	}
	return string(text)
}

// get makes a call that must succeed, and returns the body.
func get(ctx context.Context, tb testing.TB, client *phttpclient.Client, url string) string {
	tb.Helper()
	resp, err := client.Do(newRequest(ctx, tb, http.MethodGet, url))
	if err != nil {
		tb.Fatal(err)
	}
	return read(tb, resp)
}

// exchange makes an exchange whose response does not matter.
func exchange(rt http.RoundTripper, req *http.Request) error {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// roundTripFunc is a transport of a test's own.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is a response without a network.
func answer(r *http.Request, status int) *http.Response {
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", Header: make(http.Header), Body: http.NoBody, Request: r}
}

// onlySpan returns the one span that ended.
func onlySpan(tb testing.TB, rec *tracetest.Recorder) tracetest.Span {
	tb.Helper()
	spans := rec.Spans()
	if len(spans) != 1 {
		tb.Fatalf("spans: got %+v, want one", spans)
	}
	return spans[0]
}

// memoryNet is a network within a bubble of virtual time.
type memoryNet struct {
	accept chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newMemoryNet() *memoryNet {
	return &memoryNet{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *memoryNet) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case n.accept <- server:
		return client, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *memoryNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.accept:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *memoryNet) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *memoryNet) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }
