package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/encoding"
	plog "github.com/beatlabs/patron/log"
)

// The defaults.
const (
	DefaultPort              = 50000             // on all interfaces
	DefaultReadTimeout       = 5 * time.Second   // for each wait for more of a body
	DefaultReadHeaderTimeout = 5 * time.Second   // for the whole header of a request
	DefaultWriteTimeout      = 10 * time.Second  // for each write to the network
	DefaultIdleTimeout       = 120 * time.Second // for the next request on a connection
	DefaultBodyLimit         = 1 << 20           // bytes of the body of a processor; raw handlers have no limit by default
)

// maxHeaderBytes bounds the header of a request; net/http adds 4 KiB to it.
const maxHeaderBytes = 64 << 10

// OptionFunc configures a [Component].
type OptionFunc func(*config) error

// ListenFunc opens a listener. It has the signature of the method Listen of net.ListenConfig.
type ListenFunc func(ctx context.Context, network, address string) (net.Listener, error)

type config struct {
	name        string
	host        string
	port        int
	listen      ListenFunc
	routes      []*Route
	middlewares []MiddlewareFunc
	codecs      *encoding.Codecs
	timeouts    timeouts
	bodyLimit   int64
	alive       AliveCheckFunc
	ready       ReadyCheckFunc
	readiness   func(context.Context) Health
	gate        func() component.State

	orFree bool // a free port if the wanted one is taken

	// Of a management listener.
	hurried  bool           // requests in flight end when the component is stopped
	guard    MiddlewareFunc // around every endpoint
	info     func() map[string]any
	level    func() plog.Level
	setLevel func(plog.Level) error
}

// timeouts bound a connection.
type timeouts struct{ read, readHeader, write, idle time.Duration }

func (c *config) address() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }

// WithName sets the name of the component in logs, errors and descriptions. Default: "http".
func WithName(name string) OptionFunc {
	return func(c *config) error {
		if name == "" {
			return errors.New("name: empty")
		}
		c.name = name
		return nil
	}
}

// WithAddress sets where the component listens, as host:port; an empty host means all interfaces, and port 0 a free one, which [Component.Addr] then tells.
// Default: ":50000".
func WithAddress(address string) OptionFunc {
	return func(c *config) error {
		host, port, err := splitAddress(address)
		if err != nil {
			return err
		}
		c.host, c.port = host, port
		return nil
	}
}

// WithPort sets the port: 0 to 65535, where 0 means a free one, which [Component.Addr] then tells. The host stays as it is. Default: 50000.
func WithPort(port int) OptionFunc {
	return func(c *config) error {
		if err := checkPort(port); err != nil {
			return err
		}
		c.port = port
		return nil
	}
}

// WithHost sets the host that the component listens on, a name or an IP address: "127.0.0.1" for this machine alone. The port stays as it is. Default: "",
// which is all interfaces.
func WithHost(host string) OptionFunc {
	return func(c *config) error {
		if strings.ContainsAny(host, " /") {
			return fmt.Errorf("host %q: want a name or an IP address", host)
		}
		c.host = host
		return nil
	}
}

// WithFreePort makes Start take a free port, and log that at warn, if the one that is wanted is taken. Default: a port that is taken is an error.
func WithFreePort() OptionFunc {
	return func(c *config) error {
		c.orFree = true
		return nil
	}
}

// WithListen sets how the listener is opened: from a socket that was inherited, with options of its own, or in memory. It is called once in each Start, with
// the network "tcp" and the address of the component. Default: net.ListenConfig.
func WithListen(listen ListenFunc) OptionFunc {
	return func(c *config) error {
		if listen == nil {
			return errors.New("listen: nil function")
		}
		c.listen = listen
		return nil
	}
}

// WithRoutes adds routes. What is wrong with a route is an error of [New].
func WithRoutes(routes ...*Route) OptionFunc {
	return func(c *config) error {
		c.routes = append(c.routes, routes...)
		return nil
	}
}

// WithRoutesBuilder adds the routes of a builder, as it is when New is called.
func WithRoutesBuilder(rb *RoutesBuilder) OptionFunc {
	return func(c *config) error {
		if rb == nil {
			return errors.New("routes builder: nil")
		}
		routes, err := rb.Build()
		c.routes = append(c.routes, routes...)
		return err
	}
}

// WithMiddlewares adds middlewares around every route, and around the answer to what matches none; the first is the outermost.
func WithMiddlewares(mm ...MiddlewareFunc) OptionFunc {
	return func(c *config) error {
		c.middlewares = append(c.middlewares, mm...)
		return checkMiddlewares(mm)
	}
}

// WithCodecs sets the formats of bodies, the default one first. Default: JSON.
func WithCodecs(cc ...encoding.Codec) OptionFunc {
	return func(c *config) error {
		codecs, err := encoding.NewCodecs(cc...)
		if err != nil {
			return err
		}
		c.codecs = codecs
		return nil
	}
}

