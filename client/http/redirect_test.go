package http_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	phttpclient "github.com/beatlabs/patron/client/http"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace/tracetest"
	"github.com/google/go-cmp/cmp"
)

// web is a world of servers without a network: what each URL redirects to, and the headers that each got.
type web struct {
	redirects map[string]string
	status    int
	user      string

	mu   sync.Mutex // guards what follows
	seen []string
	got  map[string]http.Header
	body map[string]string
}

func newWeb(hops ...string) *web {
	w := &web{redirects: make(map[string]string), status: http.StatusFound, got: make(map[string]http.Header), body: make(map[string]string)}
	for i := range len(hops) - 1 {
		w.redirects[hops[i]] = hops[i+1]
	}
	return w
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bare := *r.URL
	bare.User = nil
	at := bare.String()
	w.seen, w.got[at] = append(w.seen, at), r.Header.Clone()
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		w.body[at] = string(text)
		r.Body.Close()
	}
	resp := answer(r, 200)
	if to, ok := w.redirects[at]; ok {
		resp.StatusCode = w.status
		resp.Header.Set("Location", strings.Replace(to, "://", "://"+w.user, 1))
		resp.Header.Set("Set-Cookie", "session=of-"+r.URL.Hostname())
	}
	return resp, nil
}

var secrets = map[string]string{
	"Authorization": "Bearer s3cret", "Proxy-Authorization": "Basic s3cret", "Cookie": "session=s3cret", "X-Api-Key": "s3cret", "X-Tenant": "s3cret",
	"X-Amz-Security-Token": "s3cret",
}

func TestAnotherHostGetsNoSecretAndNoTrace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		hops []string
		kept bool   // at the last hop
		user string // in the Location
	}{
		"same host":                   {hops: []string{"http://a.example/1", "http://a.example/2"}, kept: true},
		"same host, port written":     {hops: []string{"http://a.example/1", "http://a.example:80/2"}, kept: true},
		"same host, now encrypted":    {hops: []string{"http://a.example/1", "https://a.example/2"}, kept: true},
		"same host, relative":         {hops: []string{"http://a.example/1", "http://a.example/2", "http://a.example/3"}, kept: true},
		"another host":                {hops: []string{"http://a.example/1", "http://b.example/2"}},
		"a host below":                {hops: []string{"http://example/1", "http://b.example/2"}},
		"a host above":                {hops: []string{"http://b.example/1", "http://example/2"}},
		"another port":                {hops: []string{"http://127.0.0.1:8080/1", "http://127.0.0.1:9090/2"}},
		"no longer encrypted":         {hops: []string{"https://a.example/1", "http://a.example/2"}},
		"encrypted on another port":   {hops: []string{"http://a.example:8080/1", "https://a.example/2"}},
		"with a user of its own":      {hops: []string{"http://a.example/1", "http://b.example/2"}, user: "them:theirs@"},
		"away and back":               {hops: []string{"http://a.example/1", "http://b.example/2", "http://a.example/3"}},
		"two steps, then away":        {hops: []string{"http://a.example/1", "http://a.example/2", "http://b.example/3"}},
		"away, and further on there":  {hops: []string{"http://a.example/1", "http://b.example/2", "http://b.example/3"}},
		"the same name as an address": {hops: []string{"http://localhost:80/1", "http://127.0.0.1:80/2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec, world := tracetest.New(), newWeb(tc.hops...)
			world.user = tc.user
			client := newClient(t, phttpclient.WithTransport(world))
			req := newRequest(correlation.ContextWithID(rec.Context(t.Context()), "order-1"), t, "GET", tc.hops[0])
			for key, value := range secrets {
				req.Header.Set(key, value)
			}
			req.Header.Set("Accept", "application/json")
			req.Header.Set("Idempotency-Key", "536365")

			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			read(t, resp)

			if len(world.seen) != len(tc.hops) {
				t.Fatalf("hops: got %q, want %q", world.seen, tc.hops)
			}
			first, last := world.got[world.seen[0]], world.got[world.seen[len(world.seen)-1]]
			if first.Get("X-Api-Key") != "s3cret" || first.Get(correlation.HeaderID) != "order-1" || first.Get("Traceparent") == "" {
				t.Errorf("first host: got %v", first)
			}
			for key := range secrets {
				if got := last.Get(key) != ""; got != tc.kept {
					t.Errorf("last host: got %s %q, want it kept %t", key, last.Get(key), tc.kept)
				}
			}
			for _, key := range []string{"Traceparent", correlation.HeaderID, "Referer"} {
				if got := last.Get(key) != ""; got != tc.kept {
					t.Errorf("last host: got %s %q, want it there %t", key, last.Get(key), tc.kept)
				}
			}
			if last.Get("Accept") != "application/json" || last.Get("Idempotency-Key") != "536365" {
				t.Errorf("last host: got %v, want what is harmless", last)
			}
			if spans := rec.Spans(); len(spans) != len(tc.hops) || spans[0].Status != "unset" {
				t.Errorf("spans: got %+v, want one for each hop", spans)
			}
		})
	}
}

