package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// External is a broker that somebody else started.
type External struct {
	Kind    Kind
	Version string // "" if it does not say
	Address string // hosts and ports without credentials; "" if the value has none that can be dialled
}

// LookAt reads where the broker is that the value of Kind.Variable names, and asks there whether somebody answers, without credentials. It asks no more than
// that where the value wants TLS, and nothing where it names no host and port, as a socket of the file system. An error has nothing of the value but hosts.
func (k Kind) LookAt(ctx context.Context, value string) (External, error) {
	e := External{Kind: k}
	addresses, secure, err := k.addresses(value)
	if err != nil {
		return e, fmt.Errorf("%s: %s: %w", k, k.Variable(), err)
	}
	e.Address = strings.Join(addresses, ",")
	for _, address := range addresses {
		if _, err := accepts(ctx, address); err != nil {
			return e, fmt.Errorf("%s: %s names %s, which does not answer: %w", k, k.Variable(), address, err)
		}
		if !secure {
			// It may not say its version, or not to strangers.
			version, _ := k.Probe(ctx, address)
			e.Version = cmp.Or(e.Version, version)
		}
	}
	return e, nil
}

// addresses are the hosts and ports of a value.
func (k Kind) addresses(value string) (list []string, secure bool, err error) {
	switch k {
	case Kafka, Redis:
		list = strings.Split(value, ",")
	case RabbitMQ:
		return urlAddress(value, map[string]string{"amqp": "5672", "amqps": "5671"})
	case ElasticMQ, Fauxqs:
		return urlAddress(value, map[string]string{"http": "80", "https": "443"})
	case PostgreSQL:
		if !strings.Contains(value, "://") {
			return nil, false, nil // key=value
		}
		return urlAddress(value, map[string]string{"postgres": "5432", "postgresql": "5432"})
	case MariaDB:
		_, rest, ok := strings.Cut(value, "tcp(")
		host, _, closed := strings.Cut(rest, ")")
		if !ok || !closed {
			return nil, false, nil // a socket
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "3306")
		}
		list = []string{host}
	}
	for i, address := range list {
		list[i] = strings.TrimSpace(address)
		if _, _, err := net.SplitHostPort(list[i]); err != nil {
			return nil, false, errors.New("want host:port")
		}
	}
	return list, false, nil
}

// urlAddress is host and port of a URL, whose schemes have the given ports. Those that end in s mean TLS.
func urlAddress(value string, schemes map[string]string) ([]string, bool, error) {
	u, err := url.Parse(value)
	if err != nil { // its text has the password
		return nil, false, errors.New("want a URL")
	}
	port, ok := schemes[u.Scheme]
	if !ok {
		return nil, false, fmt.Errorf("scheme %q is none of this broker's", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, false, nil
	}
	return []string{net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))}, strings.HasSuffix(u.Scheme, "ps"), nil
}