// WithReadTimeout sets how long each wait for more of a request body may last. The body of a processor must besides come at 1 KiB a second on average, counted
// after this time. A handler that sets a read deadline by http.ResponseController is on its own. Default: 5 s.
func WithReadTimeout(d time.Duration) OptionFunc {
	return timeout("read timeout", d, func(t *timeouts) { t.read = d })
}

// WithReadHeaderTimeout sets how long the header of a request may take, from its first byte, or from the opening of a connection. Default: 5 s.
func WithReadHeaderTimeout(d time.Duration) OptionFunc {
	return timeout("read header timeout", d, func(t *timeouts) { t.readHeader = d })
}

// WithWriteTimeout sets how long each write to the network, of at most 64 KiB, may last; up to a quarter more is tolerated. It bounds a client that does not
// read, never a response that pauses. A handler that sets a write deadline by http.ResponseController is on its own. Default: 10 s.
func WithWriteTimeout(d time.Duration) OptionFunc {
	return timeout("write timeout", d, func(t *timeouts) { t.write = d })
}

// WithIdleTimeout sets how long a connection may wait for its next request. Default: 120 s.
func WithIdleTimeout(d time.Duration) OptionFunc {
	return timeout("idle timeout", d, func(t *timeouts) { t.idle = d })
}

func timeout(name string, d time.Duration, set func(*timeouts)) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("%s %v: want more than 0", name, d)
		}
		set(&c.timeouts)
		return nil
	}
}

// WithBodyLimit sets how many bytes the body of a request to a processor may have; more is answered with 413. A route may set its own. Raw handlers have no
// limit but their own. Default: 1 MiB.
func WithBodyLimit(n int64) OptionFunc {
	return func(c *config) error {
		if err := checkBodyLimit(n); err != nil {
			return err
		}
		c.bodyLimit = n
		return nil
	}
}

// AliveCheck sets the check behind /alive. Default: [Alive].
func AliveCheck(check AliveCheckFunc) OptionFunc {
	return func(c *config) error {
		if check == nil {
			return errors.New("alive check: nil function")
		}
		c.alive = check
		return nil
	}
}

// ReadyCheck sets the check behind /ready. With [WithReadiness], too, both must agree that the service is ready. Default: [Ready].
func ReadyCheck(check ReadyCheckFunc) OptionFunc {
	return func(c *config) error {
		if check == nil {
			return errors.New("ready check: nil function")
		}
		c.ready = check
		return nil
	}
}

// WithReadiness sets what /ready answers. It is called for every request, concurrently, with the context of the request, and should return within a second.
// Default: ready.
func WithReadiness(readiness func(ctx context.Context) Health) OptionFunc {
	return func(c *config) error {
		if readiness == nil {
			return errors.New("readiness: nil function")
		}
		c.readiness = readiness
		return nil
	}
}

// WithGate makes every route but /alive, /ready and /metrics answer 503 with Retry-After until state returns component.Running or a later state. It is called
// for every request, concurrently, and must not block. Default: open.
func WithGate(state func() component.State) OptionFunc {
	return func(c *config) error {
		if state == nil {
			return errors.New("gate: nil function")
		}
		c.gate = state
		return nil
	}
}

// WithInfo sets what /info answers, as JSON; for [NewManagement] only. It is called for every request, concurrently.
func WithInfo(info func() map[string]any) OptionFunc {
	return func(c *config) error {
		if info == nil {
			return errors.New("info: nil function")
		}
		c.info = info
		return nil
	}
}

// WithLogLevel sets what /log/level reads and changes; for [NewManagement] only. Both functions are called concurrently; an error of set is answered with 500,
// unless it is a [psync.Error].
func WithLogLevel(get func() plog.Level, set func(plog.Level) error) OptionFunc {
	return func(c *config) error {
		if get == nil || set == nil {
			return errors.New("log level: nil function")
		}
		c.level, c.setLevel = get, set
		return nil
	}
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: want host:port", address)
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: port %q: want a number from 0 to 65535", address, text)
	}
	return host, port, checkPort(port)
}

func checkPort(port int) error {
	if port < 0 || port > 65535 {
		return fmt.Errorf("port %d: want 0 to 65535", port)
	}
	return nil
}

func checkBodyLimit(n int64) error {
	if n < 1 {
		return fmt.Errorf("body limit %d: want at least 1", n)
	}
	return nil
}

func checkMiddlewares(mm []MiddlewareFunc) error {
	var errs []error
	for i, m := range mm {
		if m == nil {
			errs = append(errs, fmt.Errorf("middleware %d: nil", i+1))
		}
	}
	return errors.Join(errs...)
}
