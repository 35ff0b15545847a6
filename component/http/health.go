package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/metric"
)

// AliveStatus is what an [AliveCheckFunc] says.
type AliveStatus int

// The answers to the question whether the process should go on living. Every other value counts as Unresponsive and is logged as an error.
const (
	Alive        AliveStatus = 1 // 200
	Unresponsive AliveStatus = 2 // 503
)

// String returns the name in lower case.
func (s AliveStatus) String() string {
	switch s {
	case Alive:
		return "alive"
	case Unresponsive:
		return "unresponsive"
	default:
		return fmt.Sprintf("unknown status %d", int(s))
	}
}

// ReadyStatus is what a [ReadyCheckFunc] says.
type ReadyStatus int

// The answers to the question whether the process should get traffic. Every other value counts as NotReady and is logged as an error.
const (
	Ready    ReadyStatus = 1 // 200
	NotReady ReadyStatus = 2 // 503
)

// String returns the name in lower case.
func (s ReadyStatus) String() string {
	switch s {
	case Ready:
		return "ready"
	case NotReady:
		return "not ready"
	default:
		return fmt.Sprintf("unknown status %d", int(s))
	}
}

// AliveCheckFunc answers /alive. It is called for every request, concurrently, and should return at once.
type AliveCheckFunc func() AliveStatus

// ReadyCheckFunc answers /ready. It is called for every request, concurrently, and should return at once.
type ReadyCheckFunc func() ReadyStatus

// The values of Health.Status. Ready and degraded are answered with 200, everything else with 503.
const (
	HealthReady    = "ready"    // everything works
	HealthDegraded = "degraded" // something does not work, and traffic is still welcome
	HealthStarting = "starting"
	HealthStopping = "stopping"
	HealthFailed   = "failed"
)

// Health is how the service is, for /ready.
type Health struct {
	// Status is one of HealthReady, HealthDegraded, HealthStarting, HealthStopping and HealthFailed. Every other value is answered with 503 and logged as an
	// error.
	Status string `json:"status"`
	// Checks holds what each check says, by name. It goes out to whoever may ask /ready, so it should hold no secrets. May be nil.
	Checks map[string]string `json:"checks,omitempty"`
}

func (h Health) status() int {
	if h.Status == HealthReady || h.Status == HealthDegraded {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// check finds a status that is none.
func (h Health) check() error {
	switch h.Status {
	case HealthReady, HealthDegraded, HealthStarting, HealthStopping, HealthFailed:
		return nil
	default:
		return fmt.Errorf("readiness: unknown status %q", h.Status)
	}
}

// serveAlive answers GET /alive.
func (c *Component) serveAlive(w http.ResponseWriter, r *http.Request) {
	status := c.config.alive()
	code := http.StatusServiceUnavailable
	switch status {
	case Alive:
		code = http.StatusOK
	case Unresponsive:
		quiet(r, nil)
	default:
		quiet(r, fmt.Errorf("alive check: %v: want %d or %d", status, Alive, Unresponsive))
	}
	writeText(w, code, status.String())
}

// serveReady answers GET /ready: the status as a line of text, or everything as JSON for whoever accepts that or asks with ?verbose.
func (c *Component) serveReady(w http.ResponseWriter, r *http.Request) {
	health, err := c.health(r.Context())
	code := health.status()
	if code != http.StatusOK {
		quiet(r, err)
	}
	if !wantsDetail(r) {
		writeText(w, code, health.Status)
		return
	}
	body, err := json.Marshal(health)
	if err != nil { // cannot be: strings alone
		writeText(w, code, health.Status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the client is gone
}

// health joins what the service says with what the check of the seed's kind says. The error is one of whoever wrote them.
func (c *Component) health(ctx context.Context) (Health, error) {
	health := Health{Status: HealthReady}
	if c.config.readiness != nil {
		health = c.config.readiness(ctx)
	}
	err := health.check()
	if c.config.ready == nil {
		return health, err
	}
	status := c.config.ready()
	if status == Ready {
		return health, err
	}
	if status != NotReady {
		err = errors.Join(err, fmt.Errorf("ready check: %v: want %d or %d", status, Ready, NotReady))
	}
	checks := map[string]string{"ready check": status.String()}
	maps.Copy(checks, health.Checks) // not into the map of the service
	health.Checks = checks
	if health.status() == http.StatusOK {
		health.Status = HealthFailed
	}
	return health, err
}

// wantsDetail reports whether a request to /ready asks for JSON.
func wantsDetail(r *http.Request) bool {
	if r.URL.Query().Has("verbose") {
		return true
	}
	accept := accepted(r.Header)
	return strings.Contains(accept, "json") && encoding.Negotiate(accept, "text/plain", "application/json") == 1
}

// serveMetrics answers GET /metrics with the registry of the service, which is known by the context alone.
func serveMetrics(w http.ResponseWriter, r *http.Request) {
	metric.FromContext(r.Context()).Handler().ServeHTTP(w, r)
}

// quiet keeps a 503 of a check from being logged as a fault of the server with every probe; err, which is one, is logged.
func quiet(r *http.Request, err error) {
	x := exchangeFrom(r.Context())
	if x == nil {
		return
	}
	x.err = err
	if err == nil {
		x.span.LogAt(slog.LevelDebug)
	}
}

// writeText answers with a line of text that no cache may keep.
func writeText(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // an error: the client is gone
}
