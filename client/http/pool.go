package http

import (
	"net"
	"net/http"
	"time"
)

const (
	keepAlive       = 15 * time.Second // of TCP, and between the pings of HTTP/2
	maxIdleConns    = 1000             // of all hosts together
	maxHeaderBytes  = 1 << 20
	http2PingWait   = 15 * time.Second
	expectedTimeout = time.Second
)

// newPool returns the connections: a copy of http.DefaultTransport, for the proxies that the program is told of, with bounds of its own.
func newPool(c *config) *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, ExpectContinueTimeout: expectedTimeout}
	if d, ok := http.DefaultTransport.(*http.Transport); ok { // instrumentation of others may have replaced it
		t = d.Clone()
	}
	t.DialContext = newDialer(c).DialContext
	t.TLSHandshakeTimeout = c.tlsTimeout
	t.ResponseHeaderTimeout = c.headerTimeout
	t.IdleConnTimeout = c.idleTimeout
	t.MaxIdleConns = max(maxIdleConns, c.idleConns)
	t.MaxIdleConnsPerHost = c.idleConns
	t.MaxConnsPerHost = c.maxConns
	t.MaxResponseHeaderBytes = maxHeaderBytes
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: keepAlive, PingTimeout: http2PingWait} // a dead connection is found although nothing is read
	if c.tls != nil {
		t.TLSClientConfig = c.tls
	}
	return t
}

func newDialer(c *config) *net.Dialer {
	return &net.Dialer{Timeout: c.dialTimeout, KeepAlive: keepAlive}
}
