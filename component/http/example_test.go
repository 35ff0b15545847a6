package http_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/correlation"
	psync "github.com/beatlabs/patron/sync"
)

// invoice is what the examples take.
type invoice struct {
	Number   string `json:"number" validate:"required"`
	Quantity int    `json:"quantity" validate:"min=1"`
}

func take(_ context.Context, in invoice) (*psync.Response, error) {
	return &psync.Response{Status: http.StatusAccepted, Header: map[string]string{"Location": "/invoices/" + in.Number}}, nil
}

func show(_ context.Context, req *psync.Request) (*psync.Response, error) {
	number := req.Field("number")
	if number != "4711" {
		return nil, psync.Errorf(psync.NotFound, "no invoice %s", number)
	}
	return psync.NewResponse(invoice{Number: number, Quantity: 1}), nil
}

// A component can be asked without a socket, as here, or started and run by a service.
func Example() {
	c, err := phttp.New(phttp.WithPort(0), phttp.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(
		phttp.NewPostRouteBuilder("/invoices", psync.Handle(take)),
		phttp.NewGetRouteBuilder("/invoices/{number}", show),
	)))
	if err != nil {
		fmt.Println(err)
		return
	}

	send := func(method, path, body string) {
		r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
		r.Header.Set(correlation.HeaderID, "example")
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Location")+strings.TrimSpace(w.Body.String()))
	}
	send(http.MethodPost, "/invoices", `{"number":"4711","quantity":1}`)
	send(http.MethodGet, "/invoices/4711", "")
	send(http.MethodGet, "/invoices/1", "")
	// Output:
	// 202 /invoices/4711
	// 200 {"number":"4711","quantity":1}
	// 404 {"type":"about:blank","title":"Not Found","status":404,"detail":"no invoice 1","correlationID":"example"}
}

// A service does this with its components.
func ExampleComponent_Run() {
	c, err := phttp.New(phttp.WithAddress("127.0.0.1:0"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := c.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Addr().String()+"/alive", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	fmt.Print(res.Status, " ", string(body))

	stop()
	fmt.Println(<-done)
	// Output:
	// 200 OK alive
	// <nil>
}

// What is wrong is said at once, and all of it.
func ExampleNew() {
	_, err := phttp.New(
		phttp.WithPort(70000),
		phttp.WithRoutes(phttp.NewRoute("/users/:id", "get", nil, true)),
	)
	fmt.Println(err)
	// Output:
	// http: port 70000: want 0 to 65535
	// route get /users/:id: method "get": want GET, since methods are case-sensitive
	// path "/users/:id": write {id} for :id
	// processor is nil
}

// An authenticator can be a function.
type known func(*http.Request) bool

func (k known) Authenticate(r *http.Request) (bool, error) { return k(r), nil }
func (known) Challenge(*http.Request) string               { return `Basic realm="invoices"` }

func ExampleRouteBuilder_WithAuth() {
	route, err := phttp.NewGetRouteBuilder("/invoices/{number}", show).WithAuth(known(func(r *http.Request) bool {
		user, _, _ := r.BasicAuth()
		return user == "ada"
	})).Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := phttp.New(phttp.WithRoutes(route))
	if err != nil {
		fmt.Println(err)
		return
	}

	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/invoices/4711", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Basic realm="invoices"
}

// A raw handler answers with the same problems as a processor.
func ExampleWriteError() {
	route, err := phttp.NewRawRouteBuilder("/file", func(w http.ResponseWriter, r *http.Request) {
		phttp.WriteError(w, r, psync.NewNotFoundError("no such file"))
	}).MethodGet().Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := phttp.New(phttp.WithRoutes(route))
	if err != nil {
		fmt.Println(err)
		return
	}

	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/file", nil)
	r.Header.Set("Accept", "text/plain")
	r.Header.Set(correlation.HeaderID, "example")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output:
	// 404 Not Found
	// no such file
	// correlation ID: example
}

// A stream without end ends when the server stops, instead of being cut when the grace period is over.
func ExampleDraining() {
	events := make(chan string)
	_ = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case e := <-events:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", e)
				_ = http.NewResponseController(w).Flush()
			case <-phttp.Draining(r.Context()):
				return
			case <-r.Context().Done():
				return
			}
		}
	}
	// Output:
}

func ExampleNewManagement() {
	m, err := phttp.NewManagement(phttp.WithInfo(func() map[string]any { return map[string]any{"name": "invoices", "version": "1.0.0"} }))
	if err != nil {
		fmt.Println(err)
		return
	}

	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://localhost:51000/info", nil))
	fmt.Print(w.Body)
	// Output: {"name":"invoices","version":"1.0.0"}
}
