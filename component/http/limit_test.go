package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

// closedAfter returns how long the server kept the connection open.
func (c *rawConn) closedAfter(t *testing.T) (time.Duration, string) {
	t.Helper()
	begin := time.Now()
	rest := c.eof(t)
	return time.Since(begin), rest
}

func TestASlowHeaderIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", slow(0))))
		for name, before := range map[string]string{
			"nothing was sent":           "",
			"on a fresh connection":      "GET / HTTP/1.1\r\nHost: example.com\r\n",
			"after the first byte":       getRequest + "G",
			"on a connection in use":     getRequest + "GET / HTTP/1.1\r\n",
			"after two of four bytes":    getRequest + "GE",
			"drop by drop, for ever on.": "GET / HTTP/1.1\r\n*",
		} {
			before, drops := strings.CutSuffix(before, "*")
			c := s.raw(t)
			if first, rest, ok := strings.Cut(before, getRequest); ok && first == "" {
				c.send(t, getRequest)
				c.receive(t)
				before = rest
				synctest.Wait()
			}
			c.send(t, before)
			if drops {
				c.wg.Go(func() {
					for {
						time.Sleep(time.Second)
						if _, err := io.WriteString(c, "X-Drop: a\r\n"); err != nil {
							return
						}
					}
				})
			}
			if took, _ := c.closedAfter(t); took != 5*time.Second {
				t.Errorf("%s: the connection was closed after %v, want 5s", name, took)
			}
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", slow(0))), phttp.WithIdleTimeout(30*time.Second))
		c := s.raw(t)
		c.send(t, getRequest)
		c.receive(t)
		if took, rest := c.closedAfter(t); took != 30*time.Second || rest != "" {
			t.Errorf("the connection was closed after %v with %q, want 30s and nothing", took, rest)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

const postHeader = "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

func echo(_ context.Context, req *psync.Request) (*psync.Response, error) {
	var v any
	if err := req.Decode(&v); err != nil {
		return nil, err
	}
	return psync.NewResponse(v), nil
}

func TestABodyThatStopsComingIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(process(t, http.MethodPost, "/", echo)))
		c := s.raw(t)
		c.send(t, fmt.Sprintf(postHeader, 100)+"{")
		begin := time.Now()

		res, body := c.receive(t)

		if took := time.Since(begin); took != 5*time.Second || res.StatusCode != http.StatusRequestTimeout || !strings.Contains(body, "too slowly") {
			t.Errorf("got %d %q after %v, want 408 after 5s", res.StatusCode, body, took)
		}
		if took, rest := c.closedAfter(t); took > time.Second || rest != "" {
			t.Errorf("the connection was closed after %v with %q, want at once and nothing", took, rest)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

// trickle sends a body a piece at a time, until it is done or refused.
func (c *rawConn) trickle(size int, piece string, every time.Duration) {
	for sent := 0; sent < size; sent += len(piece) {
		if _, err := io.WriteString(c, piece[:min(len(piece), size-sent)]); err != nil {
			return
		}
		time.Sleep(every)
	}
}

func TestABodyOfAProcessorThatTricklesIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(process(t, http.MethodPost, "/", echo)))
		c := s.raw(t)
		c.send(t, fmt.Sprintf(postHeader, 8192))
		begin := time.Now()
		c.wg.Go(func() { c.trickle(8192, strings.Repeat(" ", 10), 4*time.Second) })

		res, _ := c.receive(t)

		if took := time.Since(begin); took > 6*time.Second || res.StatusCode != http.StatusRequestTimeout {
			t.Errorf("got %d after %v, want 408 within 6s", res.StatusCode, took)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestABodyOfAProcessorThatKeepsComingIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(process(t, http.MethodPost, "/", echo)))
		c := s.raw(t)
		const size = 200 << 10
		c.send(t, fmt.Sprintf(postHeader, size))
		begin := time.Now()
		c.wg.Go(func() {
			c.trickle(size-2, strings.Repeat(" ", 4096), 2*time.Second)
			_, _ = io.WriteString(c, "{}")
		})

		res, _ := c.receive(t)

		if took := time.Since(begin); took < 90*time.Second || res.StatusCode != http.StatusCreated {
			t.Errorf("got %d after %v, want 201 after a long time", res.StatusCode, took)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestAProcessorMayTakeItsTimeOverABody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(process(t, http.MethodPut, "/", func(_ context.Context, req *psync.Request) (*psync.Response, error) {
			time.Sleep(time.Hour)
			piece := make([]byte, 10)
			for {
				_, err := io.ReadFull(req.Raw, piece)
				if errors.Is(err, io.EOF) {
					return psync.NewResponse("done"), nil
				}
				if err != nil {
					return nil, err
				}
				time.Sleep(time.Minute)
			}
		})))
		c := s.raw(t)
		c.send(t, strings.Replace(fmt.Sprintf(postHeader, 100), "POST", "PUT", 1))
		c.wg.Go(func() { c.trickle(100, strings.Repeat(" ", 5), 10*time.Millisecond) })

		if res, body := c.receive(t); res.StatusCode != http.StatusOK {
			t.Errorf("got %d %q, want 200", res.StatusCode, body)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestAnUploadToARawHandlerMayTrickle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(build(t, phttp.NewRawRouteBuilder("/", func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n, err, r.Context().Err())
		}).MethodPost())))
		c := s.raw(t)
		c.send(t, fmt.Sprintf(postHeader, 1000))
		c.wg.Go(func() { c.trickle(1000, strings.Repeat(" ", 10), 4*time.Second) })

		if _, body := c.receive(t); body != "1000 <nil> <nil>" {
			t.Errorf("the handler: got %q, want %q", body, "1000 <nil> <nil>")
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestReadingABodyLeavesNoDeadlineBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(build(t, phttp.NewRawRouteBuilder("/", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			select {
			case <-r.Context().Done():
			case <-time.After(time.Hour):
			}
			_, _ = fmt.Fprint(w, string(body), " ", err, r.Context().Err())
		}).MethodPost())))
		for name, request := range map[string]string{
			"with a length": fmt.Sprintf(postHeader, 4),
			"in chunks":     "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n",
		} {
			c := s.raw(t)
			c.send(t, request)
			time.Sleep(4 * time.Second)
			c.send(t, "ab")
			time.Sleep(4 * time.Second)
			c.send(t, "cd")
			if strings.Contains(request, "chunked") {
				c.send(t, "\r\n0\r\n\r\n")
			}
			if _, body := c.receive(t); body != "abcd <nil> <nil>" {
				t.Errorf("%s: got %q, want %q", name, body, "abcd <nil> <nil>")
			}
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestABodyThatTheHandlerLeavesDoesNotHoldTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(build(t, phttp.NewRawRouteBuilder("/", slow(0)).MethodPost())))
		c := s.raw(t)
		c.send(t, fmt.Sprintf(postHeader, 1000)+"abc")
		begin := time.Now()
		c.wg.Go(func() { _, _ = io.Copy(io.Discard, c.r) })
		synctest.Wait()
		took, err := stopped(s)
		if total := time.Since(begin); total > 11*time.Second || err != nil {
			t.Errorf("Run returned after %v with %v, want the connection closed within 2 read timeouts", took, err)
		}
	})
}

func TestAStreamBesideAnUnreadBodyLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(build(t, phttp.NewRawRouteBuilder("/", func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			for i := range 4 {
				_, _ = fmt.Fprint(w, i, " ")
				_ = rc.Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(time.Minute):
				}
			}
			_, _ = fmt.Fprint(w, r.Context().Err())
		}).MethodPost())))
		c := s.raw(t)
		c.send(t, fmt.Sprintf(postHeader, 3))
		c.wg.Go(func() {
			time.Sleep(3 * time.Second)
			_, _ = io.WriteString(c, "abc")
		})
		if _, body := c.receive(t); body != "0 1 2 3 <nil>" {
			t.Errorf("the stream: got %q", body)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestAHandlerMaySetItsOwnReadDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(build(t, phttp.NewRawRouteBuilder("/", func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
			begin := time.Now()
			_, err := io.ReadAll(r.Body)
			_, _ = fmt.Fprint(w, time.Since(begin), errors.Is(err, os.ErrDeadlineExceeded))
		}).MethodPost())))
		c := s.raw(t)
		c.send(t, fmt.Sprintf(postHeader, 3))
		if _, body := c.receive(t); body != "1h0m0s true" {
			t.Errorf("the handler: got %q, want %q", body, "1h0m0s true")
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestAQuietStreamLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 5 {
				_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					_, _ = io.WriteString(w, "cut")
				case <-time.After(30 * time.Minute):
				}
			}
		})))
		c := s.raw(t)
		c.send(t, getRequest)
		if _, body := c.receive(t); !strings.HasSuffix(body, "data: 4\n\n") {
			t.Errorf("the stream: got %q, want all 5 events", body)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestAClientThatDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					failed <- err
					return
				}
			}
		})))
		c := s.raw(t)
		c.send(t, getRequest)
		begin := time.Now()

		err := <-failed

		if took := time.Since(begin); took < 10*time.Second || took > 12500*time.Millisecond || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the write failed after %v with %v, want a deadline after 10s to 12.5s", took, err)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestAClientThatReadsSlowlyIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 10 * 64 << 10
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
			if n, err := w.Write(make([]byte, size)); n != size || err != nil {
				t.Errorf("the one large write: got %d, %v", n, err)
			}
		})))
		c := s.raw(t)
		c.send(t, getRequest)
		begin, n := time.Now(), 0
		piece := make([]byte, 32<<10)
		for n < size {
			m, err := c.Read(piece)
			if err != nil {
				t.Fatalf("after %d bytes and %v: %v", n, time.Since(begin), err)
			}
			n += m
			time.Sleep(4 * time.Second)
		}
		if took := time.Since(begin); took < time.Minute {
			t.Errorf("the answer took %v: want more than the write timeout by far, or the test shows nothing", took)
		}
		c.wg.Go(func() { _, _ = io.Copy(io.Discard, c) })
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestAHandlerMaySetItsOwnWriteDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took := make(chan time.Duration, 1)
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
			rc := http.NewResponseController(w)
			if err := rc.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
			begin := time.Now()
			_, _ = io.WriteString(w, "late")
			if err := rc.Flush(); err == nil {
				t.Error("Flush: got nil, want an error")
			}
			took <- time.Since(begin)
		}), get(t, "/next", slow(0))))
		c := s.raw(t)
		c.send(t, getRequest)
		if got := <-took; got != time.Hour {
			t.Errorf("the write failed after %v, want 1h", got)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		called := false
		s := serve(t.Context(), t, phttp.WithBodyLimit(16), phttp.WithRoutes(
			process(t, http.MethodPost, "/", func(ctx context.Context, req *psync.Request) (*psync.Response, error) {
				called = true
				return echo(ctx, req)
			}),
			build(t, phttp.NewPostRouteBuilder("/large", echo).WithBodyLimit(1000)),
			build(t, phttp.NewRawRouteBuilder("/raw", func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
			}).MethodPost()),
			build(t, phttp.NewRawRouteBuilder("/raw/limited", slow(0)).MethodPost().WithBodyLimit(16)),
		))
		chunked := "Transfer-Encoding: chunked\r\n\r\n14\r\n" + strings.Repeat("1", 20) + "\r\n0\r\n\r\n"
		announced := "Content-Length: 20\r\n\r\n" + strings.Repeat("1", 20)
		for name, tt := range map[string]struct {
			path, rest string
			status     int
			called     bool
		}{
			"announced":               {path: "/", rest: announced, status: http.StatusRequestEntityTooLarge},
			"not announced":           {path: "/", rest: chunked, status: http.StatusRequestEntityTooLarge, called: true},
			"limit of the route":      {path: "/large", rest: announced, status: http.StatusCreated},
			"raw handlers have none":  {path: "/raw", rest: announced, status: http.StatusOK},
			"unless they are given":   {path: "/raw/limited", rest: announced, status: http.StatusRequestEntityTooLarge},
			"nothing but the 404":     {path: "/unknown", rest: announced, status: http.StatusNotFound},
			"exactly the limit is ok": {path: "/", rest: "Content-Length: 16\r\n\r\n" + strings.Repeat("1", 16), status: http.StatusCreated, called: true},
		} {
			called = false
			c := s.raw(t)
			c.wg.Go(func() { _, _ = io.WriteString(c, "POST "+tt.path+" HTTP/1.1\r\nHost: example.com\r\n"+tt.rest) })
			res, body := c.receive(t)
			if res.StatusCode != tt.status || called != tt.called {
				t.Errorf("%s: got %d %q, called %t; want %d, called %t", name, res.StatusCode, body, called, tt.status, tt.called)
			}
			if tt.status == http.StatusRequestEntityTooLarge && (!res.Close || !strings.Contains(body, "larger than 16 bytes")) {
				t.Errorf("%s: got close %t, %q; want an answer that closes and names the limit", name, res.Close, body)
			}
			_ = c.Close()
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoSendsTooMuchReadsTheRefusal(t *testing.T) {
	t.Parallel()
	url, stop := listen(t.Context(), t, phttp.WithRoutes(process(t, http.MethodPost, "/", echo)))
	client := newClient(t)
	for _, size := range []int64{1<<20 + 1, 4 << 20, -1} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(strings.Repeat(" ", 4<<20)))
		if err != nil {
			t.Fatal(err)
		}
		if req.ContentLength = size; size > 0 {
			req.Body = io.NopCloser(io.LimitReader(req.Body, size))
		}
		res, err := client.Do(req)
		if err != nil {
			t.Errorf("%d bytes: %v", size, err)
			continue
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes: got %d, want 413", size, res.StatusCode)
		}
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAHeaderThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t)
		c := s.raw(t)
		c.wg.Go(func() {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: example.com\r\nX: "+strings.Repeat("x", 70<<10)+"\r\n\r\n")
		})
		if res, _ := c.receive(t); res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %d, want 431", res.StatusCode)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheDeadlineOfARouteEndsItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(build(t, phttp.NewGetRouteBuilder("/", func(ctx context.Context, _ *psync.Request) (*psync.Response, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("asking the database: %w", ctx.Err())
		}).WithTimeout(3*time.Second))))
		c := s.raw(t)
		c.send(t, getRequest)
		begin := time.Now()
		res, body := c.receive(t)
		if took := time.Since(begin); took != 3*time.Second || res.StatusCode != http.StatusGatewayTimeout || strings.Contains(body, "database") {
			t.Errorf("got %d %q after %v, want 504 after 3s", res.StatusCode, body, took)
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	})
}
