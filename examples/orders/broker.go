package main

import (
	"fmt"
	"net/url"
	"strings"
)

// brokerURL is a -broker that was understood.
type brokerURL struct {
	system    string   // the scheme
	addresses []string // host:port, of kafka, amqp and sqs
	raw       string   // all of it
	file      string   // of sqlite; "": the database of -data
}

// parseBroker reads the value of -broker. Errors do not show credentials.
func parseBroker(raw string) (brokerURL, error) {
	scheme, rest, ok := strings.Cut(raw, ":")
	b := brokerURL{system: scheme, raw: raw}
	switch scheme {
	case "memory":
		if rest != "" {
			return b, fmt.Errorf("-broker %s: want memory: alone", raw)
		}
	case "sqlite":
		b.file = rest
	case "kafka", "sqs":
		hosts, isURL := strings.CutPrefix(rest, "//")
		b.addresses = strings.Split(strings.TrimSuffix(hosts, "/"), ",")
		if !isURL || scheme == "sqs" && len(b.addresses) > 1 {
			return b, fmt.Errorf("-broker %s: want %s://HOST:PORT", raw, scheme)
		}
		for _, a := range b.addresses {
			if host, port, ok := strings.Cut(a, ":"); !ok || host == "" || port == "" {
				return b, fmt.Errorf("-broker %s: address %q: want HOST:PORT", raw, a)
			}
		}
	case "amqp", "amqps", "postgres", "postgresql":
		if u, err := url.Parse(raw); err != nil || u.Host == "" {
			return b, fmt.Errorf("-broker %s: want %s://USER:PASSWORD@HOST:PORT/NAME", scheme, scheme)
		}
	default:
		if !ok {
			scheme = raw
		}
		return b, fmt.Errorf("-broker %.60q: want memory:, sqlite:, sqlite:FILE, postgres://…, kafka://…, amqp://… or sqs://…, not %q", redacted(raw), scheme)
	}
	return b, nil
}

// redacted hides the password of a URL.
func redacted(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Redacted()
	}
	scheme, _, _ := strings.Cut(raw, ":")
	return scheme + ":…"
}
