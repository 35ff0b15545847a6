package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const all = ofConsumers | ofProducers

// WithClientID sets the name by which brokers know the client in their logs, metrics and quotas. The default is that of the client library, "kgo".
func WithClientID(id string) OptionFunc {
	return option("client ID", all, func(c *config) error { return set(&c.clientID, id) })
}

// WithTLS makes connections use TLS. The configuration is cloned; an empty ServerName is filled in with the host of each broker.
func WithTLS(t *tls.Config) OptionFunc {
	return option("TLS", all, func(c *config) error {
		if t == nil {
			return errEmpty
		}
		c.tls = t.Clone()
		return nil
	})
}

// WithDialer sets how connections are made, before TLS. The default is a net.Dialer with a time-out of ten seconds.
func WithDialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) OptionFunc {
	return option("dialer", all, func(c *config) error {
		if dial == nil {
			return errEmpty
		}
		c.dial = dial
		return nil
	})
}

var errCredentials = errors.New("want a user and a password") // which one is missing is nobody's business

// WithPlain authenticates by SASL PLAIN (RFC 4616). The password crosses the network as it is, so use [WithTLS] with it.
func WithPlain(user, password string) OptionFunc {
	return option("SASL PLAIN", all, func(c *config) error {
		return c.authenticate(user, password, plain.Auth{User: user, Pass: password}.AsMechanism())
	})
}

// WithSCRAM256 authenticates by SASL SCRAM-SHA-256 (RFC 5802, RFC 7677).
func WithSCRAM256(user, password string) OptionFunc {
	return option("SASL SCRAM-SHA-256", all, func(c *config) error {
		return c.authenticate(user, password, scram.Auth{User: user, Pass: password}.AsSha256Mechanism())
	})
}

// WithSCRAM512 authenticates by SASL SCRAM-SHA-512.
func WithSCRAM512(user, password string) OptionFunc {
	return option("SASL SCRAM-SHA-512", all, func(c *config) error {
		return c.authenticate(user, password, scram.Auth{User: user, Pass: password}.AsSha512Mechanism())
	})
}

func (c *config) authenticate(user, password string, m sasl.Mechanism) error {
	if user == "" || password == "" {
		return errCredentials
	}
	c.sasl = append(c.sasl, m)
	return nil
}
