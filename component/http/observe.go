package http

import (
	"context"
	"net"
	"net/http"
	"strings"
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
	request   http.Request // with the context of the exchange
	span      trace.Span
	context   context.Context    //nolint:containedctx // what the request carries; exchangeContext adds the exchange
	body      *body              // nil: the request has none
	cancel    context.CancelFunc // of the deadline of the route; nil: none

	id          [1]string // the value of X-Correlation-Id, here so that the header needs no memory of its own
	contentType [1]string // the same for Content-Type
	noSniff     [1]string // the same for X-Content-Type-Options

	began    bool  // an endpoint has taken the request
	returned bool  // the handler has returned
	wrote    bool  // the header of the answer is out
	hijacked bool  // the connection is the handler's
	status   int16 // of the answer, 0: none yet
	written  int16 // bytes of the body of the answer, counted up to one more than buffered: then the header has been sent
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
	x := &exchange{rw: w, component: rt.component, context: r.Context()}
	// The copy gets its place in the exchange, and its context before that is complete: a second copy for the handler would cost as much as all of the exchange.
	x.request = *r.WithContext((*exchangeContext)(x))
	defer x.end(r)
	if r.RequestURI == "*" { // which the mux refuses
		rt.fallback.ServeHTTP(x, &x.request)
	} else {
		rt.mux.ServeHTTP(x, &x.request)
	}
	x.returned = true
}

// begin starts the observation of a request.
func (x *exchange) begin(e *endpoint) {
	x.began = true
	r := &x.request
	x.context = x.span.Begin(x.context, trace.Unit{Op: e.opFor(r.Method), In: trace.HeaderCarrier(r.Header), Describer: (*description)(r)})
	x.id[0] = correlation.IDFromContext(x.context)
	x.rw.Header()[correlation.HeaderID] = x.id[:]
	if e.timeout > 0 {
		x.context, x.cancel = context.WithTimeout(x.context, e.timeout)
	}
	if r.Body != nil && r.Body != http.NoBody {
		x.body = newBody(x, r, e)
		r.Body = x.body
	}
}

// description is what is worth knowing about one request alone.
type description http.Request

// AppendAttributes is asked if the span is recorded. The version of the protocol is only said if it is not the usual one: it would be the ninth attribute of
// the span, and with up to eight a sampled request takes a fifth less time, because the SDK looks for duplicates in a map that then needs no table.
func (r *description) AppendAttributes(attrs []attribute.KeyValue) []attribute.KeyValue {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	attrs = append(attrs, trace.URLPath(r.URL.Path), trace.URLScheme(scheme), trace.ClientAddress(client))
	if agent := (*http.Request)(r).UserAgent(); agent != "" {
		attrs = append(attrs, trace.UserAgent(agent))
	}
	if version, ok := strings.CutPrefix(r.Proto, "HTTP/"); ok && version != "1.1" {
		attrs = append(attrs, trace.ProtocolVersion(version))
	}
	return attrs
}

// close ends the observation.
func (x *exchange) close() {
	if x.cancel != nil {
		x.cancel()
	}
	x.span.SetStatus(int(x.status))
	x.span.End(x.err)
}
