package http_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	phttpclient "github.com/beatlabs/patron/client/http"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace/tracetest"
	"pgregory.net/rapid"
)

func TestABodyBeyondTheLimitFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		size    int
		chunked bool
		gzipped bool
		method  string
		limit   int64
		early   bool // the call fails, not the reading
		want    int  // bytes read; -1: fails
	}{
		"below":               {size: 99, limit: 100, want: 99},
		"exactly":             {size: 100, limit: 100, want: 100},
		"above":               {size: 101, limit: 100, early: true, want: -1},
		"exactly, no length":  {size: 100, chunked: true, limit: 100, want: 100},
		"above, no length":    {size: 101, chunked: true, limit: 100, want: -1},
		"far above":           {size: 1 << 20, chunked: true, limit: 100, want: -1},
		"a bomb":              {size: 1 << 20, gzipped: true, limit: 10_000, want: -1},
		"small when unpacked": {size: 9_000, gzipped: true, limit: 10_000, want: 9_000},
		"nothing allowed":     {size: 1, chunked: true, limit: 0, want: -1},
		"nothing sent":        {size: 0, limit: 0, want: 0},
		"of HEAD":             {size: 1000, method: "HEAD", limit: 10, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				body := bytes.Repeat([]byte("x"), tc.size)
				switch {
				case tc.gzipped:
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					z.Write(body)
					z.Close()
				case tc.chunked:
					http.NewResponseController(w).Flush()
					w.Write(body)
				default:
					w.Header().Set("Content-Length", strconv.Itoa(tc.size))
					w.Write(body)
				}
			})
			rec := tracetest.New()
			method := "GET"
			if tc.method != "" {
				method = tc.method
			}

			resp, err := newClient(t, phttpclient.WithMaxResponseBody(tc.limit)).Do(newRequest(rec.Context(t.Context()), t, method, server.URL))
			if (err != nil) != tc.early {
				t.Fatalf("Do: got %v, want an error %t", err, tc.early)
			}
			n := 0
			if err == nil {
				var text []byte
				text, err = io.ReadAll(resp.Body)
				n = len(text)
				resp.Body.Close()
			}

			if tc.want >= 0 {
				if n != tc.want || err != nil {
					t.Errorf("got %d bytes, %v, want %d", n, err, tc.want)
				}
				return
			}
			e, ok := errors.AsType[*phttpclient.BodyTooLargeError](err)
			if !ok || e.Limit != tc.limit || int64(n) > tc.limit || reliability.Classify(err) != reliability.ClassPermanent {
				t.Errorf("got %v after %d bytes, want a permanent BodyTooLargeError of %d", err, n, tc.limit)
			}
			if tc.early && (rec.Metric(durations, "error_type", "permanent") != 1 || onlySpan(t, rec).Status != "error") {
				t.Errorf("span: got %+v", onlySpan(t, rec))
			}
		})
	}
}

func TestALimitedBodyIsTheBodyUpToTheLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 200, 400).Draw(t, "text")
		limit := rapid.Int64Range(0, 400).Draw(t, "limit")
		piece := rapid.IntRange(1, 50).Draw(t, "piece")
		reader := rapid.SampledFrom([]func(io.Reader) io.Reader{
			iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader, func(r io.Reader) io.Reader { return r },
		}).Draw(t, "reader")
		transport, err := phttpclient.NewTransport(phttpclient.WithMaxResponseBody(limit), phttpclient.WithTransport(roundTripFunc(
			func(r *http.Request) (*http.Response, error) {
				resp := answer(r, 200)
				resp.ContentLength = -1
				resp.Body = io.NopCloser(reader(strings.NewReader(text)))
				return resp, nil
			})))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://stock/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got []byte
		for p := make([]byte, piece); err == nil; {
			var n int
			n, err = resp.Body.Read(p)
			got = append(got, p[:n]...)
		}
		if want := text[:min(int64(len(text)), limit)]; string(got) != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		_, tooLarge := errors.AsType[*phttpclient.BodyTooLargeError](err)
		if tooLarge != (int64(len(text)) > limit) || !tooLarge && !errors.Is(err, io.EOF) {
			t.Fatalf("got %v for %d of %d bytes", err, len(text), limit)
		}
		if n, again := resp.Body.Read(make([]byte, 1)); n != 0 || again == nil {
			t.Fatalf("a further Read: got %d, %v", n, again)
		}
	})
}

func TestAConnectionThatIsTakenOverIsNotLimited(t *testing.T) {
	t.Parallel()
	body := &duplex{}
	transport := newTransport(t, phttpclient.WithMaxResponseBody(1), phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp := answer(r, http.StatusSwitchingProtocols)
		resp.Body = body
		return resp, nil
	})))
	resp, err := transport.RoundTrip(newRequest(tracetest.New().Context(t.Context()), t, "GET", "http://stock/"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, ok := resp.Body.(io.ReadWriteCloser); !ok {
		t.Errorf("body: got %T, which cannot be written", resp.Body)
	}
}

type duplex struct{ bytes.Buffer }

func (*duplex) Close() error { return nil }
