package http_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	phttpclient "github.com/beatlabs/patron/client/http"
)

func TestWrongOptionsAreNamed(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]phttpclient.OptionFunc{
		"option 0 is nil":                                  nil,
		"timeout -1s: want at least 0":                     phttpclient.WithTimeout(-time.Second),
		"max redirects -1: want at least 0":                phttpclient.WithMaxRedirects(-1),
		"dial timeout 0s: want more than 0":                phttpclient.WithDialTimeout(0),
		"TLS handshake timeout -1s: want more than 0":      phttpclient.WithTLSHandshakeTimeout(-time.Second),
		"response header timeout -1s: want at least 0":     phttpclient.WithResponseHeaderTimeout(-time.Second),
		"idle timeout 0s: want more than 0":                phttpclient.WithIdleTimeout(0),
		"max idle connections per host 0: want at least 1": phttpclient.WithMaxIdleConnsPerHost(0),
		"max connections per host -5: want at least 1":     phttpclient.WithMaxConnsPerHost(-5),
		"TLS config is nil":                                phttpclient.WithTLSConfig(nil),
		"transport is nil":                                 phttpclient.WithTransport(nil),
		"max response body -1: want at least 0":            phttpclient.WithMaxResponseBody(-1),
		"targets -1: want 0 to 2000":                       phttpclient.WithTargets(-1),
		"targets 2001: want 0 to 2000":                     phttpclient.WithTargets(2001),
	} {
		if _, err := phttpclient.New(o); err == nil || err.Error() != "http client: "+want {
			t.Errorf("New: got %v, want %s", err, want)
		}
	}
}

func TestEveryFaultIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := phttpclient.NewTransport(nil, phttpclient.WithDialTimeout(0), phttpclient.WithTransport(roundTripFunc(nil)),
		phttpclient.WithMaxConnsPerHost(3), phttpclient.WithTimeout(time.Second), phttpclient.WithMaxRedirects(1))
	for _, want := range []string{
		"http transport: ", "option 0 is nil", "dial timeout 0s: want more than 0",
		"dial timeout: the transport that was given has connections of its own",
		"max connections per host: the transport that was given has connections of its own",
		"timeout: a transport makes one exchange, only a client makes calls",
		"max redirects: a transport makes one exchange, only a client makes calls",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestThePoolIsBoundedByDefault(t *testing.T) {
	t.Parallel()
	pool := newTransport(t).Pool()
	if pool == http.DefaultTransport {
		t.Fatal("the pool is http.DefaultTransport")
	}
	if pool.MaxIdleConnsPerHost != 100 || pool.MaxIdleConns != 1000 || pool.MaxConnsPerHost != 0 || pool.IdleConnTimeout != 90*time.Second ||
		pool.TLSHandshakeTimeout != 5*time.Second || pool.ResponseHeaderTimeout != 30*time.Second || pool.MaxResponseHeaderBytes != 1<<20 ||
		!pool.ForceAttemptHTTP2 || pool.Proxy == nil {
		t.Errorf("pool: got %+v", pool)
	}
	if got := phttpclient.DialTimeout(t); got != 5*time.Second {
		t.Errorf("dial timeout: got %s", got)
	}
}

func TestOptionsReachThePool(t *testing.T) {
	t.Parallel()
	config := &tls.Config{ServerName: "stock", MinVersion: tls.VersionTLS13}
	pool := newTransport(t, phttpclient.WithMaxIdleConnsPerHost(2000), phttpclient.WithMaxConnsPerHost(7), phttpclient.WithIdleTimeout(time.Second),
		phttpclient.WithTLSConfig(config)).Pool()
	config.ServerName = "changed"
	if pool.MaxIdleConnsPerHost != 2000 || pool.MaxIdleConns != 2000 || pool.MaxConnsPerHost != 7 || pool.IdleConnTimeout != time.Second ||
		pool.TLSClientConfig.ServerName != "stock" {
		t.Errorf("pool: got %+v", pool)
	}
	if got := phttpclient.DialTimeout(t, phttpclient.WithDialTimeout(time.Minute)); got != time.Minute {
		t.Errorf("dial timeout: got %s", got)
	}
}

// Not parallel: it changes http.DefaultTransport.
func TestAReplacedDefaultTransportIsLeftAlone(t *testing.T) {
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	http.DefaultTransport = roundTripFunc(nil)

	pool := newTransport(t).Pool()

	if pool == nil || pool.Proxy == nil || !pool.ForceAttemptHTTP2 || pool.ResponseHeaderTimeout == 0 {
		t.Errorf("pool: got %+v", pool)
	}
}
