package http

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"

	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
)

// listen opens the listener.
func (c *Component) listen(ctx context.Context) (net.Listener, error) {
	address := c.config.address()
	l, err := c.config.listen(ctx, "tcp", address)
	if err == nil || !c.config.orFree || !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	l, free := c.config.listen(ctx, "tcp", net.JoinHostPort(c.config.host, "0"))
	if free != nil {
		return nil, err
	}
	plog.Slog(ctx).WarnContext(ctx, "address taken, listening on a free port", "component", c.config.name, "wanted", address, "address", l.Addr().String())
	return l, nil
}

type connKey struct{}

// serve serves the connections of l until take ends, and stops.
func (c *Component) serve(take context.Context, l net.Listener) error {
	if take.Err() != nil {
		return ignoreClosed(l.Close())
	}
	take, stop := context.WithCancel(take)
	defer stop()
	work, cancel := c.work(take)
	defer cancel()
	conns := newConnSet()
	srv := c.newServer(context.WithValue(work, drainKey{}, take))
	served := make(chan error, 1)
	go func() { served <- srv.Serve(&connListener{Listener: l, set: conns, timeouts: c.config.timeouts}) }()
	var err error
	select {
	case err = <-served:
		served <- nil
		stop()
	case <-take.Done():
	}
	c.stopping.Store(true)
	closed := ignoreClosed(l.Close())
	if e := <-served; err == nil {
		err = ignoreClosed(e)
	}
	conns.close()
	return errors.Join(err, closed, c.drain(work, conns, srv))
}

// work returns the context of requests.
func (c *Component) work(take context.Context) (context.Context, context.CancelFunc) {
	if c.config.hurried {
		return context.WithCancel(take)
	}
	return component.Work(take)
}

// newServer returns the server of net/http. It sets no deadline for whole requests or responses: those of conn take their place.
func (c *Component) newServer(base context.Context) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      c.router,
		DisableGeneralOptionsHandler: true,
		Protocols:                    protocols,
		ReadHeaderTimeout:            c.config.timeouts.readHeader,
		IdleTimeout:                  c.config.timeouts.idle,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(plog.Slog(base).Handler(), slog.LevelWarn),
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, connOf(nc))
		},
		ConnState: func(nc net.Conn, state http.ConnState) {
			if conn := connOf(nc); conn != nil {
				conn.follow(state)
			}
		},
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
