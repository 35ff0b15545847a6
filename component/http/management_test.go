package http_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
	psync "github.com/beatlabs/patron/sync"
)

func newManagement(tb testing.TB, oo ...phttp.OptionFunc) *phttp.Management {
	tb.Helper()
	m, err := phttp.NewManagement(oo...)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// askLocal sends a request as an operator on the same machine does.
func askLocal(tb testing.TB, h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	tb.Helper()
	return ask(tb, h, method, "http://localhost:51000"+path, body, header...)
}

func TestManagementServesProfiles(t *testing.T) {
	t.Parallel()
	m := newManagement(t)
	for path, want := range map[string]string{
		"/debug/pprof/":                  "Types of profiles available",
		"/debug/pprof/cmdline":           "http.test",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/allocs?debug=1":    "heap profile",
		"/debug/pprof/heap?debug=1":      "heap profile",
		"/debug/pprof/block?debug=1":     "cycles/second",
		"/debug/pprof/mutex?debug=1":     "cycles/second",
		"/debug/pprof/threadcreate":      "",
		"/debug/pprof/symbol":            "num_symbols",
		"/alive":                         "alive",
		"/ready":                         "ready",
		"/metrics":                       "go_goroutines",
	} {
		if w := askLocal(t, m, http.MethodGet, path, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %.100q, want %q", path, w.Code, w.Body, want)
		}
	}
	if w := askLocal(t, m, http.MethodPost, "/debug/pprof/symbol", "0x1"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "num_symbols") {
		t.Errorf("POST symbol: got %d %q", w.Code, w.Body)
	}
	for _, path := range []string{"/info", "/log/level", "/debug/pprof/none"} {
		if w := askLocal(t, m, http.MethodGet, path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
}

func TestAProfileMayTakeLongerThanAWrite(t *testing.T) {
	t.Parallel()
	m := newManagement(t, phttp.WithAddress("127.0.0.1:0"), phttp.WithWriteTimeout(10*time.Millisecond), phttp.WithReadTimeout(10*time.Millisecond))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	client := newClient(t)
	if res, body := fetch(t, client, "http://"+m.Addr().String()+"/debug/pprof/trace?seconds=0.2"); res.StatusCode != http.StatusOK || body == "" {
		t.Errorf("got %d and %d bytes, want a trace", res.StatusCode, len(body))
	}
	client.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestManagementServesInfo(t *testing.T) {
	t.Parallel()
	m := newManagement(t, phttp.WithInfo(func() map[string]any { return map[string]any{"name": "orders"} }))
	w := askLocal(t, m, http.MethodGet, "/info", "")
	if w.Code != http.StatusOK || w.Body.String() != "{\"name\":\"orders\"}\n" || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	m = newManagement(t, phttp.WithInfo(func() map[string]any { return map[string]any{"secret": func() {}} }))
	if w := askLocal(t, m, http.MethodGet, "/info", ""); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "func") {
		t.Errorf("what cannot be encoded: got %d %q, want 500", w.Code, w.Body)
	}
}

func TestManagementChangesTheLogLevel(t *testing.T) {
	t.Parallel()
	level := plog.NewLevelVar(plog.InfoLevel)
	m := newManagement(t, phttp.WithLogLevel(level.Level, func(l plog.Level) error {
		if l == plog.PanicLevel {
			return psync.NewError(psync.FailedPrecondition, "not that")
		}
		if l == plog.FatalLevel {
			return errors.New("secret")
		}
		level.SetLevel(l)
		return nil
	}))
	for _, tt := range []struct {
		method, body string
		status       int
		answer       string
	}{
		{method: http.MethodGet, status: 200, answer: `{"level":"info"}`},
		{method: http.MethodPut, body: "debug", status: 200, answer: `{"level":"debug"}`},
		{method: http.MethodPut, body: " WARN\n", status: 200, answer: `{"level":"warn"}`},
		{method: http.MethodPut, body: `{"level":"Error"}`, status: 200, answer: `{"level":"error"}`},
		{method: http.MethodPut, body: "loud", status: 400, answer: "want debug, info"},
		{method: http.MethodPut, body: "", status: 400, answer: "want debug, info"},
		{method: http.MethodPut, body: `{"level":`, status: 400, answer: "malformed JSON"},
		{method: http.MethodPut, body: "panic", status: 400, answer: "not that"},
		{method: http.MethodPut, body: "fatal", status: 500, answer: "Internal Server Error"},
		{method: http.MethodGet, status: 200, answer: `{"level":"error"}`},
		{method: http.MethodPost, body: "debug", status: 405},
	} {
		w := askLocal(t, m, tt.method, "/log/level", tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.answer) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s %q: got %d %q, want %d %q", tt.method, tt.body, w.Code, w.Body, tt.status, tt.answer)
		}
	}
}

func TestManagementAnswersOnlyThisMachine(t *testing.T) {
	t.Parallel()
	m := newManagement(t, phttp.WithRoutes(get(t, "/x", where("x"))))
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:1": 200, "127.0.0.1": 200, "127.0.0.1:51000": 200, "[::1]": 200, "[::1]:51000": 200,
		"example.com": 403, "localhost.example.com": 403, "127.0.0.1.example.com:51000": 403, "10.0.0.1:51000": 403, "": 403, "[::2]": 403,
	} {
		for _, path := range []string{"/x", "/debug/pprof/cmdline", "/metrics", "/ready"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			m.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("host %q, %s: got %d, want %d", host, path, w.Code, want)
			}
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/unknown", nil)
		r.Host = host
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		if (w.Code == http.StatusForbidden) != (want == 403) {
			t.Errorf("host %q, an unknown path: got %d", host, w.Code)
		}
	}
}

func TestManagementRefusesWritesFromOtherOrigins(t *testing.T) {
	t.Parallel()
	level := plog.NewLevelVar(plog.InfoLevel)
	m := newManagement(t, phttp.WithLogLevel(level.Level, func(l plog.Level) error {
		level.SetLevel(l)
		return nil
	}))
	for name, tt := range map[string]struct {
		header []string
		status int
	}{
		"not a browser":      {status: 200},
		"the same origin":    {header: []string{"Sec-Fetch-Site", "same-origin"}, status: 200},
		"another site":       {header: []string{"Sec-Fetch-Site", "cross-site"}, status: 403},
		"an old browser":     {header: []string{"Origin", "http://localhost:51000"}, status: 200},
		"an old browser, no": {header: []string{"Origin", "http://example.com"}, status: 403},
	} {
		w := askLocal(t, m, http.MethodPut, "/log/level", "debug", tt.header...)
		if w.Code != tt.status {
			t.Errorf("%s: got %d %q, want %d", name, w.Code, w.Body, tt.status)
		}
		if tt.status == 403 {
			readProblem(t, w)
		}
	}
}

func TestManagementIsNotTraced(t *testing.T) {
	t.Parallel()
	o := observe(t)
	askIn(o, t, newManagement(t), http.MethodGet, "http://localhost/debug/pprof/cmdline", "")
	if spans := o.Spans(); len(spans) != 0 || o.requests("http_route", "/debug/pprof/cmdline") != 1 {
		t.Errorf("got %d spans, %v requests, want none and 1", len(spans), o.requests())
	}
}

func TestManagementTakesAFreePortUnlessItWasToldWhich(t *testing.T) {
	t.Parallel()
	taken := newComponent(t, phttp.WithAddress("127.0.0.1:0"))
	if err := taken.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer unwind(t, taken)
	address := taken.Addr().String()

	if err := newManagement(t, phttp.WithAddress(address)).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "management: listen on "+address) {
		t.Errorf("Start on a port that is taken: got %v, want an error that names it", err)
	}
	m := newManagement(t, phttp.WithAddress(address), phttp.WithFreePort())
	if err := m.Start(observe(t)); err != nil {
		t.Fatal(err)
	}
	unwind(t, m)
}

