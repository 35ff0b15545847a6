package http_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	phttpclient "github.com/beatlabs/patron/client/http"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// surcharges are what an exchange may allocate beyond the transport below: the copy of the request, of its header (2) and of what is noted of it, the span and
// its context, the traceparent; and the correlation ID and its context, if there was none.
func surcharges() map[string]struct {
	provider oteltrace.TracerProvider
	id       string
	want     float64
} {
	return map[string]struct {
		provider oteltrace.TracerProvider
		id       string
		want     float64
	}{
		"noop":              {noop.NewTracerProvider(), "order-1", 5},
		"unsampled":         {sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), "order-1", 7},
		"unsampled, new ID": {sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), "", 9},
	}
}

func background(tp oteltrace.TracerProvider, id string) context.Context {
	ctx := trace.WithTelemetry(context.Background(), trace.NewTelemetry(tp, nil, metric.NewRegistry()))
	if id != "" {
		ctx = correlation.ContextWithID(ctx, id)
	}
	return ctx
}

func TestAnExchangeAllocatesLittle(t *testing.T) {
	for name, tc := range surcharges() {
		resp := &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", Body: http.NoBody}
		transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(*http.Request) (*http.Response, error) { return resp, nil })))
		req := newRequest(background(tc.provider, tc.id), t, "GET", "http://stock:8080/items/85123A")
		req.Header.Set("Accept", "application/json")
		run := func() {
			if err := exchange(transport, req); err != nil {
				t.Error(err)
			}
		}
		run() // binds
		if got := testing.AllocsPerRun(200, run); got > tc.want {
			t.Errorf("%s: got %v allocations, want at most %v", name, got, tc.want)
		}
	}
}

// BenchmarkTransport compares with the transport of net/http, over loopback.
func BenchmarkTransport(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "12") }))
	defer server.Close()
	pool := &http.Transport{}
	defer pool.CloseIdleConnections()
	observed, err := phttpclient.NewTransport(phttpclient.WithTransport(pool))
	if err != nil {
		b.Fatal(err)
	}
	run := func(ctx context.Context, b *testing.B, rt http.RoundTripper) {
		b.Helper()
		req := newRequest(ctx, b, "GET", server.URL)
		b.ReportAllocs()
		for b.Loop() {
			resp, err := rt.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			read(b, resp)
		}
	}
	b.Run("net/http", func(b *testing.B) { run(context.Background(), b, pool) })
	for name, tc := range surcharges() {
		b.Run(name, func(b *testing.B) { run(background(tc.provider, tc.id), b, observed) })
	}
}
