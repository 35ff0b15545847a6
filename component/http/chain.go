package http

import (
	"fmt"
	"net/http"
	"slices"
)

// MiddlewareFunc wraps a handler. It is called once, when the component is made; what it returns is called for every request. A wrapper of the ResponseWriter
// needs a method Unwrap() http.ResponseWriter, or streams and deadlines end there.
type MiddlewareFunc func(next http.Handler) http.Handler

// wrap puts middlewares around h, the first one outermost. A middleware that returns nil is an error, since it would panic with the first request.
func wrap(h http.Handler, mm []MiddlewareFunc) (http.Handler, error) {
	for i, m := range slices.Backward(mm) {
		if m == nil {
			continue // reported with the option
		}
		if h = m(h); isNil(h) {
			return nil, fmt.Errorf("middleware %d: returned a nil handler", i+1)
		}
	}
	return h, nil
}

// chain puts everything but observation and recovery around the handler of a route.
func (c *Component) chain(r *Route) (http.Handler, error) {
	h := r.handler
	if h == nil {
		h = newProcessor(r, c.config.codecs)
	}
	h, err := wrap(h, r.middlewares)
	if err != nil {
		return nil, err
	}
	if r.auth != nil {
		h = authenticated(r.auth, h)
	}
	if h, err = wrap(h, c.config.middlewares); err != nil {
		return nil, fmt.Errorf("component: %w", err)
	}
	return h, nil
}

// guarded puts what guards a whole component around an endpoint.
func (c *Component) guarded(h http.Handler) http.Handler {
	if c.config.guard == nil || h == nil {
		return h
	}
	return c.config.guard(h)
}
