package http_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	phttpclient "github.com/beatlabs/patron/client/http"
	"github.com/beatlabs/patron/trace/tracetest"
)

func TestEveryWaitIsBounded(t *testing.T) {
	type options = []phttpclient.OptionFunc
	for name, tc := range map[string]struct {
		options options
		scheme  string
		silent  bool          // the header never comes; else the end of the body
		std     bool          // through the http.Client
		ctx     time.Duration // of the caller
		want    time.Duration
	}{
		"header":                    {silent: true, want: phttpclient.DefaultResponseHeaderTimeout},
		"header, option":            {silent: true, options: options{phttpclient.WithResponseHeaderTimeout(2 * time.Second)}, want: 2 * time.Second},
		"handshake":                 {silent: true, scheme: "https", want: phttpclient.DefaultTLSHandshakeTimeout},
		"handshake, option":         {silent: true, scheme: "https", options: options{phttpclient.WithTLSHandshakeTimeout(time.Second)}, want: time.Second},
		"whole call":                {want: phttpclient.DefaultTimeout},
		"whole call, option":        {options: options{phttpclient.WithTimeout(3 * time.Second)}, want: 3 * time.Second},
		"whole call, before header": {silent: true, options: options{phttpclient.WithTimeout(3 * time.Second)}, want: 3 * time.Second},
		"http.Client":               {silent: true, std: true, options: options{phttpclient.WithTimeout(3 * time.Second)}, want: 3 * time.Second},
		"http.Client, body":         {std: true, want: phttpclient.DefaultTimeout},
		"context, before header":    {silent: true, ctx: 10 * time.Second, want: 10 * time.Second},
		"context, in body":          {ctx: 10 * time.Second, want: 10 * time.Second},
		"context alone, in body":    {options: options{phttpclient.WithTimeout(0)}, ctx: time.Hour, want: time.Hour},
		"context alone, before head": {
			silent: true, options: options{phttpclient.WithTimeout(0), phttpclient.WithResponseHeaderTimeout(0)}, ctx: time.Hour, want: time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec, network, done := tracetest.New(), newMemoryNet(), make(chan struct{})
				client := newClient(t, tc.options...)
				phttpclient.TransportOf(client).Pool().DialContext = network.Dial
				server := &http.Server{ReadHeaderTimeout: 2 * time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if !tc.silent {
						io.WriteString(w, "the beginning")
						http.NewResponseController(w).Flush()
					}
					<-done
				})}
				if tc.scheme == "" {
					go server.Serve(network)
				} else {
					go func() { // accepts and says nothing
						conn, err := network.Accept()
						<-done
						if err == nil {
							conn.Close()
						}
					}()
				}
				ctx := rec.Context(t.Context())
				if tc.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.ctx)
					defer cancel()
				}
				scheme := "http"
				if tc.scheme != "" {
					scheme = tc.scheme
				}
				begun := time.Now()

				do := client.Do
				if tc.std {
					do = client.HTTPClient().Do
				}
				resp, err := do(newRequest(ctx, t, "GET", scheme+"://stock/"))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}

				if e, ok := errors.AsType[net.Error](err); !ok && !errors.Is(err, context.DeadlineExceeded) || ok && !e.Timeout() || time.Since(begun) != tc.want {
					t.Errorf("got %v after %s, want a time-out after %s", err, time.Since(begun), tc.want)
				}
				if got := rec.Metric(durations, "error_type", "timeout"); tc.silent && got != 1 {
					t.Errorf("counted as timeout: got %v, want 1", got)
				}
				rec.AssertNoneOpen(t)
				close(done)
				client.CloseIdleConnections()
				server.Close()
				network.Close()
			})
		})
	}
}

func TestADurationEndsWithTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, network := tracetest.New(), newMemoryNet()
		transport := newTransport(t)
		transport.Pool().DialContext = network.Dial
		server := &http.Server{ReadHeaderTimeout: time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			http.NewResponseController(w).Flush()
			time.Sleep(time.Minute)
			io.WriteString(w, "late")
		})}
		go server.Serve(network)

		resp, err := transport.RoundTrip(newRequest(rec.Context(t.Context()), t, "GET", "http://stock/"))
		if err != nil {
			t.Fatal(err)
		}
		span := onlySpan(t, rec) // before the body
		if got := read(t, resp); got != "late" {
			t.Errorf("body: got %q", got)
		}

		if got := span.End.Sub(span.Start); got != time.Second {
			t.Errorf("span: got %s, want 1s", got)
		}
		transport.CloseIdleConnections()
		server.Close()
		network.Close()
	})
}
