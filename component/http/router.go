package http

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/beatlabs/patron/component"
	psync "github.com/beatlabs/patron/sync"
	"github.com/beatlabs/patron/trace"
)

// unmatched is the name in traces and metrics of everything that no route takes.
const unmatched = "unmatched"

// router finds the endpoint of a request.
type router struct {
	component *Component
	mux       *http.ServeMux
	fallback  *endpoint
	methods   []string // of all routes
	names     []string // of all routes, in the order in which they were added
}

// newRouter registers the routes of the component, and joins what is wrong with them.
func newRouter(c *Component) (*router, error) {
	rt := &router{component: c, mux: http.NewServeMux()}
	var errs []error
	fallback, err := wrap(http.HandlerFunc(rt.serveUnmatched), c.config.middlewares)
	if err != nil {
		errs = append(errs, fmt.Errorf("component: %w", err))
		c.config.middlewares = nil // said once is enough
	}
	for path, h := range map[string]http.HandlerFunc{"/alive": c.serveAlive, "/ready": c.serveReady, "/metrics": serveMetrics} {
		e := &endpoint{op: newOp(http.MethodGet, path, false), head: newOp(http.MethodHead, path, false), method: http.MethodGet, next: c.guarded(h)}
		errs = append(errs, rt.add(http.MethodGet+" "+path, http.MethodGet+" "+path, e))
	}
	slices.Sort(rt.names)
	for i, r := range c.config.routes {
		if err := rt.addRoute(i, r); err != nil {
			errs = append(errs, err)
		}
	}
	slices.Sort(rt.methods)
	rt.methods = slices.Compact(rt.methods)
	rt.fallback = &endpoint{ops: methodOps(), op: newOp("", unmatched, true), next: c.guarded(fallback), gate: c.config.gate}
	rt.mux.Handle("/", rt.fallback)
	return rt, errors.Join(errs...)
}

// addRoute registers route i of the options.
func (rt *router) addRoute(i int, r *Route) error {
	if r == nil {
		return fmt.Errorf("route %d: nil", i+1)
	}
	if r.err != nil {
		return r.err
	}
	next, err := rt.component.chain(r)
	if err != nil {
		return fmt.Errorf("route %v: %w", r, err)
	}
	e := &endpoint{
		op: newOp(r.method, r.path, r.traced), method: r.method, next: rt.component.guarded(next),
		gate: rt.component.config.gate, bodyLimit: r.bodyLimit, timeout: r.timeout, whole: r.handler == nil,
	}
	if r.method == http.MethodGet {
		e.head = newOp(http.MethodHead, r.path, r.traced)
	}
	if e.whole && e.bodyLimit == 0 {
		e.bodyLimit = rt.component.config.bodyLimit
	}
	return rt.add(r.pattern, r.String(), e)
}

// add registers an endpoint, and names the other route if it cannot be told from one.
func (rt *router) add(pattern, name string, e *endpoint) error {
	err := register(rt.mux, pattern, e)
	if err == nil {
		rt.names = append(rt.names, name)
		rt.methods = append(rt.methods, e.method)
		return nil
	}
	for _, other := range rt.names {
		method, path, _ := strings.Cut(other, " ")
		otherPattern, _ := muxPattern(method, path)
		mux := http.NewServeMux()
		if register(mux, otherPattern, e) != nil || register(mux, pattern, e) == nil {
			continue
		}
		if otherPattern == pattern {
			return fmt.Errorf("route %s: given twice", name)
		}
		return fmt.Errorf("route %s: conflicts with %s: some paths match both, and neither is more specific", name, other)
	}
	return fmt.Errorf("route %s: %w", name, err)
}

// newOp returns the kind of work that a route does.
func newOp(method, name string, traced bool) *trace.Op {
	attr := trace.HTTPMethod(method)
	if method == "" { // any that nobody knows
		attr = trace.HTTPMethod("_OTHER")
		method = "HTTP"
	}
	op := trace.NewOp(trace.HTTPServer, method+" "+name, attr, trace.HTTPRoute(name))
	if !traced {
		op.WithoutSpan()
	}
	return op
}

// methodOps returns the kinds of work for what no route takes.
func methodOps() map[string]*trace.Op {
	ops := make(map[string]*trace.Op)
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions,
		http.MethodTrace,
	} {
		ops[method] = newOp(method, unmatched, true)
	}
	return ops
}

// endpoint is where a pattern leads: what is known about all its requests, and the rest of the chain.
type endpoint struct {
	method    string
	op        *trace.Op            // for method
	head      *trace.Op            // for HEAD on a route for GET
	ops       map[string]*trace.Op // of the fallback, by method; op is then for all others
	next      http.Handler
	gate      func() component.State // nil: always open
	bodyLimit int64                  // 0: none
	timeout   time.Duration          // 0: none
	whole     bool                   // the body is read as a whole before there is an answer
}

func (e *endpoint) opFor(method string) *trace.Op {
	if method == e.method {
		return e.op
	}
	if e.head != nil {
		return e.head
	}
	if op, ok := e.ops[method]; ok {
		return op
	}
	return e.op
}

// ServeHTTP is called by the mux with an exchange that has not begun.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, ok := w.(*exchange)
	if !ok { // cannot be: only the router calls the mux
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	x.begin(e)
	if e.gate != nil && e.gate() < component.Running {
		x.fail(x, r, &psync.Error{Code: psync.Unavailable, Message: "the service is starting", RetryAfter: time.Second})
		return
	}
	if e.bodyLimit > 0 && r.ContentLength > e.bodyLimit {
		x.Header().Set("Connection", "close")
		x.fail(x, r, &http.MaxBytesError{Limit: e.bodyLimit})
		return
	}
	e.next.ServeHTTP(x, r)
}

// serveUnmatched answers what no route takes: OPTIONS with what is allowed, a method that is not with 405, a path that does not exist with 404.
func (rt *router) serveUnmatched(w http.ResponseWriter, r *http.Request) {
	allowed := rt.allowed(r)
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
	}
	switch {
	case r.Method == http.MethodOptions && len(allowed) > 0:
		w.WriteHeader(http.StatusNoContent)
	case r.RequestURI == "*":
		writeProblem(w, r, problem{status: http.StatusBadRequest, detail: "only OPTIONS can ask for *"})
	case len(allowed) > 0:
		writeProblem(w, r, problem{status: http.StatusMethodNotAllowed})
	default:
		writeProblem(w, r, problem{status: http.StatusNotFound})
	}
}

// allowed returns the methods that the path of r has routes for.
func (rt *router) allowed(r *http.Request) []string {
	var methods []string
	probe := r.WithContext(r.Context()) // a copy
	for _, method := range rt.methods {
		probe.Method = method
		if r.RequestURI == "*" && r.Method == http.MethodOptions {
			methods = append(methods, method)
		} else if _, pattern := rt.mux.Handler(probe); pattern != "" && pattern != "/" && r.RequestURI != "*" {
			methods = append(methods, method)
		}
	}
	if len(methods) == 0 {
		return nil
	}
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	methods = append(methods, http.MethodOptions)
	slices.Sort(methods)
	return slices.Compact(methods)
}
