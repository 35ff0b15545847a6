package http_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	phttp "github.com/beatlabs/patron/component/http"
)

// listen starts and runs a component on a real socket, and returns its URL and the function that stops it.
func listen(ctx context.Context, t *testing.T, oo ...phttp.OptionFunc) (url string, stop func() error) {
	t.Helper()
	c := newComponent(t, append(oo, phttp.WithAddress("127.0.0.1:0"))...)
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	url = "http://" + c.Addr().String()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return url, stop
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func fetch(t *testing.T, client *http.Client, url string) (answer, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return readAnswer(t, res)
}

func TestFilesAndLargeAnswersArriveWhole(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcdef"), 300_000/16+1)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large.bin"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	url, stop := listen(t.Context(), t, phttp.WithRoutes(
		build(t, phttp.NewHandlerRouteBuilder("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir(dir)))).MethodGet()),
		get(t, "/limited", func(w http.ResponseWriter, _ *http.Request) {
			f, err := os.Open(filepath.Join(dir, "large.bin"))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = f.Close() }()
			w.Header().Set("Content-Length", "200000")
			if n, err := io.CopyN(w, f, 200_000); n != 200_000 || err != nil {
				t.Errorf("CopyN: got %d, %v", n, err)
			}
		}),
		get(t, "/copied", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, struct{ io.Reader }{bytes.NewReader(content)})
		}),
		get(t, "/sized", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = io.Copy(w, struct{ io.Reader }{bytes.NewReader(content)})
		}),
	))
	client := newClient(t)
	for path, want := range map[string][]byte{"/static/large.bin": content, "/limited": content[:200_000], "/copied": content, "/sized": content} {
		if _, body := fetch(t, client, url+path); body != string(want) {
			t.Errorf("%s: got %d bytes, want %d equal ones", path, len(body), len(want))
		}
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestTheWriterCanDoWhatThatOfNetHTTPCan(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "a")
		_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("b"))
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
		if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack of a recorder: got %v, want %v", err, http.ErrNotSupported)
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("SetWriteDeadline of a recorder: got %v, want %v", err, http.ErrNotSupported)
		}
		if _, ok := w.(interface{ Unwrap() http.ResponseWriter }).Unwrap().(*httptest.ResponseRecorder); !ok {
			t.Error("Unwrap: want the writer below")
		}
	})))
	w := ask(t, c, http.MethodGet, "/", "")
	if w.Code != http.StatusAccepted || w.Body.String() != "ab" || !w.Flushed {
		t.Errorf("got %d %q, flushed %t", w.Code, w.Body, w.Flushed)
	}
}

func TestInformationBeforeTheAnswerIsNotTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := observe(t)
		s := serve(o, t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
		})))
		c := s.raw(t)
		c.send(t, getRequest)
		if res, _ := c.receive(t); res.StatusCode != http.StatusEarlyHints {
			t.Errorf("first: got %d, want 103", res.StatusCode)
		}
		if res, _ := c.receive(t); res.StatusCode != http.StatusAccepted {
			t.Errorf("then: got %d, want 202", res.StatusCode)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
		if got := o.requests("http_response_status_code", "202"); got != 1 {
			t.Errorf("requests with 202: got %v, want 1", got)
		}
	})
}

func TestAnInvalidStatusIs500(t *testing.T) {
	t.Parallel()
	o := observe(t)
	url, stop := listen(o, t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(1000) })))
	client := newClient(t)
	if res, _ := fetch(t, client, url); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", res.StatusCode)
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAProxyReadsWhileItAnswers(t *testing.T) {
	t.Parallel()
	backend, stopBackend := listen(t.Context(), t, phttp.WithRoutes(build(t, phttp.NewRawRouteBuilder("/", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	}).MethodPost())))
	target, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	transport := new(http.Transport)
	proxy := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	front, stop := listen(t.Context(), t, phttp.WithRoutes(build(t, phttp.NewRawRouteBuilder("/", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy.ServeHTTP(w, r)
	}).MethodPost())))

	content := strings.Repeat("0123456789abcdef", 1<<16)
	client := newClient(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, body := readAnswer(t, res); body != content {
		t.Errorf("the echo: got %d bytes, want the %d that were sent", len(body), len(content))
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
	transport.CloseIdleConnections()
	if err := stopBackend(); err != nil {
		t.Error(err)
	}
}

func TestAnUpgradedConnectionBelongsToTheHandler(t *testing.T) {
	t.Parallel()
	o := observe(t)
	url, stop := listen(o, t, phttp.WithWriteTimeout(50*time.Millisecond), phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
		nc, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Errorf("Hijack: %v", err)
			return
		}
		defer func() { _ = nc.Close() }()
		if _, ok := nc.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !ok {
			t.Error("NetConn: want the TCP connection")
		}
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		if _, err := io.Copy(nc, rw); err != nil {
			t.Errorf("the echo: %v", err)
		}
	})))
	nc, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(nc, getRequest)
	r := bufio.NewReader(nc)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade: got %d, want 101", res.StatusCode)
	}
	_, _ = io.WriteString(nc, "hello")
	echo := make([]byte, 5)
	if _, err := io.ReadFull(r, echo); err != nil || string(echo) != "hello" {
		t.Errorf("the echo: got %q, %v", echo, err)
	}
	_ = nc.Close()
	if _, err := o.Await(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if got := o.requests("http_response_status_code", "101"); got != 1 {
		t.Errorf("requests with 101: got %v, want 1", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
