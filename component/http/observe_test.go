package http_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	psync "github.com/beatlabs/patron/sync"
	"github.com/beatlabs/patron/trace"
	"github.com/google/go-cmp/cmp"
)

func TestTheCorrelationIDIsTakenCheckedAndEchoed(t *testing.T) {
	t.Parallel()
	var inside string
	c := newComponent(t, phttp.WithRoutes(get(t, "/", func(_ http.ResponseWriter, r *http.Request) {
		inside = correlation.IDFromContext(r.Context())
	})))
	for name, tt := range map[string]struct {
		sent string
		kept bool
	}{
		"none":              {},
		"valid":             {sent: "order-536365", kept: true},
		"10 kB":             {sent: strings.Repeat("x", 10<<10)},
		"with a line break": {sent: "a\r\nSet-Cookie: x=y"},
		"with a space":      {sent: "a b"},
	} {
		inside = ""
		w := ask(t, c, http.MethodGet, "/", "", correlation.HeaderID, tt.sent)
		got := w.Header().Values(correlation.HeaderID)
		if len(got) != 1 || got[0] != inside || !correlation.Valid(inside) || (inside == tt.sent) != tt.kept {
			t.Errorf("%s: sent %.20q, got back %.20q, the handler saw %.20q", name, tt.sent, got, inside)
		}
	}
}

func TestARequestIsASpanInItsTrace(t *testing.T) {
	t.Parallel()
	o := observe(t)
	c := newComponent(t, phttp.WithRoutes(process(t, http.MethodGet, "/orders/{invoice}", func(ctx context.Context, _ *psync.Request) (*psync.Response, error) {
		_, step := trace.Start(ctx, "step")
		step.End(nil)
		plog.FromContext(ctx).Info("inside")
		return nil, psync.NewNotFoundError("")
	})))

	askIn(o, t, c, http.MethodGet, "http://example.com/orders/4711?secret=1", "",
		"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "User-Agent", "test", correlation.HeaderID, "abc")

	o.AssertNoneOpen(t)
	spans := o.Named("GET /orders/{invoice}")
	if len(spans) != 1 {
		t.Fatalf("the spans: got %+v", o.Spans())
	}
	span := spans[0]
	if span.Kind != "server" || span.TraceID != "0af7651916cd43dd8448eb211c80319c" || span.ParentID != "b7ad6b7169203331" || span.Status != "unset" {
		t.Errorf("the span: got %+v", span)
	}
	if step := o.Named("step")[0]; !step.ChildOf(span) {
		t.Errorf("the step: got %+v, want a child of the request", step)
	}
	want := map[string]any{
		"http.request.method": "GET", "http.route": "/orders/{invoice}", "http.response.status_code": int64(404), "url.path": "/orders/4711",
		"url.scheme": "http", "client.address": "192.0.2.1", "user_agent.original": "test",
		"patron.correlation_id": "abc",
	}
	if diff := cmp.Diff(want, span.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if log := o.lines(); !strings.Contains(log, "msg=inside correlationID=abc trace_id=0af7651916cd43dd8448eb211c80319c") {
		t.Errorf("the log: got %q, want the IDs on the line of the processor", log)
	}
}

func TestASpanSaysOnlyWhatIsKnownAndNotUsual(t *testing.T) {
	t.Parallel()
	for proto, want := range map[string]any{"HTTP/1.1": nil, "HTTP/1.0": "1.0", "HTTP/2.0": "2"} {
		o := observe(t)
		c := newComponent(t, phttp.WithRoutes(get(t, "/", func(http.ResponseWriter, *http.Request) {})))
		r := httptest.NewRequestWithContext(o, http.MethodGet, "/", http.NoBody)
		r.Proto = proto
		c.ServeHTTP(httptest.NewRecorder(), r)

		attrs := o.Spans()[0].Attributes
		if got := attrs["network.protocol.version"]; got != want {
			t.Errorf("%s: got network.protocol.version %v, want %v", proto, got, want)
		}
		if got, ok := attrs["user_agent.original"]; ok {
			t.Errorf("%s without User-Agent: got %q", proto, got)
		}
	}
}

func TestTheFilesOfAFormAreRemoved(t *testing.T) {
	t.Parallel()
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, err := mw.CreateFormFile("invoice", "invoice.pdf")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(make([]byte, 1<<10))
	if err := mw.Close(); err != nil {
		t.Fatal(err)
	}
	var name string
	route, err := phttp.NewRawRouteBuilder("/", func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(0); err != nil {
			t.Error(err)
			return
		}
		f, err := r.MultipartForm.File["invoice"][0].Open()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = f.Close() }()
		if onDisk, ok := f.(*os.File); ok {
			name = onDisk.Name()
		}
	}).MethodPost().Build()
	if err != nil {
		t.Fatal(err)
	}

	s := serve(t.Context(), t, phttp.WithRoutes(route))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.com/", &form)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", mw.FormDataContentType())
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = readAnswer(t, res)
	if err := s.shut(); err != nil { // the answer goes out first
		t.Fatal(err)
	}

	if _, err := os.Stat(name); name == "" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file %q after the request: got %v, want that it does not exist", name, err)
	}
}