func TestTwoManagementListenersByDefault(t *testing.T) {
	t.Parallel()
	o := observe(t)
	one, two := newManagement(t), newManagement(t)
	for _, m := range []*phttp.Management{one, two} {
		if err := m.Start(o); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(m.Addr().String(), "127.0.0.1:") {
			t.Errorf("Addr: got %v, want the loopback interface", m.Addr())
		}
	}
	unwind(t, one)
	unwind(t, two)
}

func TestManagementIsStoppedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory()
		m := newManagement(t, phttp.WithListen(mem.listen), phttp.WithRoutes(get(t, "/wait", func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		})))
		s := &serving{Component: m.Component, mem: mem}
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		idle, busy := s.raw(t), s.raw(t)
		idle.send(t, strings.Replace(getRequest, "example.com", "localhost", 1))
		idle.receive(t)
		busy.send(t, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
		synctest.Wait()
		begin := time.Now()
		stop()

		busy.receive(t)

		if err := <-done; err != nil || time.Since(begin) != 0 {
			t.Errorf("Run returned after %v with %v, want at once with nil", time.Since(begin), err)
		}
	})
}

func TestAHandlerThatHoldsTheManagementUpIsNoError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory()
		m := newManagement(t, phttp.WithListen(mem.listen), phttp.WithRoutes(get(t, "/wait", slow(time.Minute))))
		s := &serving{Component: m.Component, mem: mem}
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		s.raw(t).send(t, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
		synctest.Wait()
		begin := time.Now()
		stop()

		if err := <-done; err != nil || time.Since(begin) > component.SettleTime+time.Second {
			t.Errorf("Run returned after %v with %v, want soon with nil", time.Since(begin), err)
		}
		time.Sleep(time.Minute) // the handler ends
	})
}

func TestNewManagementRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for want, option := range map[string]phttp.OptionFunc{
		"management: option 1: nil":                     nil,
		"management: info: nil function":                phttp.WithInfo(nil),
		"management: log level: nil function":           phttp.WithLogLevel(func() plog.Level { return 0 }, nil),
		"management: port 70000":                        phttp.WithPort(70000),
		"route GET /debug/pprof/cmdline: given twice":   phttp.WithRoutes(get(t, "/debug/pprof/cmdline", where(""))),
		"management: component: middleware 1: returned": phttp.WithMiddlewares(func(http.Handler) http.Handler { return nil }),
	} {
		if m, err := phttp.NewManagement(option); m != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewManagement: got %v, %v; want an error with %q", m, err, want)
		}
	}
}
