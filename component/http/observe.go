package http

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/trace"
	"go.opentelemetry.io/otel/attribute"
)

// exchange is one request and its answer: the ResponseWriter that handlers get, and in one piece of memory everything else that a request needs. It belongs
// to the goroutine of the request.
type exchange struct {
	rw        http.ResponseWriter
	component *Component
	request   *http.Request // with the context of the exchange, once it has begun
	span      trace.Span
	context   context.Context    // what the request carries; exchangeContext adds the exchange
	body      *body              // nil: the request has none
	cancel    context.CancelFunc // of the deadline of the route; nil: none

	id          [1]string // the value of X-Correlation-Id, here so that the header needs no memory of its own
	contentType [1]string // the same for Content-Type
	noSniff     [1]string // the same for X-Content-Type-Options

	began    bool  // an endpoint has taken the request
	returned bool  // the handler has returned
	wrote    bool  // the header of the answer is out
	hijacked bool  // the connection is the handler's
	written  int   // bytes of the body of the answer; more than buffered: the header has been sent
	status   int   // of the answer, 0: none yet
	err      error // why the answer is what it is, for the log
}

// exchangeContext is the exchange as the context of its request, so that this needs no memory of its own.
type exchangeContext exchange

var _ context.Context = (*exchangeContext)(nil)

type exchangeKey struct{}

// Deadline returns the deadline of the route.
func (c *exchangeContext) Deadline() (deadline time.Time, ok bool) { return c.context.Deadline() }

// Done is closed when the request is over.
func (c *exchangeContext) Done() <-chan struct{} { return c.context.Done() }

// Err says why Done is closed.
func (c *exchangeContext) Err() error { return c.context.Err() }

// Value leads back to the exchange.
func (c *exchangeContext) Value(key any) any {
	if key == (exchangeKey{}) {
		return (*exchange)(c)
	}
	return c.context.Value(key)
}

// exchangeFrom returns the exchange of a request, or nil if the request is not one of this package.
func exchangeFrom(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// ServeHTTP is the outermost part of the chain: every request is observed and recovered here, also those that the mux answers itself.
func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{rw: w, component: rt.component, request: r}
	defer x.end()
	if r.RequestURI == "*" { // which the mux refuses
		rt.fallback.ServeHTTP(x, r)
	} else {
		rt.mux.ServeHTTP(x, r)
	}
	x.returned = true
}

// begin starts the observation of a request, and returns the request to go on with.
func (x *exchange) begin(e *endpoint, r *http.Request) *http.Request {
	x.began = true
	ctx := x.span.Begin(r.Context(), trace.Unit{Op: e.opFor(r.Method), In: trace.HeaderCarrier(r.Header), Describer: (*description)(r)})
	x.id[0] = correlation.IDFromContext(ctx)
	x.rw.Header()[correlation.HeaderID] = x.id[:]
	if e.timeout > 0 {
		ctx, x.cancel = context.WithTimeout(ctx, e.timeout)
	}
	x.context = ctx
	r = r.WithContext((*exchangeContext)(x))
	if r.Body != nil && r.Body != http.NoBody {
		x.body = newBody(x, r, e)
		r.Body = x.body
	}
	x.request = r
	return r
}

// description is what is worth knowing about one request alone.
type description http.Request

// AppendAttributes is asked if the span is recorded.
func (r *description) AppendAttributes(attrs []attribute.KeyValue) []attribute.KeyValue {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	version := r.Proto
	if len(version) > len("HTTP/") {
		version = version[len("HTTP/"):]
	}
	return append(attrs, trace.URLPath(r.URL.Path), trace.URLScheme(scheme), trace.ClientAddress(client), trace.UserAgent((*http.Request)(r).UserAgent()),
		trace.ProtocolVersion(version))
}

// close ends the observation.
func (x *exchange) close() {
	if x.cancel != nil {
		x.cancel()
	}
	x.span.SetStatus(x.status)
	x.span.End(x.err)
}
