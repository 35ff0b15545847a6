package http_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	phttpclient "github.com/beatlabs/patron/client/http"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/trace/tracetest"
)

func Example() {
	stock := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s has 12 of %s", r.Header.Get(correlation.HeaderID), r.URL.Path)
	}))
	defer stock.Close()

	client, err := phttpclient.New(phttpclient.WithTimeout(2 * time.Second)) // once
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()

	ctx := correlation.ContextWithID(context.Background(), "order-536365") // a component did this
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, stock.URL+"/85123A", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Idempotency-Key", "536365")
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(text), err)
	// Output: 200 order-536365 has 12 of /85123A <nil>
}

// A client that exists already is observed by its transport.
func ExampleNewTransport() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	transport, err := phttpclient.NewTransport(phttpclient.WithMaxResponseBody(1 << 20))
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: transport, Timeout: time.Second}
	defer client.CloseIdleConnections()

	rec := tracetest.New()
	req, err := http.NewRequestWithContext(rec.Context(context.Background()), http.MethodGet, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()

	span := rec.Spans()[0]
	fmt.Println(span.Kind, span.Name, span.Attributes["http.response.status_code"], span.Status)
	fmt.Println(rec.Metric("http_client_request_duration_seconds", "error_type", "404"))
	// Output:
	// client GET 404 error
	// 1
}

func ExampleNew_wrongOptions() {
	_, err := phttpclient.New(phttpclient.WithTimeout(-time.Second), phttpclient.WithMaxConnsPerHost(0))
	fmt.Println(err)
	// Output:
	// http client: timeout -1s: want at least 0
	// max connections per host 0: want at least 1
}
