package http

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	psync "github.com/beatlabs/patron/sync"
)

// RouteBuilder makes a [Route]. Its methods change it and return it; what they are given is checked by [RouteBuilder.Build]. It must not be used concurrently.
type RouteBuilder struct {
	r    Route
	errs []error
}

// NewRouteBuilder returns a builder for a processor. The route needs a method, is traced, and has no authenticator, no deadline and the default body limit.
func NewRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	rb := &RouteBuilder{r: Route{path: path, proc: proc, traced: true}}
	if proc == nil {
		rb.fail(errors.New("processor is nil"))
	} else if err := psync.Check(proc); err != nil {
		rb.fail(err)
	}
	return rb
}

// NewRawRouteBuilder returns a builder for a function that answers as it likes. The route needs a method, is traced, and has no authenticator, no deadline and
// no body limit.
func NewRawRouteBuilder(path string, handler http.HandlerFunc) *RouteBuilder {
	if handler == nil {
		return NewHandlerRouteBuilder(path, nil)
	}
	return NewHandlerRouteBuilder(path, handler)
}

// NewHandlerRouteBuilder is [NewRawRouteBuilder] for an http.Handler: a file server, a proxy, another mux.
func NewHandlerRouteBuilder(path string, handler http.Handler) *RouteBuilder {
	rb := &RouteBuilder{r: Route{path: path, handler: handler, traced: true}}
	if isNil(handler) {
		rb.fail(errors.New("handler is nil"))
	}
	return rb
}

// NewGetRouteBuilder is [NewRouteBuilder] with the method GET, which answers HEAD, too.
func NewGetRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodGet()
}

// NewHeadRouteBuilder is [NewRouteBuilder] with the method HEAD.
func NewHeadRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodHead()
}

// NewPostRouteBuilder is [NewRouteBuilder] with the method POST.
func NewPostRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodPost()
}

// NewPutRouteBuilder is [NewRouteBuilder] with the method PUT.
func NewPutRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodPut()
}

// NewPatchRouteBuilder is [NewRouteBuilder] with the method PATCH.
func NewPatchRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodPatch()
}

// NewDeleteRouteBuilder is [NewRouteBuilder] with the method DELETE.
func NewDeleteRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodDelete()
}

// NewConnectRouteBuilder is [NewRouteBuilder] with the method CONNECT.
func NewConnectRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodConnect()
}

// NewOptionsRouteBuilder is [NewRouteBuilder] with the method OPTIONS, instead of the answer that every path has.
func NewOptionsRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodOptions()
}

// NewTraceRouteBuilder is [NewRouteBuilder] with the method TRACE.
func NewTraceRouteBuilder(path string, proc psync.ProcessorFunc) *RouteBuilder {
	return NewRouteBuilder(path, proc).MethodTrace()
}

// Method sets the method, in upper case. It can be set once.
func (rb *RouteBuilder) Method(method string) *RouteBuilder {
	if rb.r.method != "" {
		return rb.fail(fmt.Errorf("method %s: already set to %s", method, rb.r.method))
	}
	rb.r.method = method
	return rb
}

// MethodGet sets the method GET, which answers HEAD, too.
func (rb *RouteBuilder) MethodGet() *RouteBuilder { return rb.Method(http.MethodGet) }

// MethodHead sets the method HEAD.
func (rb *RouteBuilder) MethodHead() *RouteBuilder { return rb.Method(http.MethodHead) }

// MethodPost sets the method POST.
func (rb *RouteBuilder) MethodPost() *RouteBuilder { return rb.Method(http.MethodPost) }

// MethodPut sets the method PUT.
func (rb *RouteBuilder) MethodPut() *RouteBuilder { return rb.Method(http.MethodPut) }

// MethodPatch sets the method PATCH.
func (rb *RouteBuilder) MethodPatch() *RouteBuilder { return rb.Method(http.MethodPatch) }

// MethodDelete sets the method DELETE.
func (rb *RouteBuilder) MethodDelete() *RouteBuilder { return rb.Method(http.MethodDelete) }

// MethodConnect sets the method CONNECT.
func (rb *RouteBuilder) MethodConnect() *RouteBuilder { return rb.Method(http.MethodConnect) }

