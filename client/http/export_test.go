package http

import (
	"net/http"
	"testing"
	"time"
)

// Pool returns the connections of t, for tests that look at them or replace the network.
func (t *Transport) Pool() *http.Transport {
	pool, _ := t.base.(*http.Transport)
	return pool
}

// TransportOf returns the Transport of c.
func TransportOf(c *Client) *Transport {
	t, _ := c.http.Transport.(*Transport)
	return t
}

// DialTimeout returns that of the connections which options make.
func DialTimeout(tb testing.TB, oo ...OptionFunc) time.Duration {
	tb.Helper()
	c, err := newConfig(oo)
	if err != nil {
		tb.Fatal(err)
	}
	return newDialer(c).Timeout
}
