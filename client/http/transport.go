package http

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/trace"
	"go.opentelemetry.io/otel/attribute"
)

// Transport is an http.RoundTripper that observes its requests and carries on what they belong to. It never changes a request, never logs, and may be used
// concurrently. Make it with [NewTransport].
type Transport struct {
	base    http.RoundTripper
	targets *targets
	silent  bool
	follows bool // a Client follows redirects with it
	maxBody int64
}

var _ http.RoundTripper = (*Transport)(nil)

// NewTransport returns a Transport, or every fault of the options. It opens nothing.
func NewTransport(oo ...OptionFunc) (*Transport, error) {
	c, err := newConfig(oo)
	for _, name := range c.ofClient {
		err = errors.Join(err, fmt.Errorf("%s: a transport makes one exchange, only a client makes calls", name))
	}
	if err != nil {
		return nil, fmt.Errorf("http transport: %w", err)
	}
	return newTransport(c), nil
}

// newTransport puts the chain together, outermost first: observe → limit the body → connections. A retry and a breaker stand in front of observe, so that each
// attempt is a span of its own.
func newTransport(c *config) *Transport {
	t := &Transport{base: c.base, targets: newTargets(c.targets), silent: c.silent, maxBody: c.maxBody}
	if t.base == nil {
		t.base = newPool(c)
	}
	return t
}

// CloseIdleConnections closes the connections that are kept without use. The Transport may be used afterwards.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// call is what one exchange needs, in one piece of memory.
type call struct {
	span trace.Span
	out  outgoing
}

var (
	errPanicked = errors.New("the transport panicked")
	errNothing  = errors.New("the transport returned neither a response nor an error")
)

// RoundTrip makes one exchange. It returns when the header of the response is there; the caller closes the body. It fails only if there is no response, or one
// that is too large; a status is no failure.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil {
		return t.base.RoundTrip(req) // which knows what to say
	}
	target := t.targets.of(req.URL)
	c := new(call)
	unit := trace.Unit{Op: target.op(req.Method)}
	if crossed(req) {
		c.out.copyHarmless(req.Header)
	} else {
		c.out.copyOf(req.Header)
		if !t.silent {
			unit.Out = &c.out
		}
	}
	ctx := c.span.Begin(req.Context(), unit)
	if c.span.IsRecording() {
		c.span.SetAttributes(describe(req.URL, target)...)
	}
	sent := req.WithContext(ctx)
	sent.Header = c.out.header

	returned := false
	defer func() {
		if !returned {
			c.span.SetErrorType("panic")
			c.span.End(errPanicked)
		}
	}()
	resp, err := t.exchange(sent)
	returned = true

	if resp != nil {
		resp.Request = req
		c.span.SetStatus(resp.StatusCode)
		if c.span.IsRecording() {
			c.span.SetAttributes(trace.ProtocolVersion(strings.TrimPrefix(resp.Proto, "HTTP/")))
		}
	}
	if err != nil {
		c.span.SetErrorType(abandoned(ctx))
	}
	c.span.End(err)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// exchange is the part of the chain below observe. A response that comes with an error is closed; its status still counts.
func (t *Transport) exchange(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	switch {
	case err != nil:
		err = redacted(err)
	case resp == nil:
		return nil, errNothing
	case t.follows:
		err = redirectError(resp)
	}
	if err == nil && t.maxBody < math.MaxInt64 {
		err = limitBody(resp, req.Method, t.maxBody)
	}
	if err != nil && resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	return resp, err
}

// abandoned names the outcome of a request that failed because its context ended, since the cause of that may be any error; "" leaves it to the error. The
// deadline tells more than the error of the context: http.Client has a Timeout that cancels.
func abandoned(ctx context.Context) string {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return "timeout"
	}
	if ctx.Err() != nil {
		return "canceled"
	}
	return ""
}

// describe returns what is worth knowing about one request alone.
func describe(u *url.URL, t *target) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 3)
	attrs = append(attrs, trace.URLFull(naked(u)))
	if n, err := strconv.Atoi(port(u)); err == nil {
		attrs = append(attrs, trace.ServerPort(n))
	}
	if t.name == other {
		attrs = append(attrs, trace.ServerAddress(u.Hostname()))
	}
	return attrs
}

// naked returns u without what may be secret: user, query and fragment.
func naked(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// redacted returns err, which may be nil, without what may be secret in the URL of an error of http.Client.
func redacted(err error) error {
	e, ok := err.(*url.Error) //nolint:errorlint // what is wrapped is not ours to change
	if !ok {
		return err
	}
	u, parseErr := url.Parse(e.URL)
	if parseErr != nil {
		return &url.Error{Op: e.Op, URL: "", Err: e.Err}
	}
	return &url.Error{Op: e.Op, URL: naked(u), Err: e.Err}
}
