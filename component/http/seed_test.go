package http_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

// The snippets of the seeds document that concern this package, by their numbers there.

// 2: the middleware type of net/http, and a closure for CORS.
var cors phttp.MiddlewareFunc = func(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Access-Control-Allow-Origin", "*")
		// Next
		h.ServeHTTP(w, r)
	})
}

// 3: a processor reads a request, and answers with a response.
func index(_ context.Context, req *psync.Request) (*psync.Response, error) {
	var in map[string]any
	if err := req.Decode(&in); err != nil {
		return nil, err
	}
	return psync.NewResponse(map[string]any{"fields": req.Fields, "headers": len(req.Headers), "in": in}), nil
}

// 10: an authenticator.
type apiKey struct{}

func (apiKey) Authenticate(req *http.Request) (bool, error) {
	return req.Header.Get("Authorization") == "Apikey 123456", nil
}

var _ phttp.Authenticator = apiKey{}

func TestTheSnippetsOfTheSeed(t *testing.T) {
	t.Parallel()
	// 4: routes.
	route := phttp.NewRoute("/index", "GET", index, true, cors)
	routeWithAuth := phttp.NewAuthRoute("/index", "POST", index, true, apiKey{}, cors)
	// 11: checks. 5, without the cache: a route builder.
	alive := func() phttp.AliveStatus { return phttp.Alive }
	ready := func() phttp.ReadyStatus { return phttp.NotReady }
	rb := phttp.NewRoutesBuilder().Append(phttp.NewRouteBuilder("/", index).WithTrace().WithAuth(apiKey{}).WithMiddlewares(cors).MethodGet())
	c, err := phttp.New(phttp.AliveCheck(alive), phttp.ReadyCheck(ready), phttp.WithRoutes(route, routeWithAuth), phttp.WithRoutesBuilder(rb))
	if err != nil {
		t.Fatal(err)
	}

	for request, want := range map[string]struct {
		status int
		header []string
	}{
		"GET /alive":  {status: 200},
		"GET /ready":  {status: 503},
		"GET /index":  {status: 200},
		"POST /index": {status: 401},
		"GET /":       {status: 200, header: []string{"Authorization", "Apikey 123456"}},
	} {
		method, path, _ := strings.Cut(request, " ")
		w := ask(t, c, method, path+"?a=b", `{"x":1}`, want.header...)
		if w.Code != want.status {
			t.Errorf("%s: got %d %q, want %d", request, w.Code, w.Body, want.status)
		}
		if want.status == 200 && path != "/alive" && w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: the middleware did not run", request)
		}
	}
}

func TestARequestCanBeMadeByHand(t *testing.T) {
	t.Parallel()
	req := psync.NewRequest(map[string]string{"a": "b"}, strings.NewReader(`{}`), map[string]string{"X": "y"},
		func(data io.Reader, v any) error {
			_, err := io.ReadAll(data)
			*v.(*map[string]any) = map[string]any{"x": 1}
			return err
		})
	res, err := index(t.Context(), req)
	if err != nil || res.Payload == nil {
		t.Errorf("got %v, %v", res, err)
	}
}
