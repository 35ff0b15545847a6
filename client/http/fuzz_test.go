package http

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzRedirect follows a Location and asks what may go along: to the same server everything, elsewhere what is harmless.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{
		"", "/x", "http://a.example/", "https://a.example/", "http://A.EXAMPLE:80/", "https://a.example:443", "http://a.example:8080/", "//b.example/x",
		"http://a.example@b.example/",
		"http://b.example#@a.example", "http://a.example.", "ftp://a.example/", "http://[::1]:80/", "javascript:x", "http://a.example\\@b.example",
		"http://a\u2024example/", "http://%61.example/",
	} {
		f.Add("http://a.example/", s, "Authorization")
		f.Add("https://a.example/y", s, "X-Api-Key")
		f.Add("http://a.example:8080", s, "Accept")
	}
	f.Fuzz(func(t *testing.T, from, location, name string) {
		first, err := url.Parse(from)
		if err != nil || first.Host == "" {
			return
		}
		resp := &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {location}}, Request: &http.Request{
			URL:    first,
			Header: http.Header{},
		}}
		second, err := first.Parse(location)
		if bad := redirectError(resp); (bad == nil) != (err == nil) {
			t.Fatalf("redirectError of %q: got %v, url.Parse says %v", location, bad, err)
		}
		if err != nil {
			return
		}
		req := &http.Request{URL: second, Response: resp, Header: http.Header{http.CanonicalHeaderKey(name): {"secret"}, "Accept": {"a/b"}}}

		same := server(first) == server(second)
		upgraded := server(first) == "http "+strings.ToLower(first.Hostname())+" 80" && server(second) == "https "+strings.ToLower(first.Hostname())+" 443"
		if got := !crossed(req); got && !same && !upgraded && isASCII(first.Host+second.Host) || !got && (same || upgraded) {
			t.Errorf("a redirect from %q to %q stays: got %t, want %t", first, second, got, same || upgraded)
		}

		var o outgoing
		o.copyHarmless(req.Header)
		for key := range o.header {
			switch lower := strings.ToLower(key); {
			case strings.Contains(lower, "auth"), strings.Contains(lower, "token"), strings.Contains(lower, "secret"), strings.HasPrefix(lower, "x-"):
				t.Errorf("the header %q may go to another host", key)
			}
		}
		if o.header.Get("Accept") == "" {
			t.Error("Accept may go to another host, and does not")
		}
	})
}

// server names the one that a URL leads to.
func server(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	case u.Scheme == "https":
		port = "443"
	}
	return u.Scheme + " " + strings.ToLower(u.Hostname()) + " " + port
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f })
}

// FuzzBodyLimit reads a body in pieces of any size: all of it comes, or its beginning and an error.
func FuzzBodyLimit(f *testing.F) {
	f.Add([]byte("hello"), uint16(5), int64(-1), []byte{1, 2, 0, 9})
	f.Add([]byte("hello"), uint16(4), int64(5), []byte{9})
	f.Add([]byte("hello"), uint16(6), int64(5), []byte{1})
	f.Add([]byte(""), uint16(0), int64(0), []byte{})
	f.Fuzz(func(t *testing.T, data []byte, limit uint16, length int64, sizes []byte) {
		most := int64(limit) + 1
		resp := &http.Response{StatusCode: http.StatusOK, ContentLength: length, Body: io.NopCloser(iotest.DataErrReader(bytes.NewReader(data)))}
		err := limitBody(resp, http.MethodGet, most)
		if (err != nil) != (length > most) {
			t.Fatalf("limitBody of %d bytes that should be %d: got %v with the limit %d", len(data), length, err, most)
		}
		if err != nil {
			return
		}
		var got []byte
		for i := 0; err == nil; i++ {
			size := 1
			if len(sizes) > 0 {
				size = int(sizes[i%len(sizes)])
			}
			if size == 0 && i > len(sizes) {
				size = 1
			}
			p := make([]byte, size)
			var n int
			n, err = resp.Body.Read(p)
			got = append(got, p[:n]...)
		}
		if want := data[:min(int64(len(data)), most)]; !bytes.Equal(got, want) {
			t.Fatalf("limit %d: got %q, want %q", most, got, want)
		}
		large, tooLarge := errors.AsType[*BodyTooLargeError](err)
		if tooLarge != (int64(len(data)) > most) || tooLarge && large.Limit != most || !tooLarge && !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes with the limit %d: got %v", len(data), most, err)
		}
	})
}
