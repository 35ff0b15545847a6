package http_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/metric"
	psync "github.com/beatlabs/patron/sync"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/provider"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// user is the answer of the handlers that are compared: 111 bytes of JSON.
const user = `{"id":"4711","name":"Ada Lovelace","email":"ada@example.com","active":true,"roles":["admin","editor"],"age":36}`

func serveUser(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, user)
}

type userDocument struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Email  string   `json:"email"`
	Active bool     `json:"active"`
	Roles  []string `json:"roles"`
	Age    int      `json:"age"`
}

func getUser(_ context.Context, req *psync.Request) (userDocument, error) {
	return userDocument{
		ID: req.Field("id"), Name: "Ada Lovelace", Email: "ada@example.com", Active: true, Roles: []string{"admin", "editor"}, Age: 36,
	}, nil
}

// sink is a ResponseWriter that is used again and again.
type sink struct {
	header http.Header
	status int
	n      int
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }
func (s *sink) Write(p []byte) (int, error) {
	s.n += len(p)
	return len(p), nil
}

func (s *sink) WriteString(p string) (int, error) {
	s.n += len(p)
	return len(p), nil
}

func (s *sink) reset() {
	clear(s.header)
	s.status, s.n = 0, 0
}

// loop returns a function that sends GET /users/4711 to h.
func loop(tb testing.TB, h http.Handler) func() {
	tb.Helper()
	w := &sink{header: make(http.Header)}
	u, err := url.Parse("/users/4711")
	if err != nil {
		tb.Fatal(err)
	}
	header := http.Header{"Accept": {"*/*"}, "User-Agent": {"bench"}}
	one := func() {
		w.reset()
		r := http.Request{
			Method: http.MethodGet, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: http.NoBody, Host: "example.com",
			RequestURI: "/users/4711", RemoteAddr: "192.0.2.1:1234",
		}
		h.ServeHTTP(w, &r)
	}
	one()
	if w.n < len(user)-20 {
		tb.Fatalf("got %d bytes and status %d, want the user", w.n, w.status)
	}
	return one
}

func rawMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", serveUser)
	return mux
}

func bareComponent(tb testing.TB, b *phttp.RouteBuilder) http.Handler {
	tb.Helper()
	route, err := b.MethodGet().Build()
	if err != nil {
		tb.Fatal(err)
	}
	c, err := phttp.New(phttp.WithRoutes(route))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// telemetry returns the context of a service, whose spans go nowhere in the end.
func telemetry(tb testing.TB, sampler sdktrace.Sampler) context.Context {
	tb.Helper()
	p, err := provider.New("bench", "", provider.WithSampler(sampler), provider.WithExporter(tracetest.NewNoopExporter()))
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Shutdown(context.WithoutCancel(tb.Context())) })
	return trace.WithTelemetry(tb.Context(), trace.NewTelemetry(p.TracerProvider(), nil, metric.NewRegistry()))
}

// observed gives requests the telemetry of a service.
func observed(tb testing.TB, h http.Handler, sampler sdktrace.Sampler) http.Handler {
	tb.Helper()
	ctx := telemetry(tb, sampler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r.WithContext(ctx)) })
}

func rawRoute(tb testing.TB) http.Handler {
	tb.Helper()
	return bareComponent(tb, phttp.NewRawRouteBuilder("/users/{id}", serveUser))
}

func untracedRoute(tb testing.TB) http.Handler {
	tb.Helper()
	return bareComponent(tb, phttp.NewRawRouteBuilder("/users/{id}", serveUser).WithTrace(false))
}

func typedRoute(tb testing.TB) http.Handler {
	tb.Helper()
	return bareComponent(tb, phttp.NewRouteBuilder("/users/{id}", psync.Handle(getUser)))
}

// BenchmarkRequest compares a request to a component, with metrics, tracing, recovery, limits and correlation ID, with one to the mux of net/http alone.
func BenchmarkRequest(b *testing.B) {
	for _, bb := range []struct {
		name    string
		handler http.Handler
		sampler sdktrace.Sampler
	}{
		{"net-http", rawMux(), sdktrace.NeverSample()},
		{"raw/unsampled", rawRoute(b), sdktrace.NeverSample()},
		{"raw/sampled", rawRoute(b), sdktrace.AlwaysSample()},
		{"raw/untraced", untracedRoute(b), sdktrace.AlwaysSample()},
		{"handle/unsampled", typedRoute(b), sdktrace.NeverSample()},
		{"handle/sampled", typedRoute(b), sdktrace.AlwaysSample()},
	} {
		b.Run(bb.name, func(b *testing.B) {
			one := loop(b, observed(b, bb.handler, bb.sampler))
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}

// BenchmarkLoopback sends requests on kept connections, so that what the connections of the server cost is seen, too.
func BenchmarkLoopback(b *testing.B) {
	for name, start := range map[string]func(b *testing.B) (address string, stop func()){
		"net-http": func(b *testing.B) (string, func()) {
			b.Helper()
			l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			srv := &http.Server{Handler: rawMux(), ReadHeaderTimeout: time.Second}
			go func() { _ = srv.Serve(l) }()
			return l.Addr().String(), func() { _ = srv.Close() }
		},
		"component": func(b *testing.B) (string, func()) {
			b.Helper()
			route, err := phttp.NewRawRouteBuilder("/users/{id}", serveUser).MethodGet().Build()
			if err != nil {
				b.Fatal(err)
			}
			c := newComponent(b, phttp.WithAddress("127.0.0.1:0"), phttp.WithRoutes(route))
			ctx, stop := context.WithCancel(telemetry(b, sdktrace.NeverSample()))
			if err := c.Start(ctx); err != nil {
				b.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = c.Run(ctx)
			}()
			return c.Addr().String(), func() {
				stop()
				<-done
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			address, stop := start(b)
			defer stop()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				nc, err := net.Dial("tcp", address)
				if err != nil {
					b.Error(err)
					return
				}
				defer func() { _ = nc.Close() }()
				request := []byte("GET /users/4711 HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n")
				answer := make([]byte, 4096)
				for pb.Next() {
					if _, err := nc.Write(request); err != nil {
						b.Error(err)
						return
					}
					if n, err := nc.Read(answer); err != nil || n < len(user) {
						b.Errorf("got %d bytes, %v", n, err)
						return
					}
				}
			})
		})
	}
}