// MethodOptions sets the method OPTIONS.
func (rb *RouteBuilder) MethodOptions() *RouteBuilder { return rb.Method(http.MethodOptions) }

// MethodTrace sets the method TRACE.
func (rb *RouteBuilder) MethodTrace() *RouteBuilder { return rb.Method(http.MethodTrace) }

// WithTrace says whether requests are traced; without an argument they are, which is the default. What is not traced is still counted.
func (rb *RouteBuilder) WithTrace(on ...bool) *RouteBuilder {
	rb.r.traced = len(on) == 0 || on[len(on)-1]
	return rb
}

// WithMiddlewares adds middlewares for this route alone, inside the authenticator; the first is the outermost.
func (rb *RouteBuilder) WithMiddlewares(mm ...MiddlewareFunc) *RouteBuilder {
	if err := checkMiddlewares(mm); err != nil {
		return rb.fail(err)
	}
	rb.r.middlewares = append(rb.r.middlewares, mm...)
	return rb
}

// WithAuth sets the authenticator, which is asked before the middlewares of the route. Default: none.
func (rb *RouteBuilder) WithAuth(auth Authenticator) *RouteBuilder {
	if isNil(auth) {
		return rb.fail(errors.New("authenticator is nil"))
	}
	rb.r.auth = auth
	return rb
}

// WithBodyLimit sets how many bytes the body of a request may have, also for a raw handler. A request that announces more is answered with 413, and reading
// more gives an *http.MaxBytesError. Default: that of the component for processors, none for raw handlers.
func (rb *RouteBuilder) WithBodyLimit(n int64) *RouteBuilder {
	if err := checkBodyLimit(n); err != nil {
		return rb.fail(err)
	}
	rb.r.bodyLimit = n
	return rb
}

// WithTimeout sets the deadline of the context of a request, counted from its header. Nothing is cut: who works with the context gives up, and a processor that
// returns its error is answered with 504. Default: none.
func (rb *RouteBuilder) WithTimeout(d time.Duration) *RouteBuilder {
	if d <= 0 {
		return rb.fail(fmt.Errorf("timeout %v: want more than 0", d))
	}
	rb.r.timeout = d
	return rb
}

// Build returns a new route, or joins all that is wrong with it. It changes nothing, so it may be called again.
func (rb *RouteBuilder) Build() (*Route, error) {
	r := rb.route()
	if r.err != nil {
		return nil, r.err
	}
	return r, nil
}

// route returns a new route, with its error inside.
func (rb *RouteBuilder) route() *Route {
	r := rb.r
	r.middlewares = slices.Clone(rb.r.middlewares)
	pattern, err := muxPattern(r.method, r.path)
	r.pattern = pattern
	if err := errors.Join(append([]error{err}, rb.errs...)...); err != nil {
		r.err = fmt.Errorf("route %v: %w", &r, err)
	}
	return &r
}

func (rb *RouteBuilder) fail(err error) *RouteBuilder {
	rb.errs = append(rb.errs, err)
	return rb
}

// RoutesBuilder collects route builders. The zero value is empty. It must not be used concurrently.
type RoutesBuilder struct{ builders []*RouteBuilder }

// NewRoutesBuilder returns an empty builder.
func NewRoutesBuilder() *RoutesBuilder { return new(RoutesBuilder) }

// Append adds builders and returns rb. A nil one is an error of Build.
func (rb *RoutesBuilder) Append(bb ...*RouteBuilder) *RoutesBuilder {
	rb.builders = append(rb.builders, bb...)
	return rb
}

// Build returns a new route of every builder, or joins what is wrong with them; the same method and path twice is an error, too. It changes nothing, so it may
// be called again.
func (rb *RoutesBuilder) Build() ([]*Route, error) {
	var errs []error
	routes := make([]*Route, 0, len(rb.builders))
	for i, b := range rb.builders {
		if b == nil {
			errs = append(errs, fmt.Errorf("route builder %d: nil", i+1))
			continue
		}
		route, err := b.Build()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if slices.ContainsFunc(routes, func(r *Route) bool { return r.pattern == route.pattern }) {
			errs = append(errs, fmt.Errorf("route %v: given twice", route))
			continue
		}
		routes = append(routes, route)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return routes, nil
}
