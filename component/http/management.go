package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	plog "github.com/beatlabs/patron/log"
	psync "github.com/beatlabs/patron/sync"
)

// DefaultManagementPort is where a management listener is found unless it is told another address.
const DefaultManagementPort = 51000

// Management is a server for the operator of a service, on the loopback interface. Make it with [NewManagement].
type Management struct{ *Component }

// NewManagement returns a server that listens on 127.0.0.1:51000, or on a free port, which is logged, if that is taken; an address that is given by an option
// must be free, unless WithFreePort is given, too. Besides /alive, /ready, /metrics and the routes of the options it serves
//
//   - /debug/pprof/ and everything below it, as net/http/pprof does;
//   - /info, with [WithInfo];
//   - /log/level, with [WithLogLevel]: GET answers {"level":"info"}, PUT sets the level that comes as text or as the same JSON.
//
// It answers only requests for the hosts localhost, 127.0.0.1 and [::1], of whatever port, and all others with 403, so that no web page can reach it by a
// name of its own (DNS rebinding); what changes something must besides not come from another origin. When it is stopped, the contexts of requests in flight
// end at once. The options of [New] apply.
func NewManagement(oo ...OptionFunc) (*Management, error) {
	cfg := defaultConfig()
	cfg.name, cfg.host, cfg.port, cfg.hurried, cfg.guard = "management", "127.0.0.1", DefaultManagementPort, true, guardLocal
	wanted := cfg.address()
	c, err := newComponent(cfg, append(slices.Clip(oo), func(cfg *config) error {
		cfg.orFree = cfg.orFree || cfg.address() == wanted
		routes, err := managementRoutes(cfg)
		cfg.routes = append(routes, cfg.routes...)
		return err
	}))
	if err != nil {
		return nil, err
	}
	return &Management{Component: c}, nil
}

func managementRoutes(cfg *config) ([]*Route, error) {
	var (
		routes []*Route
		errs   []error
	)
	add := func(method, path string, h http.HandlerFunc) {
		route, err := NewRawRouteBuilder(path, h).Method(method).WithTrace(false).Build()
		routes, errs = append(routes, route), append(errs, err)
	}
	add(http.MethodGet, "/debug/pprof/", pprof.Index)
	add(http.MethodGet, "/debug/pprof/cmdline", pprof.Cmdline)
	add(http.MethodGet, "/debug/pprof/profile", pprof.Profile)
	add(http.MethodGet, "/debug/pprof/symbol", pprof.Symbol)
	add(http.MethodPost, "/debug/pprof/symbol", pprof.Symbol)
	add(http.MethodGet, "/debug/pprof/trace", pprof.Trace)
	if cfg.info != nil {
		add(http.MethodGet, "/info", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, r, cfg.info()) })
	}
	if cfg.level != nil {
		s := &levelSwitch{get: cfg.level, set: cfg.setLevel}
		add(http.MethodGet, "/log/level", s.serveGet)
		add(http.MethodPut, "/log/level", s.servePut)
	}
	return routes, errors.Join(errs...)
}

// guardLocal lets in who asks for this machine by a name that nobody else can have, and no other web page.
func guardLocal(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, r, &psync.Error{Code: psync.PermissionDenied, Message: "the request comes from another origin"})
	}))
	next = protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			WriteError(w, r, &psync.Error{Code: psync.PermissionDenied, Message: "want the host localhost, 127.0.0.1 or [::1]"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocal(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	switch strings.ToLower(host) {
	case "localhost", "127.0.0.1", "::1", "[::1]":
		return true
	default:
		return false
	}
}

// levelSwitch serves /log/level.
type levelSwitch struct {
	get func() plog.Level
	set func(plog.Level) error
}

type levelDocument struct {
	Level plog.Level `json:"level"`
}

func (s *levelSwitch) serveGet(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, levelDocument{Level: s.get()})
}

func (s *levelSwitch) servePut(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, levelLimit))
	if err != nil {
		WriteError(w, r, err)
		return
	}
	level, err := parseLevel(raw)
	if err != nil {
		WriteError(w, r, &psync.Error{Code: psync.InvalidArgument, Message: err.Error(), Err: err})
		return
	}
	if err := s.set(level); err != nil {
		WriteError(w, r, fmt.Errorf("set log level: %w", err))
		return
	}
	s.serveGet(w, r)
}

// levelLimit is more than enough for a levelDocument.
const levelLimit = 1 << 10

// parseLevel reads a level as text or as a levelDocument.
func parseLevel(raw []byte) (plog.Level, error) {
	text := strings.TrimSpace(string(raw))
	if !strings.HasPrefix(text, "{") {
		return plog.ParseLevel(text)
	}
	var d struct {
		Level string `json:"level"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return 0, errors.New(`malformed JSON: want {"level":"info"}`)
	}
	return plog.ParseLevel(d.Level)
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		WriteError(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n')) // an error: the client is gone
}
