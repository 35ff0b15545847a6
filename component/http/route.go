package http

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	psync "github.com/beatlabs/patron/sync"
)

// Route is a method, a path and what answers there. Make it with [NewRoute], [NewAuthRoute] or a [RouteBuilder]. It does not change, and may be given to
// several components.
type Route struct {
	method      string
	path        string // as it was given: the name of the route in traces and metrics
	pattern     string // for http.ServeMux
	proc        psync.ProcessorFunc
	handler     http.Handler // instead of proc
	traced      bool
	auth        Authenticator
	middlewares []MiddlewareFunc
	bodyLimit   int64 // 0: the default
	timeout     time.Duration
	err         error // reported by New
}

// NewRoute returns a route for a processor. With trace, requests are traced and counted; without, they are only counted. What is wrong with the arguments is
// reported by [New]; see [NewRouteBuilder] for a route that reports it itself, and has more settings.
func NewRoute(path, method string, proc psync.ProcessorFunc, trace bool, mm ...MiddlewareFunc) *Route {
	rb := NewRouteBuilder(path, proc).WithTrace(trace).WithMiddlewares(mm...).Method(method)
	return rb.route()
}

// NewAuthRoute is [NewRoute] with an authenticator, which is asked before the middlewares mm.
func NewAuthRoute(path, method string, proc psync.ProcessorFunc, trace bool, auth Authenticator, mm ...MiddlewareFunc) *Route {
	rb := NewRouteBuilder(path, proc).WithTrace(trace).WithAuth(auth).WithMiddlewares(mm...).Method(method)
	return rb.route()
}

// Method returns the method.
func (r *Route) Method() string { return r.method }

// Path returns the path as it was given, which is the name of the route in traces and metrics.
func (r *Route) Path() string { return r.path }

// String returns method and path: "GET /orders/{invoice}".
func (r *Route) String() string { return r.method + " " + r.path }

// muxPattern returns what http.ServeMux calls the route, or what is wrong with it.
func muxPattern(method, path string) (string, error) {
	var errs []error
	switch {
	case method == "":
		errs = append(errs, errors.New("method is missing"))
	case method != strings.ToUpper(method):
		errs = append(errs, fmt.Errorf("method %q: want %s, since methods are case-sensitive", method, strings.ToUpper(method)))
	default:
	}
	if err := checkPath(path); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	if path == "/" {
		path = "/{$}"
	}
	pattern := method + " " + path
	if err := register(http.NewServeMux(), pattern, http.NotFoundHandler()); err != nil {
		return "", err
	}
	return pattern, nil
}

func checkPath(path string) error {
	if path == "" {
		return errors.New("path is empty")
	}
	if strings.ContainsAny(path, " \t\r\n") {
		return fmt.Errorf("path %q: holds white space", path)
	}
	if !strings.Contains(path, "/") {
		return fmt.Errorf("path %q: want it to begin with a slash", path)
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case strings.HasPrefix(segment, ":"):
			return fmt.Errorf("path %q: write {%s} for %s", path, segment[1:], segment)
		case strings.HasPrefix(segment, "*"):
			return fmt.Errorf("path %q: write {%s...} for %s", path, segment[1:], segment)
		default:
		}
	}
	return nil
}

// register is mux.Handle with an error instead of its panic, which is how http.ServeMux reports a bad pattern and a conflict.
func register(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	mux.Handle(pattern, h)
	return nil
}

// pathNames returns the names of the wildcards of a path.
func pathNames(path string) []string {
	var names []string
	for segment := range strings.SplitSeq(path, "/") {
		name, ok := strings.CutPrefix(segment, "{")
		name, closed := strings.CutSuffix(name, "}")
		if name = strings.TrimSuffix(name, "..."); ok && closed && name != "$" {
			names = append(names, name)
		}
	}
	return names
}

// isNil also finds the nil pointer, function or map inside an interface.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan, reflect.Interface:
		return r.IsNil()
	default:
		return false
	}
}
