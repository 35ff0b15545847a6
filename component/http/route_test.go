package http_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/correlation"
	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
)

// nothing is a processor without an answer.
func nothing(context.Context, *psync.Request) (*psync.Response, error) { return nil, nil } //nolint:nilnil // an answer without content

func pass(next http.Handler) http.Handler { return next }

type authFunc func(*http.Request) (bool, error)

func (f authFunc) Authenticate(r *http.Request) (bool, error) { return f(r) }

type pointerAuth struct{}

func (*pointerAuth) Authenticate(*http.Request) (bool, error) { return true, nil }

func TestBuildRefusesBadRoutes(t *testing.T) {
	t.Parallel()
	for want, rb := range map[string]*phttp.RouteBuilder{
		"route GET : path is empty":            phttp.NewGetRouteBuilder("", nothing),
		"method is missing":                    phttp.NewRouteBuilder("/", nothing),
		"processor is nil":                     phttp.NewGetRouteBuilder("/", nil),
		"handler is nil":                       phttp.NewRawRouteBuilder("/", nil).MethodGet(),
		"route GET /h: handler is nil":         phttp.NewHandlerRouteBuilder("/h", nil).MethodGet(),
		"route GET /mux: handler is nil":       phttp.NewHandlerRouteBuilder("/mux", (*http.ServeMux)(nil)).MethodGet(),
		"middleware 2: nil":                    phttp.NewGetRouteBuilder("/", nothing).WithMiddlewares(pass, nil),
		"route GET /a: authenticator is nil":   phttp.NewGetRouteBuilder("/a", nothing).WithAuth(nil),
		"route GET /b: authenticator is nil":   phttp.NewGetRouteBuilder("/b", nothing).WithAuth((*pointerAuth)(nil)),
		"route GET /c: authenticator is nil":   phttp.NewGetRouteBuilder("/c", nothing).WithAuth(authFunc(nil)),
		"body limit 0: want at least 1":        phttp.NewGetRouteBuilder("/", nothing).WithBodyLimit(0),
		"timeout 0s: want more than 0":         phttp.NewGetRouteBuilder("/", nothing).WithTimeout(0),
		"method POST: already set to GET":      phttp.NewGetRouteBuilder("/", nothing).MethodPost(),
		`method "get": want GET`:               phttp.NewRouteBuilder("/", nothing).Method("get"),
		"invalid method":                       phttp.NewRouteBuilder("/", nothing).Method("G@T"),
		`write {id} for :id`:                   phttp.NewGetRouteBuilder("/users/:id/orders", nothing),
		`write {rest...} for *rest`:            phttp.NewGetRouteBuilder("/files/*rest", nothing),
		`path "users": want it to begin with`:  phttp.NewGetRouteBuilder("users", nothing),
		`path "GET /x": holds white space`:     phttp.NewGetRouteBuilder("GET /x", nothing),
		"bad wildcard":                         phttp.NewGetRouteBuilder("/{a", nothing),
		"duplicate wildcard name":              phttp.NewGetRouteBuilder("/{a}/{a}", nothing),
		"{...} wildcard not at end":            phttp.NewGetRouteBuilder("/{a...}/b", nothing),
		"sync: handle: nil function":           phttp.NewGetRouteBuilder("/", psync.Handle[string, string](nil)),
		"route DELETE /x: body limit -1: want": phttp.NewDeleteRouteBuilder("/x", nothing).WithBodyLimit(-1),
	} {
		route, err := rb.Build()
		if err == nil || !strings.Contains(err.Error(), want) || route != nil {
			t.Errorf("Build: got %v, %v; want no route and an error with %q", route, err, want)
		}
	}
}

