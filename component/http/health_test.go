package http_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/metric"
)

func TestAlive(t *testing.T) {
	t.Parallel()
	for status, want := range map[phttp.AliveStatus]struct {
		code  int
		body  string
		level string
	}{
		phttp.Alive:        {code: 200, body: "alive\n"},
		phttp.Unresponsive: {code: 503, body: "unresponsive\n", level: "level=DEBUG"},
		0:                  {code: 503, body: "unknown status 0\n", level: "level=ERROR"},
		3:                  {code: 503, body: "unknown status 3\n", level: "level=ERROR"},
	} {
		o := observe(t)
		c := newComponent(t, phttp.AliveCheck(func() phttp.AliveStatus { return status }))
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := askIn(o, t, c, method, "/alive", "")
			if w.Code != want.code || w.Body.String() != want.body || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s with %v: got %d %q, want %d %q", method, status, w.Code, w.Body, want.code, want.body)
			}
		}
		if log := o.lines(); !onlyAt(log, want.level) {
			t.Errorf("%v: the log: got %q, want %q", status, log, want.level)
		}
		if spans := o.Spans(); len(spans) != 0 || o.requests("http_route", "/alive") != 2 {
			t.Errorf("%v: got %d spans and %v requests, want none and 2", status, len(spans), o.requests())
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	checks := map[string]string{"kafka": "gone"}
	for name, tt := range map[string]struct {
		options []phttp.OptionFunc
		code    int
		text    string
		json    string
		level   string
	}{
		"nothing said": {code: 200, text: "ready\n", json: `{"status":"ready"}`},
		"check ready":  {options: []phttp.OptionFunc{readyCheck(phttp.Ready)}, code: 200, text: "ready\n", json: `{"status":"ready"}`},
		"check not ready": {
			options: []phttp.OptionFunc{readyCheck(phttp.NotReady)},
			code:    503, text: "failed\n", json: `{"status":"failed","checks":{"ready check":"not ready"}}`, level: "level=DEBUG",
		},
		"check says nonsense": {
			options: []phttp.OptionFunc{readyCheck(7)},
			code:    503, text: "failed\n", json: `{"status":"failed","checks":{"ready check":"unknown status 7"}}`, level: "level=ERROR",
		},
		"ready": {options: []phttp.OptionFunc{readiness(phttp.HealthReady, nil)}, code: 200, text: "ready\n", json: `{"status":"ready"}`},
		"degraded": {
			options: []phttp.OptionFunc{readiness(phttp.HealthDegraded, checks)},
			code:    200, text: "degraded\n", json: `{"status":"degraded","checks":{"kafka":"gone"}}`,
		},
		"starting": {
			options: []phttp.OptionFunc{readiness(phttp.HealthStarting, nil)}, code: 503, text: "starting\n", json: `{"status":"starting"}`, level: "level=DEBUG",
		},
		"stopping": {
			options: []phttp.OptionFunc{readiness(phttp.HealthStopping, nil)}, code: 503, text: "stopping\n", json: `{"status":"stopping"}`, level: "level=DEBUG",
		},
		"failed": {
			options: []phttp.OptionFunc{readiness(phttp.HealthFailed, nil)}, code: 503, text: "failed\n", json: `{"status":"failed"}`, level: "level=DEBUG",
		},
		"unheard": {options: []phttp.OptionFunc{readiness("fine", nil)}, code: 503, text: "fine\n", json: `{"status":"fine"}`, level: "level=ERROR"},
		"starting, and the check is not ready": {
			options: []phttp.OptionFunc{readiness(phttp.HealthStarting, checks), readyCheck(phttp.NotReady)},
			code:    503, text: "starting\n", json: `{"status":"starting","checks":{"kafka":"gone","ready check":"not ready"}}`, level: "level=DEBUG",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := observe(t)
			c := newComponent(t, tt.options...)
			for target, want := range map[string]string{"/ready": tt.text, "/ready?verbose": tt.json + "\n"} {
				if w := askIn(o, t, c, http.MethodGet, target, ""); w.Code != tt.code || w.Body.String() != want {
					t.Errorf("%s: got %d %q, want %d %q", target, w.Code, w.Body, tt.code, want)
				}
			}
			if log := o.lines(); !onlyAt(log, tt.level) {
				t.Errorf("the log: got %q, want %q", log, tt.level)
			}
		})
	}
	if len(checks) != 1 {
		t.Errorf("the checks of the service were changed: %v", checks)
	}
}

// onlyAt reports whether there are lines, and all of them at level; no lines for no level.
func onlyAt(log, level string) bool {
	if level == "" {
		return log == ""
	}
	return log != "" && strings.Count(log, "\n") == strings.Count(log, level)
}

func readyCheck(status phttp.ReadyStatus) phttp.OptionFunc {
	return phttp.ReadyCheck(func() phttp.ReadyStatus { return status })
}

func readiness(status string, checks map[string]string) phttp.OptionFunc {
	return phttp.WithReadiness(func(context.Context) phttp.Health { return phttp.Health{Status: status, Checks: checks} })
}

func TestReadyInJSONForWhoAcceptsIt(t *testing.T) {
	t.Parallel()
	c := newComponent(t)
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "text/plain": false, "application/json": true, "application/json;q=0.5, text/*": false, "text/html, application/json;q=0.9": true,
	} {
		w := ask(t, c, http.MethodGet, "/ready", "", "Accept", accept)
		if got := strings.HasPrefix(w.Header().Get("Content-Type"), "application/json"); got != want || w.Code != http.StatusOK {
			t.Errorf("Accept %q: got %d, JSON %t, want 200 and %t", accept, w.Code, got, want)
		}
	}
}

func TestTheReadinessHasTheContextOfTheRequest(t *testing.T) {
	t.Parallel()
	o := observe(t)
	c := newComponent(t, phttp.WithReadiness(func(ctx context.Context) phttp.Health {
		if metric.FromContext(ctx) != o.Telemetry().Metrics() {
			return phttp.Health{Status: phttp.HealthFailed}
		}
		return phttp.Health{Status: phttp.HealthReady}
	}))
	if w := askIn(o, t, c, http.MethodGet, "/ready", ""); w.Code != http.StatusOK {
		t.Errorf("got %d, want 200", w.Code)
	}
}

func TestMetricsAreThoseOfTheService(t *testing.T) {
	t.Parallel()
	one, two := observe(t), observe(t)
	c := newComponent(t)
	one.Telemetry().Metrics().Counter(metric.Opts{Name: "one_total", Help: "One."}).With().Inc()

	if w := askIn(one, t, c, http.MethodGet, "/metrics", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "one_total 1") ||
		!strings.Contains(w.Body.String(), "go_goroutines") {
		t.Errorf("the first service: got %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := askIn(two, t, c, http.MethodGet, "/metrics", ""); strings.Contains(w.Body.String(), "one_total") {
		t.Error("the second service shows the metrics of the first")
	}
	w := askIn(one, t, c, http.MethodGet, "/metrics", "", "Accept", "application/openmetrics-text;version=1.0.0")
	if !strings.HasSuffix(w.Body.String(), "# EOF\n") {
		t.Error("OpenMetrics was asked for, and not given")
	}
}

func TestNamesOfStatuses(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		phttp.Alive.String(): "alive", phttp.Unresponsive.String(): "unresponsive", phttp.AliveStatus(9).String(): "unknown status 9",
		phttp.Ready.String(): "ready", phttp.NotReady.String(): "not ready", phttp.ReadyStatus(9).String(): "unknown status 9",
	} {
		if got != want {
			t.Errorf("String: got %q, want %q", got, want)
		}
	}
}
