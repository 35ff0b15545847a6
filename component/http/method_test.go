package http_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

func TestEveryBuilderSetsItsMethod(t *testing.T) {
	t.Parallel()
	constructors := map[string]func(string, psync.ProcessorFunc) *phttp.RouteBuilder{
		http.MethodGet: phttp.NewGetRouteBuilder, http.MethodHead: phttp.NewHeadRouteBuilder, http.MethodPost: phttp.NewPostRouteBuilder,
		http.MethodPut: phttp.NewPutRouteBuilder, http.MethodPatch: phttp.NewPatchRouteBuilder, http.MethodDelete: phttp.NewDeleteRouteBuilder,
		http.MethodConnect: phttp.NewConnectRouteBuilder, http.MethodOptions: phttp.NewOptionsRouteBuilder, http.MethodTrace: phttp.NewTraceRouteBuilder,
	}
	setters := map[string]func(*phttp.RouteBuilder) *phttp.RouteBuilder{
		http.MethodGet: (*phttp.RouteBuilder).MethodGet, http.MethodHead: (*phttp.RouteBuilder).MethodHead, http.MethodPost: (*phttp.RouteBuilder).MethodPost,
		http.MethodPut: (*phttp.RouteBuilder).MethodPut, http.MethodPatch: (*phttp.RouteBuilder).MethodPatch,
		http.MethodDelete: (*phttp.RouteBuilder).MethodDelete, http.MethodConnect: (*phttp.RouteBuilder).MethodConnect,
		http.MethodOptions: (*phttp.RouteBuilder).MethodOptions, http.MethodTrace: (*phttp.RouteBuilder).MethodTrace,
	}
	for method, construct := range constructors {
		for name, builder := range map[string]*phttp.RouteBuilder{
			"constructor": construct("/thing", index), "setter": setters[method](phttp.NewRouteBuilder("/thing", index)),
		} {
			c, err := phttp.New(phttp.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(builder)))
			if err != nil {
				t.Errorf("%s by %s: %v", method, name, err)
				continue
			}
			other := http.MethodDelete
			if method == other {
				other = http.MethodPut
			}
			if w := ask(t, c, method, "/thing", `{"x":1}`); w.Code >= http.StatusBadRequest {
				t.Errorf("%s by %s: got %d, want success", method, name, w.Code)
			}
			if w := ask(t, c, other, "/thing", ""); w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), method) {
				t.Errorf("%s to a route of %s by %s: got %d, Allow %q", other, method, name, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

func TestTheHostIsSetApartFromThePort(t *testing.T) {
	t.Parallel()
	c, err := phttp.New(phttp.WithPort(0), phttp.WithHost("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(c.Addr().String())

	if err != nil || host != "127.0.0.1" {
		t.Errorf("got %s and error %v, want 127.0.0.1", c.Addr(), err)
	}
	if _, err := phttp.New(phttp.WithHost("a host")); err == nil || !strings.Contains(err.Error(), `host "a host": want a name or an IP address`) {
		t.Errorf("a bad host: got error %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := c.Run(stopped); err != nil {
		t.Errorf("Run: %v", err)
	}
}
