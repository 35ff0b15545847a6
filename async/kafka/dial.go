package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// dialTLS makes a connection by the user's dialer, and TLS on it.
func dialTLS(ctx context.Context, c *config, network, addr string) (net.Conn, error) {
	under, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	t := c.tls
	if t.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("address %q: %w", addr, err), under.Close())
		}
		t = t.Clone()
		t.ServerName = host
	}
	conn := tls.Client(under, t)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, under.Close())
	}
	return conn, nil
}
