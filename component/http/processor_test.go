package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/correlation"
	pjson "github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/encoding/protobuf"
	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestARequestReachesItsProcessor(t *testing.T) {
	t.Parallel()
	var got psync.Request
	var body []byte
	keep := func(_ context.Context, req *psync.Request) (*psync.Response, error) {
		got = psync.Request{Fields: req.Fields, Headers: req.Headers}
		body, _ = io.ReadAll(req.Raw)
		return nil, nil //nolint:nilnil // an answer without content
	}
	c := newComponent(t, phttp.WithRoutes(process(t, http.MethodPut, "/orders/{invoice}/{rest...}", keep)))

	w := ask(t, c, http.MethodPut, "/orders/a%20b/c/d?x=1&x=2&invoice=no&y=%C3%A4+b&%zz=1&z;=1&&e=&f", `{"a":1}`,
		"Content-Type", "application/json", "X-Tag", "one", "X-Tag", "two", "Cookie", "a=1", "Cookie", "b=2", "X-Empty", "")

	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("the answer: got %d %q, want 204 without a body", w.Code, w.Body)
	}
	want := psync.Request{
		Fields:  map[string]string{"invoice": "a b", "rest": "c/d", "x": "1", "y": "ä b", "e": "", "f": ""},
		Headers: map[string]string{"Content-Type": "application/json", "X-Tag": "one, two", "Cookie": "a=1; b=2", "X-Empty": ""},
	}
	if diff := cmp.Diff(want.Fields, got.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.Headers, got.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if string(body) != `{"a":1}` {
		t.Errorf("body: got %q", body)
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	type header = map[string]string
	large := strings.Repeat("x", 5000)
	for name, tt := range map[string]struct {
		method string
		res    *psync.Response
		status int
		body   string
		header header
	}{
		"none":            {res: nil, status: 204},
		"none to POST":    {method: http.MethodPost, res: nil, status: 204},
		"payload":         {res: psync.NewResponse("a"), status: 200, body: `"a"`, header: header{"Content-Type": "application/json; charset=utf-8"}},
		"payload to POST": {method: http.MethodPost, res: psync.NewResponse("a"), status: 201, body: `"a"`},
		"payload to PUT":  {method: http.MethodPut, res: psync.NewResponse("a"), status: 200, body: `"a"`},
		"its own status":  {method: http.MethodPost, res: &psync.Response{Status: 202, Payload: 1}, status: 202, body: "1"},
		"no payload":      {res: &psync.Response{}, status: 200},
		"headers to POST": {
			method: http.MethodPost, res: &psync.Response{Header: header{"Location": "/a"}, Payload: 1}, status: 201, body: "1", header: header{"Location": "/a"},
		},
		"its own content type": {
			res: &psync.Response{Header: header{"content-type": "text/x"}, Payload: 1}, status: 200, body: "1", header: header{"Content-Type": "text/x"},
		},
		"no body with 204":       {res: &psync.Response{Status: 204, Payload: 1}, status: 204, header: header{"Content-Type": ""}},
		"no body with 304":       {res: &psync.Response{Status: 304, Payload: 1, Header: header{"ETag": `"a"`}}, status: 304, header: header{"ETag": `"a"`}},
		"a large one":            {res: psync.NewResponse(large), status: 200, body: `"` + large + `"`, header: header{"Content-Length": "5002"}},
		"an error as a response": {res: &psync.Response{Status: 404, Payload: "no"}, status: 404, body: `"no"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			c := newComponent(t, phttp.WithRoutes(process(t, method, "/", func(context.Context, *psync.Request) (*psync.Response, error) { return tt.res, nil })))

			w := ask(t, c, method, "/", "")

			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
			for name, value := range tt.header {
				if got := w.Header().Get(name); got != value {
					t.Errorf("%s: got %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestResponsesThatCannotBeWrittenAre500(t *testing.T) {
	t.Parallel()
	for name, res := range map[string]*psync.Response{
		"a payload without a form": psync.NewResponse(make(chan int)),
		"status 99":                {Status: 99},
		"status 101":               {Status: 101},
		"status 600":               {Status: 600},
		"status -1":                {Status: -1},
	} {
		o := observe(t)
		c := newComponent(t, phttp.WithRoutes(process(t, http.MethodGet, "/", func(context.Context, *psync.Request) (*psync.Response, error) { return res, nil })))
		w := askIn(o, t, c, http.MethodGet, "/", "")
		if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
		if !strings.Contains(o.lines(), "response: ") {
			t.Errorf("%s: the log: got %q, want the reason", name, o.lines())
		}
	}
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	called := false
	c := newComponent(t, phttp.WithCodecs(pjson.Codec(), protobuf.Codec()), phttp.WithRoutes(
		process(t, http.MethodPost, "/", func(_ context.Context, req *psync.Request) (*psync.Response, error) {
			called = true
			v := new(wrapperspb.StringValue)
			if err := req.Decode(v); err != nil {
				return nil, err
			}
			return &psync.Response{Payload: v, Status: 200}, nil
		})))
	binary, err := proto.Marshal(wrapperspb.String("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		contentType, accept, body string
		status                    int
		answer                    string
	}{
		"nothing said is JSON": {body: "{}", status: 200, answer: "application/json; charset=utf-8"},
		"with parameters": {
			contentType: "application/json;charset=UTF-8", accept: "*/*;q=0.8", body: "{}", status: 200, answer: "application/json; charset=utf-8",
		},
		"a browser": {
			accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", body: "{}", status: 200, answer: "application/json; charset=utf-8",
		},
		"protobuf in, JSON out": {
			contentType: "application/x-protobuf", accept: "application/json", body: string(binary), status: 200, answer: "application/json; charset=utf-8",
		},
		"JSON in, protobuf out": {
			contentType: "application/json", accept: "application/x-protobuf", body: "{}", status: 200, answer: "application/x-protobuf",
		},
		"an unknown content type":         {contentType: "text/csv", body: "a,b", status: 415},
		"no content type at all":          {contentType: "nonsense", body: "{}", status: 415},
		"two content types":               {contentType: "application/json, text/csv", body: "{}", status: 415},
		"a format that cannot be written": {accept: "text/csv", body: "{}", status: 406},
		"malformed":                       {contentType: "application/json", body: `{"a":`, status: 400},
		"trailing data":                   {contentType: "application/json", body: `{} {}`, status: 400},
	} {
		called = false
		w := ask(t, c, http.MethodPost, "/", tt.body, "Content-Type", tt.contentType, "Accept", tt.accept)
		if w.Code != tt.status || tt.answer != "" && w.Header().Get("Content-Type") != tt.answer {
			t.Errorf("%s: got %d %s %q, want %d %s", name, w.Code, w.Header().Get("Content-Type"), w.Body, tt.status, tt.answer)
		}
		if supported := w.Header().Get("Accept"); strings.HasPrefix(supported, "application/json, application/x-protobuf") != (tt.status == 415) {
			t.Errorf("%s: Accept of the answer: got %q", name, supported)
		}
		if refused := tt.status == 415 || tt.status == 406; called == refused {
			t.Errorf("%s: the processor was called: %t", name, called)
		}
	}
}

func TestAContentTypeWithoutABodyDoesNotMatter(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.WithRoutes(process(t, http.MethodGet, "/", nothing)))
	if w := ask(t, c, http.MethodGet, "/", "", "Content-Type", "text/csv"); w.Code != http.StatusNoContent {
		t.Errorf("got %d, want 204", w.Code)
	}
}

// problem is what a client reads.
type problem struct {
	Type          string
	Title         string
	Status        int
	Detail        string
	Errors        []psync.Fault
	CorrelationID string
}

func readProblem(tb testing.TB, w *httptest.ResponseRecorder) problem {
	tb.Helper()
	var p problem
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		tb.Errorf("Content-Type: got %q, want application/problem+json", got)
	}
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		tb.Errorf("the problem: %v", err)
	}
	return p
}

type order struct {
	Customer string `json:"customer" validate:"required"`
	Lines    []struct {
		Quantity int `json:"quantity"`
	} `json:"lines"`
}

func TestFaultsOfABodyAreAllNamed(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.WithRoutes(process(t, http.MethodPost, "/", psync.Handle(func(context.Context, order) (string, error) { return "", nil }))))

	w := ask(t, c, http.MethodPost, "/", `{"lines":[{"quantity":"many"},{"quantity":1},{"quantity":true}]}`, correlation.HeaderID, "abc")

	p := readProblem(t, w)
	pointers := make([]string, 0, len(p.Errors))
	for _, f := range p.Errors {
		pointers = append(pointers, f.Pointer)
		if f.Detail == "" {
			t.Errorf("%s: no detail", f.Pointer)
		}
	}
	if diff := cmp.Diff([]string{"/customer", "/lines/0/quantity", "/lines/2/quantity"}, pointers); diff != "" {
		t.Errorf("pointers (-want +got):\n%s", diff)
	}
	if w.Code != 422 || p.Status != 422 || p.Type != "about:blank" || p.Title != "Unprocessable Entity" || p.CorrelationID != "abc" {
		t.Errorf("got %d %+v", w.Code, p)
	}
}

func TestErrorsOfProcessors(t *testing.T) {
	t.Parallel()
	secret := errors.New("secret")
	for name, tt := range map[string]struct {
		err    error
		want   problem
		retry  string
		header string
	}{
		"any":       {err: secret, want: problem{Status: 500, Title: "Internal Server Error"}},
		"not found": {err: psync.NewNotFoundError("no order 1"), want: problem{Status: 404, Title: "Not Found", Detail: "no order 1"}},
		"wrapped": {
			err: fmt.Errorf("secret: %w", psync.NewNotFoundError("no order 1")), want: problem{Status: 404, Title: "Not Found", Detail: "no order 1"},
		},
		"with a cause": {
			err: &psync.Error{Code: psync.Internal, Message: "try later", Err: secret}, want: problem{Status: 500, Title: "Internal Server Error", Detail: "try later"},
		},
		"conflict": {err: &psync.Error{Code: psync.AlreadyExists, Err: secret}, want: problem{Status: 409, Title: "Conflict"}},
		"invalid":  {err: psync.NewValidationError("no"), want: problem{Status: 400, Title: "Bad Request", Detail: "no"}},
		"faults": {
			err:  psync.NewValidationError("no", psync.Fault{Pointer: "/a", Detail: "b"}),
			want: problem{Status: 422, Title: "Unprocessable Entity", Detail: "no", Errors: []psync.Fault{{Pointer: "/a", Detail: "b"}}},
		},
		"unavailable": {
			err: psync.NewServiceUnavailableError("busy", 1500*time.Millisecond), want: problem{Status: 503, Title: "Service Unavailable", Detail: "busy"}, retry: "2",
		},
		"exhausted": {
			err: &psync.Error{Code: psync.ResourceExhausted, RetryAfter: time.Minute}, want: problem{Status: 429, Title: "Too Many Requests"}, retry: "60",
		},
		"unauthenticated":     {err: psync.NewUnauthorizedError("who?"), want: problem{Status: 401, Title: "Unauthorized", Detail: "who?"}, header: "Bearer"},
		"cancelled inside":    {err: fmt.Errorf("secret: %w", context.Canceled), want: problem{Status: 500, Title: "Internal Server Error"}},
		"cancelled on demand": {err: psync.NewError(psync.Canceled, "gone"), want: problem{Status: 499, Title: "Client Closed Request", Detail: "gone"}},
		"cancelled, coded":    {err: &psync.Error{Code: psync.Aborted, Err: context.Canceled}, want: problem{Status: 409, Title: "Conflict"}},
		"deadline":            {err: fmt.Errorf("secret: %w", context.DeadlineExceeded), want: problem{Status: 504, Title: "Gateway Timeout"}},
		"payload that cannot be encoded": {
			err:  psync.NewErrorWithPayload(psync.NotFound, make(chan int)),
			want: problem{Status: 404, Title: "Not Found"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := observe(t)
			fail := func(context.Context, *psync.Request) (*psync.Response, error) { return nil, tt.err }
			c := newComponent(t, phttp.WithRoutes(process(t, http.MethodGet, "/", fail)))

			w := askIn(o, t, c, http.MethodGet, "/", "", correlation.HeaderID, "abc")

			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the answer tells what is for the log: %s", w.Body)
			}
			tt.want.Type, tt.want.CorrelationID = "about:blank", "abc"
			if diff := cmp.Diff(tt.want, readProblem(t, w)); diff != "" || w.Code != tt.want.Status {
				t.Errorf("got %d (-want +got):\n%s", w.Code, diff)
			}
			if got := w.Header().Get("Retry-After"); got != tt.retry {
				t.Errorf("Retry-After: got %q, want %q", got, tt.retry)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != tt.header {
				t.Errorf("WWW-Authenticate: got %q, want %q", got, tt.header)
			}
			level := "level=DEBUG"
			switch {
			case tt.want.Status == 503:
				level = "level=WARN"
			case tt.want.Status >= 500:
				level = "level=ERROR"
			default:
			}
			if log := o.lines(); strings.Count(log, "\n") != 1 || !strings.Contains(log, level) {
				t.Errorf("the log: got %q, want one line with %s", log, level)
			}
		})
	}
}

func TestThePayloadOfAnErrorIsTheBody(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.WithRoutes(process(t, http.MethodGet, "/", func(context.Context, *psync.Request) (*psync.Response, error) {
		return nil, psync.NewErrorWithPayload(psync.FailedPrecondition, map[string]int{"missing": 3})
	})))
	w := ask(t, c, http.MethodGet, "/", "")
	if w.Code != 400 || w.Body.String() != `{"missing":3}` || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("got %d %s %q", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}

func TestProblemsAreNegotiated(t *testing.T) {
	t.Parallel()
	c := newComponent(t)
	for accept, want := range map[string]string{
		"":                                "application/problem+json",
		"*/*":                             "application/problem+json",
		"application/problem+json":        "application/problem+json",
		"application/json":                "application/problem+json",
		"application/json; charset=utf-8": "application/problem+json",
		"application/*;q=0.5, image/png":  "application/problem+json",
		"text/html,*/*;q=0.8":             "application/problem+json",
		"text/plain":                      "text/plain; charset=utf-8",
		"text/*, application/json;q=0.1":  "text/plain; charset=utf-8",
		"image/png":                       "text/plain; charset=utf-8",
		"application/json;q=0":            "text/plain; charset=utf-8",
	} {
		w := ask(t, c, http.MethodGet, "/", "", "Accept", accept, correlation.HeaderID, "abc")
		if got := w.Header().Get("Content-Type"); w.Code != 404 || got != want || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("Accept %q: got %d %q, want %q", accept, w.Code, got, want)
		}
		if strings.HasPrefix(want, "text/plain") && w.Body.String() != "404 Not Found\ncorrelation ID: abc\n" {
			t.Errorf("Accept %q: got %q", accept, w.Body)
		}
	}
}

func TestFaultsAsText(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, r *http.Request) {
		phttp.WriteError(w, r, psync.NewValidationError("1 fault", psync.Fault{Pointer: "/a", Detail: "too long"}))
	})))
	w := ask(t, c, http.MethodGet, "/", "", "Accept", "text/plain", correlation.HeaderID, "abc")
	if want := "422 Unprocessable Entity\n1 fault\n/a: too long\ncorrelation ID: abc\n"; w.Body.String() != want {
		t.Errorf("got %q, want %q", w.Body, want)
	}
}

func TestABodyThatEndsEarlyIs400(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := observe(t)
		s := serve(o, t, phttp.WithRoutes(process(t, http.MethodPost, "/", echo)))
		c := s.raw(t)
		c.send(t, fmt.Sprintf(postHeader, 100)+"{")
		_ = c.Close()
		if err := s.shut(); err != nil {
			t.Error(err)
		}
		if got := o.requests("http_response_status_code", "400"); got != 1 {
			t.Errorf("requests with 400: got %v, want 1", got)
		}
	})
}

func TestAClientThatGoesIs499(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := observe(t)
		started := make(chan struct{}, 2)
		s := serve(o, t, phttp.WithRoutes(
			process(t, http.MethodGet, "/", func(ctx context.Context, _ *psync.Request) (*psync.Response, error) {
				started <- struct{}{}
				<-ctx.Done()
				return nil, &psync.Error{Code: psync.Unavailable, Err: ctx.Err()}
			}),
			get(t, "/raw", func(_ http.ResponseWriter, r *http.Request) {
				started <- struct{}{}
				<-r.Context().Done()
			}),
		))
		for _, path := range []string{"/ ", "/raw "} {
			c := s.raw(t)
			c.send(t, strings.Replace(getRequest, "/ ", path, 1))
			<-started
			_ = c.Close()
		}
		if err := s.shut(); err != nil {
			t.Error(err)
		}
		if got, all := o.requests("http_response_status_code", "499"), o.requests(); got != 2 || all != 2 {
			t.Errorf("requests with 499: got %v of %v, want 2 of 2", got, all)
		}
		if log := o.lines(); strings.Contains(log, "level=ERROR") {
			t.Errorf("the log: got %q, want no error", log)
		}
	})
}
