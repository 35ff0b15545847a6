package http

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/beatlabs/patron/metric"
)

// The defaults.
const (
	DefaultTimeout               = 60 * time.Second // of a call with its redirects and its body
	DefaultDialTimeout           = 5 * time.Second
	DefaultTLSHandshakeTimeout   = 5 * time.Second
	DefaultResponseHeaderTimeout = 30 * time.Second
	DefaultIdleTimeout           = 90 * time.Second
	DefaultMaxIdleConnsPerHost   = 100
	DefaultMaxRedirects          = 10
	DefaultTargets               = 100
)

// OptionFunc changes what [New] and [NewTransport] make.
type OptionFunc func(*config) error

type config struct {
	base     http.RoundTripper
	ofPool   []string // options given that are about the connections
	ofClient []string // options given that are about the call

	dialTimeout, tlsTimeout, headerTimeout, idleTimeout time.Duration
	idleConns, maxConns                                 int
	tls                                                 *tls.Config

	maxBody   int64
	targets   int
	silent    bool
	timeout   time.Duration
	redirects int
}

func newConfig(oo []OptionFunc) (*config, error) {
	c := &config{
		dialTimeout: DefaultDialTimeout, tlsTimeout: DefaultTLSHandshakeTimeout, headerTimeout: DefaultResponseHeaderTimeout,
		idleTimeout: DefaultIdleTimeout, idleConns: DefaultMaxIdleConnsPerHost,
		maxBody: math.MaxInt64, targets: DefaultTargets, timeout: DefaultTimeout, redirects: DefaultMaxRedirects,
	}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(c))
	}
	if c.base != nil {
		for _, name := range c.ofPool {
			errs = append(errs, fmt.Errorf("%s: the transport that was given has connections of its own", name))
		}
	}
	return c, errors.Join(errs...)
}

// WithTimeout bounds a call of a [Client] as a whole: connecting, redirects, and the body until it is closed. 0 leaves it to the context of the request, which
// ends a call in any case: choose it for streams. Default: [DefaultTimeout]. A [Transport] refuses it.
func WithTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		c.ofClient = append(c.ofClient, "timeout")
		return atLeastZero(&c.timeout, "timeout", d)
	}
}

// WithMaxRedirects bounds how many redirects a [Client] follows before a call fails with [ErrTooManyRedirects]. 0 follows none: the redirect is the response.
// Default: [DefaultMaxRedirects]. A [Transport] refuses it, since it never follows any.
func WithMaxRedirects(n int) OptionFunc {
	return func(c *config) error {
		c.ofClient = append(c.ofClient, "max redirects")
		if n < 0 {
			return fmt.Errorf("max redirects %d: want at least 0", n)
		}
		c.redirects = n
		return nil
	}
}

// WithDialTimeout bounds how long connecting may take, looking the name up included. Default: [DefaultDialTimeout].
func WithDialTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		c.ofPool = append(c.ofPool, "dial timeout")
		return positive(&c.dialTimeout, "dial timeout", d)
	}
}

// WithTLSHandshakeTimeout bounds the handshake. Default: [DefaultTLSHandshakeTimeout].
func WithTLSHandshakeTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		c.ofPool = append(c.ofPool, "TLS handshake timeout")
		return positive(&c.tlsTimeout, "TLS handshake timeout", d)
	}
}

// WithResponseHeaderTimeout bounds the wait for the header of a response once the request is sent. 0 leaves it to the context of the request. Default:
// [DefaultResponseHeaderTimeout].
func WithResponseHeaderTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		c.ofPool = append(c.ofPool, "response header timeout")
		return atLeastZero(&c.headerTimeout, "response header timeout", d)
	}
}

// WithIdleTimeout sets how long a connection is kept without use. It should be shorter than that of the servers. Default: [DefaultIdleTimeout].
func WithIdleTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		c.ofPool = append(c.ofPool, "idle timeout")
		return positive(&c.idleTimeout, "idle timeout", d)
	}
}

// WithMaxIdleConnsPerHost sets how many connections to one host are kept without use. Default: [DefaultMaxIdleConnsPerHost].
func WithMaxIdleConnsPerHost(n int) OptionFunc {
	return func(c *config) error {
		c.ofPool = append(c.ofPool, "max idle connections per host")
		return atLeastOne(&c.idleConns, "max idle connections per host", n)
	}
}

// WithMaxConnsPerHost bounds the connections to one host, those in use included: a request beyond waits until one is free or its context ends. Default: no
// bound.
func WithMaxConnsPerHost(n int) OptionFunc {
	return func(c *config) error {
		c.ofPool = append(c.ofPool, "max connections per host")
		return atLeastOne(&c.maxConns, "max connections per host", n)
	}
}

// WithTLSConfig sets the configuration of TLS, which is copied. Default: that of net/http.
func WithTLSConfig(t *tls.Config) OptionFunc {
	return func(c *config) error {
		c.ofPool = append(c.ofPool, "TLS config")
		if t == nil {
			return errors.New("TLS config is nil")
		}
		c.tls = t.Clone()
		return nil
	}
}

// WithTransport replaces the connections, and with them all options about them, by a transport of the caller's. Default: one made here.
func WithTransport(rt http.RoundTripper) OptionFunc {
	return func(c *config) error {
		if rt == nil {
			return errors.New("transport is nil")
		}
		c.base = rt
		return nil
	}
}

// WithMaxResponseBody bounds the body of a response in bytes, after decompression: more is a [BodyTooLargeError], of the call if Content-Length says so, else
// of the Read that meets it. Default: no bound, because a body is not held here.
func WithMaxResponseBody(n int64) OptionFunc {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("max response body %d: want at least 0", n)
		}
		c.maxBody = n
		return nil
	}
}

// WithTargets sets how many names of hosts become values of the label server_address: the first ones, further ones are _OTHER. Default: [DefaultTargets].
func WithTargets(n int) OptionFunc {
	return func(c *config) error {
		if n < 0 || n > metric.SeriesLimit {
			return fmt.Errorf("targets %d: want 0 to %d", n, metric.SeriesLimit)
		}
		c.targets = n
		return nil
	}
}

// WithoutPropagation sends no trace context, no baggage and no correlation ID, for services that are somebody else's. Default: they are sent.
func WithoutPropagation() OptionFunc {
	return func(c *config) error {
		c.silent = true
		return nil
	}
}

func positive(p *time.Duration, name string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s %s: want more than 0", name, d)
	}
	*p = d
	return nil
}

func atLeastZero(p *time.Duration, name string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s %s: want at least 0", name, d)
	}
	*p = d
	return nil
}

func atLeastOne(p *int, name string, n int) error {
	if n < 1 {
		return fmt.Errorf("%s %d: want at least 1", name, n)
	}
	*p = n
	return nil
}
