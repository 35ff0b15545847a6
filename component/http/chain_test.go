package http_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
)

// transcript collects what happens, in order.
type transcript []string

// middleware notes when it is made, entered and left.
func (tr *transcript) middleware(name string) phttp.MiddlewareFunc {
	return func(next http.Handler) http.Handler {
		*tr = append(*tr, "made "+name)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			*tr = append(*tr, name)
			next.ServeHTTP(w, r)
			*tr = append(*tr, "/"+name)
		})
	}
}

func (tr *transcript) auth(ok bool) phttp.Authenticator {
	return authFunc(func(*http.Request) (bool, error) {
		*tr = append(*tr, "auth")
		return ok, nil
	})
}

func (tr *transcript) processor(context.Context, *psync.Request) (*psync.Response, error) {
	*tr = append(*tr, "processor")
	return nil, nil //nolint:nilnil // an answer without content
}

func TestTheChainIsInOrderAndMadeOnce(t *testing.T) {
	t.Parallel()
	var tr transcript
	c := newComponent(t,
		phttp.WithMiddlewares(tr.middleware("outer"), tr.middleware("inner")),
		phttp.WithRoutes(phttp.NewAuthRoute("/", http.MethodGet, tr.processor, true, tr.auth(true), tr.middleware("first"), tr.middleware("second"))))
	made := len(tr)
	tr = nil

	for range 2 {
		ask(t, c, http.MethodGet, "/", "")
	}

	once := []string{"outer", "inner", "auth", "first", "second", "processor", "/second", "/first", "/inner", "/outer"}
	if diff := cmp.Diff(append(once, once...), []string(tr)); diff != "" {
		t.Errorf("the chain (-want +got):\n%s", diff)
	}
	if made != 6 {
		t.Errorf("middlewares were made %d times, want 6: twice for the route, the outer ones also for what is unmatched", made)
	}
}