func TestARouteWithoutTraceIsCountedAndJoins(t *testing.T) {
	t.Parallel()
	o := observe(t)
	c := newComponent(t, phttp.WithRoutes(
		phttp.NewRoute("/", http.MethodGet, nothing, false),
		build(t, phttp.NewGetRouteBuilder("/b", nothing).WithTrace(false)),
		build(t, phttp.NewGetRouteBuilder("/on", nothing).WithTrace(false).WithTrace()),
	))

	for _, path := range []string{"/", "/b", "/on"} {
		askIn(o, t, c, http.MethodGet, path, "")
	}

	if spans := o.Spans(); len(spans) != 1 || spans[0].Name != "GET /on" {
		t.Errorf("the spans: got %+v, want one", spans)
	}
	if got := o.requests("http_response_status_code", "204"); got != 3 {
		t.Errorf("requests: got %v, want 3", got)
	}
}

func TestLabelsComeFromASmallSet(t *testing.T) {
	t.Parallel()
	o := observe(t)
	c := newComponent(t, phttp.WithRoutes(get(t, "/users/{id}", where(""))))
	for i := range 20 {
		askIn(o, t, c, http.MethodGet, fmt.Sprintf("/users/%d", i), "")
		askIn(o, t, c, http.MethodGet, fmt.Sprintf("/nowhere/%d", i), "")
		askIn(o, t, c, fmt.Sprintf("BREW%d", i), "/users/1", "")
		askIn(o, t, c, fmt.Sprintf("BREW%d", i), fmt.Sprintf("//nowhere/%d", i), "")
	}
	askIn(o, t, c, http.MethodHead, "/users/1", "")
	askIn(o, t, c, http.MethodPost, "/users/1", "")

	for labels, want := range map[[3]string]float64{
		{"GET", "/users/{id}", "200"}:  20,
		{"HEAD", "/users/{id}", "200"}: 1,
		{"POST", "unmatched", "405"}:   1,
		{"GET", "unmatched", "404"}:    20,
		{"_OTHER", "unmatched", "405"}: 20,
		{"_OTHER", "unmatched", "307"}: 20,
	} {
		got := o.requests("http_request_method", labels[0], "http_route", labels[1], "http_response_status_code", labels[2])
		if got != want {
			t.Errorf("%v: got %v, want %v", labels, got, want)
		}
	}
	if got := o.requests(); got != 82 {
		t.Errorf("all requests: got %v, want 82", got)
	}
	if got := o.Metric("http_server_active_requests"); got != 0 {
		t.Errorf("requests in flight: got %v, want 0", got)
	}
	names := make(map[string]bool)
	for _, span := range o.Spans() {
		names[span.Name] = true
	}
	want := map[string]bool{"GET /users/{id}": true, "HEAD /users/{id}": true, "POST unmatched": true, "GET unmatched": true, "HTTP unmatched": true}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names of spans (-want +got):\n%s", diff)
	}
}

func TestTwoServicesDoNotShareTheirTelemetry(t *testing.T) {
	t.Parallel()
	one, two := observe(t), observe(t)
	c := newComponent(t, phttp.WithRoutes(get(t, "/", where(""))))
	askIn(one, t, c, http.MethodGet, "/", "")
	askIn(two, t, c, http.MethodGet, "/", "")
	askIn(two, t, c, http.MethodGet, "/", "")
	if a, b := one.requests(), two.requests(); a != 1 || b != 2 {
		t.Errorf("requests: got %v and %v, want 1 and 2", a, b)
	}
}
