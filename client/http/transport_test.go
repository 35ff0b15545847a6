package http_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	phttpclient "github.com/beatlabs/patron/client/http"
	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/baggage"
)

const durations = "http_client_request_duration_seconds"

func TestARequestCarriesWhatItBelongsTo(t *testing.T) {
	t.Parallel()
	rec, received := tracetest.New(), make(chan http.Header, 1)
	op := trace.NewOp(trace.HTTPServer, "GET /items", trace.HTTPMethod("GET"), trace.HTTPRoute("/items"))
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, span := trace.Begin(rec.Context(r.Context()), trace.Unit{Op: op, In: trace.HeaderCarrier(r.Header)})
		received <- r.Header
		span.End(nil)
	})
	member, err := baggage.NewMember("tenant", "shop")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	ctx := baggage.ContextWithBaggage(correlation.ContextWithID(rec.Context(t.Context()), "order-1"), bag)
	ctx, step := trace.Start(ctx, "ask stock")

	get(ctx, t, newClient(t), server.URL+"/items?sku=85123A")
	step.End(nil)

	header := <-received
	spans, err := rec.Await(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	serverSpan, clientSpan, stepSpan := rec.Named("GET /items")[0], rec.Named("GET")[0], rec.Named("ask stock")[0]
	if !serverSpan.ChildOf(clientSpan) || !clientSpan.ChildOf(stepSpan) || !serverSpan.ParentRemote {
		t.Errorf("family: got %+v", spans)
	}
	want := map[string]string{
		"Traceparent": "00-" + clientSpan.TraceID + "-" + clientSpan.SpanID + "-01", correlation.HeaderID: "order-1", "Baggage": "tenant=shop",
	}
	for key, value := range want {
		if got := header.Get(key); got != value {
			t.Errorf("%s: got %q, want %q", key, got, value)
		}
	}
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	serverPort, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	attributes := map[string]any{
		"http.request.method": "GET", "server.address": "127.0.0.1", "server.port": int64(serverPort), "url.full": server.URL + "/items",
		"http.response.status_code": int64(200), "network.protocol.version": "1.1", "patron.correlation_id": "order-1",
	}
	if diff := cmp.Diff(attributes, clientSpan.Attributes); diff != "" || clientSpan.Kind != "client" || clientSpan.Status != "unset" {
		t.Errorf("%s span, status %s, attributes (-want +got):\n%s", clientSpan.Kind, clientSpan.Status, diff)
	}
	rec.AssertNoneOpen(t)
}

func TestACorrelationIDIsMadeWhereThereIsNone(t *testing.T) {
	t.Parallel()
	var sent atomic.Value
	transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		sent.Store(r.Header.Get(correlation.HeaderID))
		return answer(r, 200), nil
	})))
	if err := exchange(transport, newRequest(tracetest.New().Context(t.Context()), t, "GET", "http://stock/")); err != nil {
		t.Fatal(err)
	}
	if got, _ := sent.Load().(string); !correlation.Valid(got) {
		t.Errorf("got %q", got)
	}
}

func TestTheRequestIsNotChanged(t *testing.T) {
	t.Parallel()
	transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		r.Header.Set("Added", "below")
		r.Header.Add("Accept", "appended below")
		r.Header.Del("Idempotency-Key")
		return answer(r, 200), nil
	})))
	rec := tracetest.New()
	req := newRequest(rec.Context(t.Context()), t, "POST", "http://user:secret@stock/items?token=secret")
	req.Header = http.Header{"Accept": append(make([]string, 0, 8), "a"), "Idempotency-Key": {"536365"}, "Traceparent": {"mine"}}
	before, ctx := req.Header.Clone(), req.Context()

	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()

	if diff := cmp.Diff(before, req.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if spare := req.Header["Accept"][:2]; spare[1] != "" {
		t.Errorf("memory of the header: got %q behind its end", spare[1])
	}
	if req.Context() != ctx || resp.Request != req || req.URL.String() != "http://user:secret@stock/items?token=secret" {
		t.Error("the context, the URL or the request of the response is another one")
	}
	if req.Header.Get("Traceparent") != "mine" {
		t.Error("the trace of the caller was overwritten in the caller's header")
	}
}

func TestWithoutPropagationNothingIsAdded(t *testing.T) {
	t.Parallel()
	var sent http.Header
	transport := newTransport(t, phttpclient.WithoutPropagation(), phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return answer(r, 200), nil
	})))
	rec := tracetest.New()
	req := newRequest(rec.Context(t.Context()), t, "GET", "http://elsewhere/")
	req.Header.Set("Authorization", "Bearer theirs")
	if err := exchange(transport, req); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(http.Header{"Authorization": {"Bearer theirs"}}, sent); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if got := onlySpan(t, rec); got.Name != "GET" {
		t.Errorf("span: got %+v", got)
	}
}

func TestOutcomesAreLabels(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status    int
		err       error
		label     string
		errorType string
		failed    bool
	}{
		"200":       {status: 200, label: "200"},
		"302":       {status: 302, label: "302"},
		"404":       {status: 404, label: "404", errorType: "404", failed: true},
		"503":       {status: 503, label: "503", errorType: "503", failed: true},
		"no answer": {err: syscall.ECONNREFUSED, errorType: "transient", failed: true},
		"too slow":  {err: &net.OpError{Op: "read", Err: timeoutError{}}, errorType: "timeout", failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := tracetest.New()
			transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
				if got := rec.Metric("http_client_active_requests", "http_request_method", "PUT", "server_address", "stock"); got != 1 {
					t.Errorf("in flight: got %v, want 1", got)
				}
				if tc.err != nil {
					return nil, tc.err
				}
				return answer(r, tc.status), nil
			})))

			err := exchange(transport, newRequest(rec.Context(t.Context()), t, "PUT", "http://stock:8080/items"))

			if !errors.Is(err, tc.err) {
				t.Errorf("got %v, want %v", err, tc.err)
			}
			if got := rec.Metric(durations, "http_request_method", "PUT", "server_address", "stock",
				"http_response_status_code", tc.label, "error_type", tc.errorType); got != 1 {
				t.Errorf("counted: got %v, want 1", got)
			}
			if got := onlySpan(t, rec); (got.Status == "error") != tc.failed || got.Name != "PUT" {
				t.Errorf("span: got %+v", got)
			}
			if got := rec.Metric("http_client_active_requests"); got != 0 {
				t.Errorf("in flight afterwards: got %v, want 0", got)
			}
		})
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestAnUnknownMethodIsOneLabel(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil })))
	for i := range 5000 {
		req := newRequest(rec.Context(t.Context()), t, "M"+strconv.Itoa(i), "http://stock/")
		if err := exchange(transport, req); err != nil {
			t.Fatal(err)
		}
	}
	if got := rec.Metric(durations, "http_request_method", "_OTHER"); got != 5000 {
		t.Errorf("_OTHER: got %v, want 5000", got)
	}
	if got := rec.Spans()[0].Name; got != "HTTP" {
		t.Errorf("name of the span: got %q, want HTTP", got)
	}
	empty := newRequest(rec.Context(t.Context()), t, "GET", "http://stock/")
	empty.Method = ""
	if err := exchange(transport, empty); err != nil || rec.Metric(durations, "http_request_method", "GET") != 1 {
		t.Errorf("no method: got %v, want it counted as GET", err)
	}
}

func TestHostsThatSomebodyChoosesAreFewLabels(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options []phttpclient.OptionFunc
		want    int
	}{
		"default": {nil, phttpclient.DefaultTargets},
		"three":   {[]phttpclient.OptionFunc{phttpclient.WithTargets(3)}, 3},
		"none":    {[]phttpclient.OptionFunc{phttpclient.WithTargets(0)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := tracetest.New()
			stub := roundTripFunc(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil })
			transport := newTransport(t, append(tc.options, phttpclient.WithTransport(stub))...)
			for i := range 10_000 {
				req := newRequest(rec.Context(t.Context()), t, "GET", "http://host-"+strconv.Itoa(i)+":"+strconv.Itoa(1+i)+"/")
				if err := exchange(transport, req); err != nil {
					t.Fatal(err)
				}
			}
			if got := rec.Metric(durations, "server_address", "_OTHER"); got != float64(10_000-tc.want) {
				t.Errorf("_OTHER: got %v, want %d", got, 10_000-tc.want)
			}
			last := rec.Spans()[9999].Attributes
			if last["server.address"] != "host-9999" || last["server.port"] != int64(10_000) || last["url.full"] != "http://host-9999:10000/" {
				t.Errorf("span beyond the limit: got %v, want its real host", last)
			}
		})
	}
}

func TestOneHostIsOneLabelHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil })))
	for target, want := range map[string]string{
		"http://stock": "stock", "http://STOCK:8080/": "stock", "https://Stock/x": "stock", "http://[::1]:80/": "::1", "http://:80/": "_OTHER",
		"http://" + strings.Repeat("x", 254) + "/": "_OTHER", "mailto:someone": "_OTHER",
	} {
		before := rec.Metric(durations, "server_address", want)
		if err := exchange(transport, newRequest(rec.Context(t.Context()), t, "GET", target)); err != nil {
			t.Fatal(err)
		}
		if got := rec.Metric(durations, "server_address", want); got != before+1 {
			t.Errorf("%s: not counted as %s", target, want)
		}
	}
}

func TestNoSecretOfTheURLIsSeen(t *testing.T) {
	t.Parallel()
	rec, log := tracetest.New(), new(bytes.Buffer)
	ctx := plog.WithContext(rec.Context(t.Context()), plog.New(plog.JSON(log, plog.NewLevelVar(plog.DebugLevel))))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close() // nobody answers there
	secret := "http://us3r:p4ss@" + address + "/items/85123A?token=t0k3n#fr4gment"

	resp, err := newClient(t).Do(newRequest(ctx, t, "GET", secret))
	if err == nil {
		resp.Body.Close()
	}

	if e, ok := errors.AsType[*url.Error](err); !ok || e.Op != "Get" || e.URL != "http://"+address+"/items/85123A" || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error: got %v", err)
	}
	if got := onlySpan(t, rec); got.Status != "error" || got.Attributes["error.type"] != "transient" {
		t.Errorf("span: got %+v", got)
	}
	seen := fmt.Sprintf("%v %+v %s", err, rec.Spans(), log)
	for _, s := range []string{"us3r", "p4ss", "t0k3n", "fr4gment"} {
		if strings.Contains(seen, s) {
			t.Errorf("%s is seen in %s", s, seen)
		}
	}
	if log.Len() > 0 {
		t.Errorf("log: got %s, want nothing", log)
	}
}

func TestAnErrorOfAnInnerClientIsCleaned(t *testing.T) {
	t.Parallel()
	for inner, want := range map[string]string{"http://u:p@stock/x?q=1": `Get "http://stock/x": no`, "http://u:p@%zz": `Get "": no`} {
		transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: inner, Err: errors.New("no")}
		})))
		err := exchange(transport, newRequest(tracetest.New().Context(t.Context()), t, "GET", "http://stock/"))
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestACanceledRequestEndsAtOnce(t *testing.T) {
	t.Parallel()
	rec, arrived := tracetest.New(), make(chan struct{})
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(rec.Context(t.Context()))
	go func() {
		<-arrived
		cancel(errors.New("the grace period is over"))
	}()

	err := exchange(newTransport(t), newRequest(ctx, t, "GET", server.URL))

	if err == nil || rec.Metric(durations, "error_type", "canceled") != 1 {
		t.Errorf("got %v, counted %v as canceled", err, rec.Metric(durations, "error_type", "canceled"))
	}
	rec.AssertNoneOpen(t)
}

func TestATransportThatPanicsLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(*http.Request) (*http.Response, error) { panic("theirs") })))
	func() {
		defer func() {
			if got := recover(); got != "theirs" {
				t.Errorf("panic: got %v, want it as it was", got)
			}
		}()
		exchange(transport, newRequest(rec.Context(t.Context()), t, "GET", "http://stock/"))
	}()
	rec.AssertNoneOpen(t)
	if got, flying := rec.Metric(durations, "error_type", "panic"), rec.Metric("http_client_active_requests"); got != 1 || flying != 0 {
		t.Errorf("got %v counted, %v in flight", got, flying)
	}
}

func TestWhatATransportMustNotReturnIsAnError(t *testing.T) {
	t.Parallel()
	rec, closed := tracetest.New(), false
	transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/nothing" {
			return nil, nil
		}
		resp := answer(r, 200)
		resp.Body = closer(func() { closed = true })
		return resp, errors.New("and an error")
	})))
	for path, want := range map[string]string{"/nothing": "the transport returned neither a response nor an error", "/both": "and an error"} {
		err := exchange(transport, newRequest(rec.Context(t.Context()), t, "GET", "http://stock"+path))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if !closed {
		t.Error("the body that came with an error is open")
	}
	rec.AssertNoneOpen(t)
}

// closer is an empty body that tells when it is closed.
type closer func()

func (closer) Read([]byte) (int, error) { return 0, io.EOF }
func (c closer) Close() error {
	c()
	return nil
}

func TestARequestWithoutURLOrHeaderIsAnErrorOrFine(t *testing.T) {
	t.Parallel()
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	transport := newTransport(t)
	if err := exchange(transport, &http.Request{Method: http.MethodGet}); err == nil {
		t.Error("no URL: got no error")
	}
	req := newRequest(t.Context(), t, "GET", server.URL)
	req.Header = nil
	resp, err := transport.RoundTrip(req)
	if err != nil || req.Header != nil {
		t.Fatalf("no header: got %v", err)
	}
	read(t, resp)
}

func TestManyRequestsAtOnce(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get(correlation.HeaderID)) })
	client := newClient(t, phttpclient.WithMaxConnsPerHost(4))
	shared := http.Header{"Accept": {"text/plain"}}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				id := fmt.Sprintf("order-%d-%d", i, j)
				req := newRequest(correlation.ContextWithID(rec.Context(t.Context()), id), t, "GET", server.URL)
				req.Header = shared // which is only read
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				if got := read(t, resp); got != id {
					t.Errorf("got %q, want %q", got, id)
				}
			}
		})
	}
	wg.Wait()
	if got, flying := rec.Metric(durations, "http_response_status_code", "200"), rec.Metric("http_client_active_requests"); got != 320 || flying != 0 {
		t.Errorf("got %v counted, %v in flight, want 320 and 0", got, flying)
	}
	rec.AssertNoneOpen(t)
}

func TestHTTP2IsSpoken(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	pool, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the client of the server has another transport")
	}
	rec := tracetest.New()
	client := newClient(t, phttpclient.WithTLSConfig(pool.TLSClientConfig))

	get(rec.Context(t.Context()), t, client, server.URL)

	if got := onlySpan(t, rec).Attributes["network.protocol.version"]; got != "2" {
		t.Errorf("network.protocol.version: got %v", got)
	}
}

func TestTelemetryIsThatOfTheContext(t *testing.T) {
	t.Parallel()
	transport := newTransport(t, phttpclient.WithTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil })))
	a, b := tracetest.New(), tracetest.New()
	for _, rec := range []*tracetest.Recorder{a, b, b} {
		if err := exchange(transport, newRequest(rec.Context(t.Context()), t, "GET", "http://stock/")); err != nil {
			t.Fatal(err)
		}
	}
	if got, other := a.Metric(durations), b.Metric(durations); got != 1 || other != 2 {
		t.Errorf("got %v and %v, want 1 and 2", got, other)
	}
}