// Two servers of one machine differ in their ports only.
func TestARedirectBetweenServersDropsCredentials(t *testing.T) {
	t.Parallel()
	received := make(chan http.Header, 1)
	second := serve(t, func(_ http.ResponseWriter, r *http.Request) { received <- r.Header })
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(second.URL, "http://", "http://them:theirs@", 1)+"/next?q=1", http.StatusTemporaryRedirect)
	})
	rec := tracetest.New()
	req := newRequest(rec.Context(t.Context()), t, "GET", strings.Replace(first.URL, "http://", "http://user:secret@", 1))
	req.AddCookie(&http.Cookie{Name: "session", Value: "secret"})

	resp, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	read(t, resp)

	got := <-received
	got.Del("Accept-Encoding")
	got.Del("User-Agent")
	if len(got) > 0 {
		t.Errorf("the second server got %v", got)
	}
}

func TestATransportDropsThemForAnyClient(t *testing.T) {
	t.Parallel()
	world := newWeb("http://a.example/1", "http://b.example/2")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	jar.SetCookies(&url.URL{Scheme: "http", Host: "b.example"}, []*http.Cookie{{Name: "theirs", Value: "own"}})
	client := &http.Client{Transport: newTransport(t, phttpclient.WithTransport(world)), Jar: jar}
	req := newRequest(tracetest.New().Context(t.Context()), t, "GET", "http://a.example/1")
	req.Header.Set("X-Api-Key", "secret")

	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	read(t, resp)

	got := world.got["http://b.example/2"]
	if diff := cmp.Diff(http.Header{"Cookie": {"theirs=own"}}, got); diff != "" {
		t.Errorf("second host (-want +got):\n%s", diff)
	}
}

func TestABodyFollowsARedirectThatKeepsTheMethod(t *testing.T) {
	t.Parallel()
	world := newWeb("http://a.example/1", "http://b.example/2")
	world.status = http.StatusTemporaryRedirect
	req, err := http.NewRequestWithContext(tracetest.New().Context(t.Context()), http.MethodPost, "http://a.example/1", strings.NewReader("an order"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	resp, err := newClient(t, phttpclient.WithTransport(world)).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	read(t, resp)
	if got := world.body["http://b.example/2"]; got != "an order" || world.got["http://b.example/2"].Get("Content-Type") != "text/plain" {
		t.Errorf("got %q with %v", got, world.got["http://b.example/2"])
	}
}

func TestRedirectsAreCounted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options []phttpclient.OptionFunc
		want    int // requests
		status  int // of the response; 0: too many
	}{
		"default":       {nil, phttpclient.DefaultMaxRedirects + 1, 0},
		"three":         {[]phttpclient.OptionFunc{phttpclient.WithMaxRedirects(3)}, 4, 0},
		"none followed": {[]phttpclient.OptionFunc{phttpclient.WithMaxRedirects(0)}, 1, http.StatusFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := newWeb("http://a.example/?token=secret", "http://a.example/?token=secret") // round and round
			client := newClient(t, append(tc.options, phttpclient.WithTransport(world))...)

			resp, err := client.Do(newRequest(tracetest.New().Context(t.Context()), t, "GET", "http://a.example/?token=secret"))
			if resp != nil {
				resp.Body.Close()
			}

			if len(world.seen) != tc.want {
				t.Errorf("requests: got %d, want %d", len(world.seen), tc.want)
			}
			if tc.status != 0 {
				if err != nil || resp.StatusCode != tc.status {
					t.Errorf("got %v, %v, want the redirect", resp, err)
				}
				return
			}
			if !errors.Is(err, phttpclient.ErrTooManyRedirects) || reliability.Classify(err) != reliability.ClassPermanent || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want a permanent ErrTooManyRedirects without the query", err)
			}
		})
	}
}

func TestABadLocationIsNotQuoted(t *testing.T) {
	t.Parallel()
	world := newWeb("http://a.example/1", "http://user:s3cret@b.example:not-a-port/")
	rec := tracetest.New()

	resp, err := newClient(t, phttpclient.WithTransport(world)).Do(newRequest(rec.Context(t.Context()), t, "GET", "http://a.example/1"))
	if err == nil {
		resp.Body.Close()
		t.Fatal("got no error")
	}
	if want := `Get "http://a.example/1": redirect to a Location that is not a URL`; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := onlySpan(t, rec); got.Status != "error" {
		t.Errorf("span: got %+v", got)
	}

	err = exchange(newTransport(t, phttpclient.WithTransport(world)), newRequest(rec.Context(t.Context()), t, "GET", "http://a.example/1"))
	if err != nil || rec.Metric(durations, "http_response_status_code", "302", "error_type", "") != 1 {
		t.Errorf("a transport, which follows nothing: got %v", err)
	}
}
