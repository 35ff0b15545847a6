package http

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client makes calls: a [Transport] with redirects and a time for the whole. It may be used concurrently. Make it with [New], once for all its calls.
type Client struct {
	http    http.Client
	timeout time.Duration // not that of http.Client, which starts a goroutine for each request through a transport that it does not know
}

// New returns a Client, or every fault of the options. It opens nothing.
func New(oo ...OptionFunc) (*Client, error) {
	c, err := newConfig(oo)
	if err != nil {
		return nil, fmt.Errorf("http client: %w", err)
	}
	t := newTransport(c)
	t.follows = c.redirects > 0
	return &Client{http: http.Client{Transport: t, CheckRedirect: checkRedirect(c.redirects)}, timeout: c.timeout}, nil
}

// Do makes a call, as the method of http.Client does: it returns when the header of the response is there, and the caller closes the body. A status is no
// error. An error is a *url.Error whose URL has no user, query and fragment.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if deadline, ok := ctx.Deadline(); c.timeout == 0 || ok && time.Until(deadline) <= c.timeout {
		resp, err := c.http.Do(req) //nolint:gosec // where the request goes is the caller's to say
		return resp, redacted(err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	resp, err := c.http.Do(req.WithContext(ctx))                        //nolint:gosec // the same
	if err != nil || resp.StatusCode == http.StatusSwitchingProtocols { // such a connection is the caller's from here on
		cancel()
		return resp, redacted(err)
	}
	resp.Body = &timedBody{ReadCloser: resp.Body, cancel: cancel}
	return resp, nil
}

// timedBody is a body that must be read in time.
type timedBody struct {
	io.ReadCloser

	cancel context.CancelFunc
}

// Read releases the timer at the end, for those who read to it and do not close.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.cancel()
	}
	return n, err
}

// Close releases the timer.
func (b *timedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// HTTPClient returns a client of net/http with the same connections, redirects and timeout, for libraries that want one. It is the caller's: what is changed in
// it does not change c.
func (c *Client) HTTPClient() *http.Client {
	client := c.http
	client.Timeout = c.timeout
	return &client
}

// CloseIdleConnections closes the connections that are kept without use. The Client may be used afterwards.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }
