package http_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	phttpclient "github.com/beatlabs/patron/client/http"
	"github.com/beatlabs/patron/trace/tracetest"
)

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	client, reused := newClient(t), 0
	ctx := httptrace.WithClientTrace(tracetest.New().Context(t.Context()), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if info.Reused {
				reused++
			}
		},
	})
	for range 5 {
		if got := get(ctx, t, client, server.URL); got != "ok" {
			t.Errorf("body: got %q", got)
		}
	}
	if reused != 4 {
		t.Errorf("reused: got %d, want 4", reused)
	}

	client.CloseIdleConnections()
	get(ctx, t, client, server.URL)
	if reused != 4 {
		t.Errorf("reused after CloseIdleConnections: got %d, want a new connection", reused-4)
	}
}

func TestTheClientOfNetHTTPHasTheSameRulesAndIsTheCallers(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	client := newClient(t)

	resp, err := client.HTTPClient().Do(newRequest(rec.Context(t.Context()), t, "GET", server.URL))
	if err != nil {
		t.Fatal(err)
	}
	read(t, resp)

	theirs := client.HTTPClient()
	if theirs.Timeout != phttpclient.DefaultTimeout || theirs.CheckRedirect == nil {
		t.Errorf("got %+v", theirs)
	}
	theirs.Transport = roundTripFunc(nil)
	get(rec.Context(t.Context()), t, client, server.URL)
	rec.Reset()
}

// A body that is read to its end or closed leaves no timer, and so nothing of the call, behind.
func TestTheTimerOfACallEndsWithItsBody(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]func(*testing.T, *http.Response){
		"read":   func(_ *testing.T, resp *http.Response) { io.Copy(io.Discard, resp.Body) },
		"closed": func(_ *testing.T, resp *http.Response) { resp.Body.Close() },
		"both":   func(t *testing.T, resp *http.Response) { t.Helper(); read(t, resp) },
	} {
		contexts := make(chan context.Context, 1)
		client := newClient(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
			contexts <- r.Context()
			resp := answer(r, 200)
			resp.Body = io.NopCloser(strings.NewReader("12"))
			return resp, nil
		})))
		resp, err := client.Do(newRequest(t.Context(), t, "GET", "http://stock/")) //nolint:bodyclose // by finish, or not
		if err != nil {
			t.Fatal(err)
		}
		ctx := <-contexts
		if _, ok := ctx.Deadline(); !ok || ctx.Err() != nil {
			t.Errorf("%s: before: got %v", name, ctx.Err())
		}
		finish(t, resp)
		if ctx.Err() == nil {
			t.Errorf("%s: the context lives on", name)
		}
	}
}

func TestAnEarlierDeadlineOfTheCallerIsEnough(t *testing.T) {
	t.Parallel()
	want, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	client := newClient(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		got, _ := r.Context().Deadline()
		if deadline, _ := want.Deadline(); !got.Equal(deadline) {
			t.Errorf("deadline: got %v, want %v", got, deadline)
		}
		return answer(r, 200), nil
	})))
	get(want, t, client, "http://stock/")
}

func TestAConnectionThatIsTakenOverCanBeWritten(t *testing.T) {
	t.Parallel()
	client := newClient(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp := answer(r, http.StatusSwitchingProtocols)
		resp.Body = &duplex{}
		return resp, nil
	})))
	resp, err := client.Do(newRequest(t.Context(), t, "GET", "http://stock/"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, ok := resp.Body.(io.Writer); !ok {
		t.Errorf("body: got %T, which cannot be written", resp.Body)
	}
}

func TestCloseIdleConnectionsNeedsNoPool(t *testing.T) {
	t.Parallel()
	newTransport(t, phttpclient.WithTransport(roundTripFunc(nil))).CloseIdleConnections()
}