func TestMiddlewaresOfTheComponentSeeWhatIsUnmatchedButNoSystemRoute(t *testing.T) {
	t.Parallel()
	for request, want := range map[string][]string{
		"OPTIONS /":  {"cors", "/cors"}, // a preflight comes before the authenticator
		"GET /x":     {"cors", "/cors"},
		"GET /":      {"cors", "auth", "/cors"},
		"GET /ready": nil, "GET /alive": nil, "GET /metrics": nil, "HEAD /ready": nil,
	} {
		var tr transcript
		c := newComponent(t, phttp.WithMiddlewares(tr.middleware("cors")),
			phttp.WithRoutes(phttp.NewAuthRoute("/", http.MethodGet, tr.processor, true, tr.auth(false))))
		tr = nil
		method, path, _ := strings.Cut(request, " ")
		ask(t, c, method, path, "")
		if diff := cmp.Diff(want, []string(tr)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", request, diff)
		}
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		auth      phttp.Authenticator
		status    int
		challenge string
	}{
		"known":                {auth: authFunc(func(*http.Request) (bool, error) { return true, nil }), status: 204},
		"unknown":              {auth: authFunc(func(*http.Request) (bool, error) { return false, nil }), status: 401, challenge: "Bearer"},
		"error":                {auth: authFunc(func(*http.Request) (bool, error) { return true, errors.New("secret") }), status: 500},
		"error with a code":    {auth: authFunc(func(*http.Request) (bool, error) { return false, psync.NewForbiddenError("no") }), status: 403},
		"unknown, and says so": {auth: basicAuth{}, status: 401, challenge: `Basic realm="orders"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := false
			c := newComponent(t, phttp.WithRoutes(phttp.NewAuthRoute("/", http.MethodGet,
				func(context.Context, *psync.Request) (*psync.Response, error) {
					called = true
					return nil, nil //nolint:nilnil // an answer without content
				}, true, tt.auth)))

			w := ask(t, c, http.MethodGet, "/", "")

			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || called != (tt.status == 204) {
				t.Errorf("got %d, challenge %q, called %t; want %+v", w.Code, w.Header().Get("WWW-Authenticate"), called, tt)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the answer tells the error: %s", w.Body)
			}
		})
	}
}

type basicAuth struct{}

func (basicAuth) Authenticate(*http.Request) (bool, error) { return false, nil }
func (basicAuth) Challenge(*http.Request) string           { return `Basic realm="orders"` }

func TestAPanicBeforeAnythingWasWrittenIs500(t *testing.T) {
	t.Parallel()
	boom := func(http.ResponseWriter, *http.Request) { panic("boom") }
	for name, oo := range map[string][]phttp.OptionFunc{
		"processor": {phttp.WithRoutes(process(t, http.MethodGet, "/", func(context.Context, *psync.Request) (*psync.Response, error) { panic("boom") }))},
		"handler": {phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("ETag", `"x"`)
			panic("boom")
		}))},
		"middleware": {
			phttp.WithRoutes(get(t, "/", where(""))),
			phttp.WithMiddlewares(func(http.Handler) http.Handler { return http.HandlerFunc(boom) }),
		},
		"authenticator": {phttp.WithRoutes(phttp.NewAuthRoute("/", http.MethodGet, nothing, true, authFunc(func(*http.Request) (bool, error) { panic("boom") })))},
		"gate":          {phttp.WithRoutes(get(t, "/", where(""))), phttp.WithGate(func() component.State { panic("boom") })},
	} {
		o := observe(t)
		w := askIn(o, t, newComponent(t, oo...), http.MethodGet, "/", "")
		if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), "boom") {
			t.Errorf("%s: got %d %q", name, w.Code, w.Body)
		}
		if w.Header().Get("Content-Length") != "" || w.Header().Get("ETag") != "" {
			t.Errorf("%s: the header of the handler is left: %v", name, w.Header())
		}
		if log := o.lines(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "boom") ||
			!strings.Contains(log, "chain_test.go") {
			t.Errorf("%s: the log: got %q, want one line at error with the stack", name, log)
		}
		if got := o.requests("error_type", "panic", "http_response_status_code", "500"); got != 1 {
			t.Errorf("%s: the metric: got %v, want 1", name, got)
		}
		if spans := o.Spans(); len(spans) != 1 || spans[0].Description != "panic: boom" {
			t.Errorf("%s: the spans: got %+v", name, spans)
		}
	}
}

func TestAPanicInACheckIs500(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.AliveCheck(func() phttp.AliveStatus { panic("boom") }))
	if w := ask(t, c, http.MethodGet, "/alive", ""); w.Code != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", w.Code)
	}
}

func TestAPanicAfterSomethingWasWrittenCutsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := observe(t)
		s := serve(o, t, phttp.WithRoutes(
			get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half")
				_ = http.NewResponseController(w).Flush()
				panic("boom")
			}),
			get(t, "/buffered", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half")
				panic("boom")
			}),
			get(t, "/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		))

		for path, want := range map[string]string{"/": "4\r\nhalf\r\n", "/buffered": "", "/abort": ""} {
			c := s.raw(t)
			c.send(t, strings.Replace(getRequest, "/ ", path+" ", 1))
			if got := c.eof(t); !strings.HasSuffix(got, want) || want == "" && got != "" {
				t.Errorf("%s: got %q, want it to end in %q", path, got, want)
			}
		}

		if err := s.shut(); err != nil {
			t.Error(err)
		}
		if log := o.lines(); strings.Count(log, "panic: boom") != 2 || strings.Count(log, "level=ERROR") != 2 {
			t.Errorf("the log: got %q, want two panics at error, and none of the abort", log)
		}
	})
}

func TestAHandlerThatIsAskedWithoutTheComponentStillWritesErrors(t *testing.T) {
	t.Parallel()
	w := ask(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		phttp.WriteError(w, r, nil)
		phttp.WriteError(w, r, psync.NewNotFoundError("no such order"))
	}), http.MethodGet, "/", "")
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"detail":"no such order"`) {
		t.Errorf("got %d %q, want a problem with 404", w.Code, w.Body)
	}
}

func TestTheGateIsOpenedByTheState(t *testing.T) {
	t.Parallel()
	var state component.State
	o := observe(t)
	c := newComponent(t, phttp.WithRoutes(get(t, "/", where(""))), phttp.WithGate(func() component.State { return state }))
	for state = range component.States() {
		open := state >= component.Running
		w := askIn(o, t, c, http.MethodGet, "/", "")
		if got := w.Code == http.StatusOK; got != open || !open && (w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1") {
			t.Errorf("%v: got %d, Retry-After %q", state, w.Code, w.Header().Get("Retry-After"))
		}
		if w := askIn(o, t, c, http.MethodGet, "/unknown", ""); (w.Code == http.StatusNotFound) != open {
			t.Errorf("%v: an unknown path: got %d", state, w.Code)
		}
		for _, path := range []string{"/alive", "/ready", "/metrics"} {
			if w := askIn(o, t, c, http.MethodGet, path, ""); w.Code != http.StatusOK {
				t.Errorf("%v: %s: got %d, want 200", state, path, w.Code)
			}
		}
	}
	if log := o.lines(); strings.Contains(log, "level=ERROR") || !strings.Contains(log, "level=WARN") {
		t.Errorf("the log: got %q, want a refusal with Retry-After at warn", log)
	}
}

func TestWaysNotToReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := observe(t)
		s := serve(o, t, phttp.WithRoutes(
			get(t, "/nil", func(http.ResponseWriter, *http.Request) { panic(nil) }),
			get(t, "/exit", func(http.ResponseWriter, *http.Request) { runtime.Goexit() }),
		))
		c := s.raw(t)
		c.send(t, strings.Replace(getRequest, "/ ", "/nil ", 1))
		if res, _ := c.receive(t); res.StatusCode != http.StatusInternalServerError {
			t.Errorf("panic(nil): got %d, want 500", res.StatusCode)
		}
		c = s.raw(t)
		c.send(t, strings.Replace(getRequest, "/ ", "/exit ", 1))
		if got := c.eof(t); got != "" {
			t.Errorf("runtime.Goexit: got %q, want a closed connection", got)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
		o.AssertNoneOpen(t)
		if got := o.requests("error_type", "aborted"); got != 1 {
			t.Errorf("aborted requests: got %v, want 1", got)
		}
	})
}
