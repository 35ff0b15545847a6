package contender

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Request is one of the requests that contenders answer.
type Request struct {
	Method string
	Path   string
	Body   string
	Status int    // that the answer must have
	Answer string // the body that it must have
}

// The names of the requests, which are those of their methods.
const (
	GET  = http.MethodGet
	POST = http.MethodPost
)

// NewRequest returns the request for a method.
func NewRequest(method string) (Request, error) {
	switch method {
	case GET:
		return Request{Method: GET, Path: "/users/4711", Status: http.StatusOK, Answer: UserJSON}, nil
	case POST:
		return Request{Method: POST, Path: "/orders", Body: OrderJSON, Status: http.StatusCreated, Answer: ReceiptJSON}, nil
	default:
		return Request{}, fmt.Errorf("request %q: want GET or POST", method)
	}
}

// Exchange sends one request to a handler again and again, without a network and without memory of its own: what is measured is the handler's. It must not be
// used concurrently.
type Exchange struct {
	Writer  // the last answer
	want    Request
	handler http.Handler
	pattern http.Request // as it is before each request
	request http.Request
	body    body
	header  http.Header // for request
}

// NewExchange returns an exchange of the request want with h, whose requests come with ctx: for a [Handler] its own.
func NewExchange(ctx context.Context, h http.Handler, want Request) (*Exchange, error) {
	r, err := http.NewRequestWithContext(ctx, want.Method, "http://example.com"+want.Path, http.NoBody)
	if err != nil {
		return nil, err
	}
	// What a server adds.
	r.RequestURI, r.RemoteAddr = want.Path, "192.0.2.1:1234"
	r.URL.Scheme, r.URL.Host = "", ""
	x := &Exchange{want: want, handler: h, header: http.Header{}}
	x.Writer.header = http.Header{}
	if want.Body != "" {
		x.body.text = want.Body
		r.Body, r.ContentLength = &x.body, int64(len(want.Body))
	}
	r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"bench"}}
	if want.Body != "" {
		r.Header["Content-Type"] = []string{"application/json"}
	}
	x.pattern = *r
	return x, nil
}

// Do sends the request and keeps the answer in the Writer.
func (x *Exchange) Do() {
	x.request = x.pattern
	clear(x.header)
	maps.Copy(x.header, x.pattern.Header)
	x.request.Header = x.header
	x.body.rewind()
	x.reset()
	x.handler.ServeHTTP(&x.Writer, &x.request)
}

// Check reports what is wrong with the last answer.
func (x *Exchange) Check() error {
	if got := string(bytes.TrimSpace(x.Body)); x.Status != x.want.Status || got != x.want.Answer {
		return fmt.Errorf("%s %s: got status %d and body %q, want %d and %q", x.want.Method, x.want.Path, x.Status, got, x.want.Status, x.want.Answer)
	}
	return nil
}

// SetHeader adds a header to the requests from now on.
func (x *Exchange) SetHeader(name, value string) { x.pattern.Header.Set(name, value) }

// Writer is an http.ResponseWriter that is used again and again.
type Writer struct {
	Status int
	Body   []byte
	header http.Header
}

// Header returns the header of the answer.
func (w *Writer) Header() http.Header { return w.header }

// WriteHeader keeps the status.
func (w *Writer) WriteHeader(status int) {
	if w.Status == 0 {
		w.Status = status
	}
}

// Write keeps what is written.
func (w *Writer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.Body = append(w.Body, p...)
	return len(p), nil
}

// WriteString is Write for strings.
func (w *Writer) WriteString(p string) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.Body = append(w.Body, p...)
	return len(p), nil
}

// SetReadDeadline is there because servers have it: a wrapper that bounds the reading of a body would otherwise get an error each time.
func (w *Writer) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is there because servers have it.
func (w *Writer) SetWriteDeadline(time.Time) error { return nil }

func (w *Writer) reset() {
	clear(w.header)
	w.Status, w.Body = 0, w.Body[:0]
}

// body is the body of a request, which is read anew each time. Nothing but reading is offered: a body that comes from a network has no length either.
type body struct {
	text   string
	reader strings.Reader
}

func (b *body) rewind()                    { b.reader.Reset(b.text) }
func (b *body) Read(p []byte) (int, error) { return b.reader.Read(p) }
func (b *body) Close() error               { return nil }