func TestRoutesKeepTheirErrorsForNew(t *testing.T) {
	t.Parallel()
	for want, route := range map[string]*phttp.Route{
		"route GET /:id: path":               phttp.NewRoute("/:id", http.MethodGet, nothing, true),
		"route GET /p: processor is nil":     phttp.NewRoute("/p", http.MethodGet, nil, true),
		"route GET /a: authenticator is nil": phttp.NewAuthRoute("/a", http.MethodGet, nothing, true, nil),
		"route GET /m: middleware 1: nil":    phttp.NewRoute("/m", http.MethodGet, nothing, true, nil),
		"route  /n: method is missing":       phttp.NewRoute("/n", "", nothing, true),
	} {
		if _, err := phttp.New(phttp.WithRoutes(route)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: got %v, want an error with %q", err, want)
		}
	}
}

func TestNewRefusesRoutesThatCannotBeToldApart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		paths []string
		want  string
	}{
		"the same":             {paths: []string{"/a", "/a"}, want: "http: route GET /a: given twice"},
		"the same but in name": {paths: []string{"/{a}", "/{b}"}, want: "route GET /{b}: conflicts with GET /{a}"},
		"overlapping":          {paths: []string{"/x", "/a/{x}", "/{y}/b"}, want: "route GET /{y}/b: conflicts with GET /a/{x}"},
		"the root, spelled out": {
			paths: []string{"/", "/{$}"}, want: "route GET /{$}: given twice",
		},
		"a system route": {paths: []string{"/ready"}, want: "route GET /ready: given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var routes []*phttp.Route
			for _, path := range tt.paths {
				routes = append(routes, process(t, http.MethodGet, path, nothing))
			}
			if _, err := phttp.New(phttp.WithRoutes(routes...)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestNewRefusesAMiddlewareThatReturnsNil(t *testing.T) {
	t.Parallel()
	none := func(http.Handler) http.Handler { return nil }
	route := build(t, phttp.NewGetRouteBuilder("/x", nothing).WithMiddlewares(pass, none))
	if _, err := phttp.New(phttp.WithRoutes(route)); err == nil || !strings.Contains(err.Error(), "route GET /x: middleware 2: returned a nil handler") {
		t.Errorf("New: got %v, want an error that names route and middleware", err)
	}
	if _, err := phttp.New(phttp.WithMiddlewares(none)); err == nil || !strings.Contains(err.Error(), "component: middleware 1: returned a nil handler") {
		t.Errorf("New: got %v, want an error that names the middleware", err)
	}
}

func TestBuildersCanBeUsedAgain(t *testing.T) {
	t.Parallel()
	one := phttp.NewGetRouteBuilder("/a", nothing)
	rb := phttp.NewRoutesBuilder().Append(one)
	for range 2 {
		routes, err := rb.Build()
		if err != nil || len(routes) != 1 || routes[0].String() != "GET /a" || routes[0].Method() != http.MethodGet || routes[0].Path() != "/a" {
			t.Fatalf("Build: got %v, %v", routes, err)
		}
		newComponent(t, phttp.WithRoutesBuilder(rb))
	}
	if _, err := rb.Append(one).Build(); err == nil || !strings.Contains(err.Error(), "route GET /a: given twice") {
		t.Errorf("Build with the same route twice: got %v, want an error", err)
	}
}

func TestARouteDoesNotChangeWithItsBuilder(t *testing.T) {
	t.Parallel()
	var calls []string
	mark := func(name string) phttp.MiddlewareFunc {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls = append(calls, name)
				next.ServeHTTP(w, r)
			})
		}
	}
	rb := phttp.NewGetRouteBuilder("/", nothing).WithMiddlewares(mark("one"), mark("two"))
	route := build(t, rb)
	rb.WithMiddlewares(mark("three"))

	ask(t, newComponent(t, phttp.WithRoutes(route)), http.MethodGet, "/", "")

	if diff := cmp.Diff([]string{"one", "two"}, calls); diff != "" {
		t.Errorf("middlewares (-want +got):\n%s", diff)
	}
}

// where answers with the name of the route and its parameters.
func where(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s%s", name, r.PathValue("id"), r.PathValue("rest"))
	}
}

