package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	neturl "net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// This file is the one place that knows how a connection of the client library is made. The rest of the package speaks to connection and channel, which a
// broker in memory implements for tests.

// connection is what the driver uses of *amqp091.Connection.
type connection interface {
	Channel() (channel, error)
	NotifyBlocked(blocked chan amqp091.Blocking) chan amqp091.Blocking
	IsClosed() bool
	CloseDeadline(deadline time.Time) error
	// frameSize is the largest frame that was agreed upon; 0: no limit.
	frameSize() int
	// version is the version of the broker, "" if it does not say.
	version() string
}

// channel is what the driver uses of *amqp091.Channel. One goroutine at a time publishes on it.
type channel interface {
	consuming
	publishing
	declaring
	NotifyClose(closed chan *amqp091.Error) chan *amqp091.Error
	Close() error
}

type consuming interface {
	Qos(count, size int, global bool) error
	Consume(queue, tag string, autoAck, exclusive, noLocal, noWait bool, args amqp091.Table) (<-chan amqp091.Delivery, error)
	Cancel(tag string, noWait bool) error
	NotifyCancel(cancelled chan string) chan string
	Ack(tag uint64, multiple bool) error
	Nack(tag uint64, multiple, requeue bool) error
}

type publishing interface {
	Confirm(noWait bool) error
	NotifyPublish(confirmed chan amqp091.Confirmation) chan amqp091.Confirmation
	NotifyReturn(returned chan amqp091.Return) chan amqp091.Return
	Publish(exchange, key string, mandatory, immediate bool, msg amqp091.Publishing) error
}

type declaring interface {
	ExchangeDeclare(name, kind string, durable, autoDelete, internal, noWait bool, args amqp091.Table) error
	ExchangeDeclarePassive(name, kind string, durable, autoDelete, internal, noWait bool, args amqp091.Table) error
	QueueDeclare(name string, durable, autoDelete, exclusive, noWait bool, args amqp091.Table) (amqp091.Queue, error)
	QueueDeclarePassive(name string, durable, autoDelete, exclusive, noWait bool, args amqp091.Table) (amqp091.Queue, error)
	QueueBind(name, key, exchange string, noWait bool, args amqp091.Table) error
	QueueUnbind(name, key, exchange string, args amqp091.Table) error
}

// connector makes a connection to one node, within ctx.
type connector func(ctx context.Context, c *config, e endpoint) (connection, error)

// dialed is a connection of the client library.
type dialed struct{ *amqp091.Connection }

var (
	_ connection = dialed{}
	_ channel    = (*amqp091.Channel)(nil)
)

func (d dialed) Channel() (channel, error) {
	ch, err := d.Connection.Channel()
	if err != nil {
		return nil, err
	}
	return ch, nil
}

func (d dialed) frameSize() int { return d.Config.FrameSize }

func (d dialed) version() string {
	version, _ := d.Properties["version"].(string)
	return version
}

// dial connects to e. The client library knows no context while it shakes hands, so the socket is closed under it when ctx ends.
func dial(ctx context.Context, c *config, e endpoint) (connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.connectTimeout, fmt.Errorf("no answer within %v", c.connectTimeout))
	defer cancel()
	settings := amqp091.Config{
		Vhost: c.vhost, Heartbeat: c.heartbeat, TLSClientConfig: c.tls.Clone(), Properties: amqp091.NewConnectionProperties(),
	}
	settings.Properties["connection_name"] = c.connectionName()
	for _, set := range c.raw {
		set(&settings)
	}
	settings.Recovery = nil // two that make connections anew would make them against each other
	var socket net.Conn
	release := func() bool { return true }
	open := c.opener(settings.Dial)
	settings.Dial = func(network, addr string) (net.Conn, error) {
		under, err := open(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		socket = under
		release = context.AfterFunc(ctx, func() { _ = under.Close() })
		if deadline, ok := ctx.Deadline(); ok {
			if err := under.SetDeadline(deadline); err != nil {
				return nil, errors.Join(err, under.Close())
			}
		}
		return under, nil
	}
	conn, err := amqp091.DialConfig(e.url(), settings)
	if !release() && err == nil {
		err = errors.Join(context.Cause(ctx), conn.CloseDeadline(time.Now()))
	}
	if err != nil {
		if socket != nil {
			_ = socket.Close() // the library leaves it open when the handshake fails
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, explainHandshake(err, c.vhostOf(e))
	}
	return dialed{conn}, nil
}

// opener returns what opens a socket: the hook of the user, what a raw option has set, or the dialer of package net.
func (c *config) opener(raw func(network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	switch {
	case c.dial != nil:
		return c.dial
	case raw != nil:
		return func(_ context.Context, network, addr string) (net.Conn, error) { return raw(network, addr) }
	default:
		return new(net.Dialer).DialContext
	}
}

// connect returns a connection to the first node that answers, beginning with the one that answered last.
func (c *config) connect(ctx context.Context) (connection, error) {
	var errs []error
	first := c.node.Load()
	for i := range uint32(len(c.endpoints)) {
		at := (first + i) % uint32(len(c.endpoints))
		e := c.endpoints[at]
		conn, err := c.connector(ctx, c, e)
		if err == nil {
			c.node.Store(at)
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", e.address, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// endpoint is one node. Its URL is behind a function, so whoever prints it with all its fields prints no password.
type endpoint struct {
	address string // scheme, host and port
	vhost   string
	url     func() string
}

// parseEndpoint reads the n-th URL. What is wrong with it is not quoted: a password with a stray character makes half of it a host.
func parseEndpoint(n int, url string) (endpoint, error) {
	uri, err := amqp091.ParseURI(url)
	if err != nil {
		return endpoint{}, fmt.Errorf("url %d is no AMQP URL: want amqp:// or amqps://, user:password@ (percent-encoded), host:port and /vhost; "+
			"it is not shown here because of its password", n)
	}
	if parsed, err := neturl.Parse(url); err == nil && parsed.Query().Get("heartbeat") == "0" {
		return endpoint{}, fmt.Errorf("url %d: heartbeat 0: want one, or a connection that is half open is never found", n)
	}
	return endpoint{
		address: uri.Scheme + "://" + net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)), vhost: uri.Vhost,
		url: func() string { return url },
	}, nil
}

func (c *config) vhostOf(e endpoint) string {
	if c.vhost != "" {
		return c.vhost
	}
	return e.vhost
}

func (c *config) connectionName() string {
	if c.name != "" {
		return c.name
	}
	return "patron " + c.role.String() + " " + c.subject
}

// nodes counts which of several nodes answered last; copies of a config share it.
type nodes = atomic.Uint32

// explainHandshake says what a refusal of a connection is about.
func explainHandshake(err error, vhost string) error {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Errorf("the broker does not speak TLS on this port: %w", err)
	}
	refusal, ok := errors.AsType[*amqp091.Error](err)
	if !ok {
		return err
	}
	switch refusal.Code {
	case amqp091.AccessRefused:
		return permanent("user or password refused: %w", err)
	case amqp091.NotAllowed:
		return permanent("vhost %q refused: %w", vhost, err)
	default:
		return err
	}
}

// cloneTable returns a copy of t that may be written to.
func cloneTable(t amqp091.Table) amqp091.Table {
	if t == nil {
		return make(amqp091.Table)
	}
	return maps.Clone(t)
}

// major returns the major version of a broker, or 0.
func major(version string) int {
	head, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(head)
	if err != nil {
		return 0
	}
	return n
}
