package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/encoding/json"
)

var (
	_ component.Component = (*Component)(nil)
	_ component.Starter   = (*Component)(nil)
	_ component.Informer  = (*Component)(nil)
	_ fmt.Stringer        = (*Component)(nil)
	_ http.Handler        = (*Component)(nil)
)

// Component is an HTTP server. Make it with [New]. It may be used concurrently, but for Start and Run, which a service calls one after the other.
type Component struct {
	config   config
	router   *router
	stopping atomic.Bool // answers close their connections

	mu       sync.Mutex // guards the fields below
	listener net.Listener
	running  bool
}

// New returns a server. Without options it listens on port 50000 of all interfaces and serves /alive, /ready and /metrics. Everything that is wrong with
// options and routes is in the error, joined. Nothing is opened before Start.
func New(oo ...OptionFunc) (*Component, error) {
	return newComponent(defaultConfig(), append(slices.Clip(oo), func(c *config) error {
		if c.info != nil || c.level != nil {
			return errors.New("info and log level: want NewManagement for them")
		}
		return nil
	}))
}

func defaultConfig() config {
	return config{
		name: "http", port: DefaultPort, listen: new(net.ListenConfig).Listen, codecs: json.Codecs(), bodyLimit: DefaultBodyLimit,
		timeouts: timeouts{read: DefaultReadTimeout, readHeader: DefaultReadHeaderTimeout, write: DefaultWriteTimeout, idle: DefaultIdleTimeout},
		alive:    func() AliveStatus { return Alive },
	}
}

func newComponent(cfg config, oo []OptionFunc) (*Component, error) {
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d: nil", i+1))
			continue
		}
		if err := o(&cfg); err != nil {
			errs = append(errs, err)
		}
	}
	c := &Component{config: cfg}
	router, err := newRouter(c)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.name, err)
	}
	c.router = router
	return c, nil
}

// Start binds the address. An address that cannot be bound is an error that names it. Connections are accepted from then on, but served by Run.
func (c *Component) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener != nil {
		return fmt.Errorf("%s: already started on %v", c.config.name, c.listener.Addr())
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: listen on %s: %w", c.config.name, c.config.address(), context.Cause(ctx))
	}
	l, err := c.listen(ctx)
	if err != nil {
		return fmt.Errorf("%s: listen on %s: %w", c.config.name, c.config.address(), err)
	}
	c.listener = l
	c.stopping.Store(false)
	return nil
}

// Run serves until ctx ends, and then stops as the package comment says. The error counts the requests that were cut because they were not done within the
// grace period. The context of a request is that of [component.Work]. Without Start it returns an error.
func (c *Component) Run(ctx context.Context) error {
	c.mu.Lock()
	l := c.listener
	if l == nil || c.running {
		c.mu.Unlock()
		return fmt.Errorf("%s: run: want a Start before each Run", c.config.name)
	}
	c.running = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.listener, c.running = nil, false
	}()
	if err := c.serve(ctx, l); err != nil {
		return fmt.Errorf("%s: %w", c.config.name, err)
	}
	return nil
}

// Addr returns where the component listens; nil before Start and after Run.
func (c *Component) Addr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener == nil {
		return nil
	}
	return c.listener.Addr()
}

// ServeHTTP answers one request as the running server would, limits of connections apart. It is for tests that need no socket, and may be called without Start.
func (c *Component) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.router.ServeHTTP(w, r) }

// Info returns the address, the routes and the limits.
func (c *Component) Info() map[string]any {
	address := c.config.address()
	if a := c.Addr(); a != nil {
		address = a.String()
	}
	t := c.config.timeouts
	return map[string]any{
		"address": address,
		"routes":  slices.Clone(c.router.names),
		"limits": map[string]any{
			"body_bytes": c.config.bodyLimit, "header_bytes": maxHeaderBytes, "read_timeout": t.read.String(),
			"read_header_timeout": t.readHeader.String(), "write_timeout": t.write.String(), "idle_timeout": t.idle.String(),
		},
	}
}

// String returns the name.
func (c *Component) String() string { return c.config.name }