func TestRouting(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.WithRoutes(
		get(t, "/", where("root")),
		get(t, "/users/{id}", where("user")),
		build(t, phttp.NewRawRouteBuilder("/users/{id}", where("put")).MethodPut()),
		get(t, "/users/me", where("me")),
		get(t, "/static/", where("static")),
		get(t, "/files/{rest...}", where("files")),
		build(t, phttp.NewRawRouteBuilder("/own", where("own")).MethodOptions()),
		build(t, phttp.NewRawRouteBuilder("/purge", where("purge")).Method("PURGE")),
		get(t, "api.example.com/", where("host")),
	))
	for request, want := range map[string]struct {
		status int
		body   string
		allow  string
		other  string // Location
	}{
		"GET /":                      {status: 200, body: "root "},
		"HEAD /":                     {status: 200, body: "root "},
		"GET /users/4711":            {status: 200, body: "user 4711"},
		"GET /users/a%2Fb":           {status: 200, body: "user a/b"},
		"PUT /users/4711":            {status: 200, body: "put 4711"},
		"GET /users/me":              {status: 200, body: "me "},
		"GET /static/a/b":            {status: 200, body: "static "},
		"GET /files/a/b":             {status: 200, body: "files a/b"},
		"GET /nowhere":               {status: 404},
		"GET /users/":                {status: 404},
		"GET /users/1/2":             {status: 404},
		"DELETE /users/4711":         {status: 405, allow: "GET, HEAD, OPTIONS, PUT"},
		"BREW /users/4711":           {status: 405, allow: "GET, HEAD, OPTIONS, PUT"},
		"GET /purge":                 {status: 405, allow: "OPTIONS, PURGE"},
		"PURGE /purge":               {status: 200, body: "purge "},
		"OPTIONS /users/4711":        {status: 204, allow: "GET, HEAD, OPTIONS, PUT"},
		"OPTIONS /nowhere":           {status: 404},
		"OPTIONS /own":               {status: 200, body: "own "},
		"POST /ready":                {status: 405, allow: "GET, HEAD, OPTIONS"},
		"GET /static":                {status: 307, other: "/static/"},
		"POST /static":               {status: 405, allow: "GET, HEAD, OPTIONS"},
		"GET //users/../users/4711":  {status: 307, other: "/users/4711"},
		"GET //evil.example/..":      {status: 307, other: "/"},
		"GET /users/4711?x=/../":     {status: 200, body: "user 4711"},
		"OPTIONS *":                  {status: 204, allow: "GET, HEAD, OPTIONS, PURGE, PUT"},
		"GET *":                      {status: 400},
		"GET http://api.example.com": {status: 307, other: "/"},
	} {
		method, target, _ := strings.Cut(request, " ")
		w := ask(t, c, method, target, "")
		if w.Code != want.status || want.body != "" && w.Body.String() != want.body || w.Header().Get("Allow") != want.allow ||
			w.Header().Get("Location") != want.other {
			t.Errorf("%s: got %d %q, Allow %q, Location %q; want %+v", request, w.Code, w.Body, w.Header().Get("Allow"), w.Header().Get("Location"), want)
		}
		if id := w.Header().Get(correlation.HeaderID); len(id) != 32 {
			t.Errorf("%s: X-Correlation-Id: got %q, want a new one", request, id)
		}
	}
	if w := ask(t, c, http.MethodGet, "http://api.example.com/x", ""); w.Body.String() != "host " {
		t.Errorf("a route with a host: got %d %q", w.Code, w.Body)
	}
}

func FuzzPathsNeverPanic(f *testing.F) {
	for _, path := range []string{"", "/", "/{a}", "/:id", "/*", "{", "/{a...}/", "a.b/c", "/{$}", "/%zz", "/é", "//", "/a/{b}/{b}"} {
		f.Add("GET", path)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		route, err := phttp.NewRouteBuilder(path, nothing).Method(method).Build()
		if err != nil {
			return
		}
		if _, err := phttp.New(phttp.WithRoutes(route)); err != nil && !strings.Contains(err.Error(), "given twice") {
			t.Errorf("Build accepts %s %q, New refuses it: %v", method, path, err)
		}
	})
}
