package http

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/beatlabs/patron/reliability"
)

// ErrTooManyRedirects is part of the error of a call that was redirected more often than [WithMaxRedirects] allows.
var ErrTooManyRedirects = errors.New("too many redirects")

// crossed reports whether req is a redirect that went to another host than the first request, now or on the way.
func crossed(req *http.Request) bool {
	if req.Response == nil {
		return false
	}
	first := req
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	for r := req; r != first; r = r.Response.Request {
		if r.URL == nil || first.URL == nil || !sameHost(first.URL, r.URL) {
			return true
		}
	}
	return false
}

// sameHost reports whether what was meant for a may be sent to b.
func sameHost(a, b *url.URL) bool {
	if !strings.EqualFold(a.Hostname(), b.Hostname()) {
		return false
	}
	if a.Scheme == b.Scheme {
		return port(a) == port(b)
	}
	return a.Scheme == "http" && b.Scheme == "https" && port(a) == "80" && port(b) == "443"
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	default:
		return ""
	}
}

// checkRedirect returns the answer to the question of http.Client whether to follow a redirect.
func checkRedirect(limit int) func(req *http.Request, via []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if limit == 0 {
			return http.ErrUseLastResponse
		}
		if len(via) > limit {
			return reliability.Permanent(fmt.Errorf("%w: %d", ErrTooManyRedirects, limit))
		}
		if crossed(req) {
			req.Header.Del("Cookie") // of the caller; a Jar adds its own for the new host later
		}
		return nil
	}
}

// redirectError finds a Location that http.Client would quote in its error.
func redirectError(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if _, err := url.Parse(resp.Header.Get("Location")); err != nil {
			return errors.New("redirect to a Location that is not a URL")
		}
	}
	return nil
}
