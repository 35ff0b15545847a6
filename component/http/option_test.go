package http_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/encoding"
	plog "github.com/beatlabs/patron/log"
)

func TestNewRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for want, option := range map[string]phttp.OptionFunc{
		"option 1: nil":                      nil,
		"port -1: want 0 to 65535":           phttp.WithPort(-1),
		"port 65536: want 0 to 65535":        phttp.WithPort(65536),
		"port 70000: want 0 to 65535":        phttp.WithAddress("127.0.0.1:70000"),
		`address "localhost": want host`:     phttp.WithAddress("localhost"),
		`port "http": want a number from 0`:  phttp.WithAddress("localhost:http"),
		"name: empty":                        phttp.WithName(""),
		"listen: nil function":               phttp.WithListen(nil),
		"route 1: nil":                       phttp.WithRoutes(nil),
		"routes builder: nil":                phttp.WithRoutesBuilder(nil),
		"route builder 2: nil":               phttp.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(phttp.NewGetRouteBuilder("/", nothing), nil)),
		"middleware 1: nil":                  phttp.WithMiddlewares(nil),
		"no codecs":                          phttp.WithCodecs(),
		"codec 0: no media types":            phttp.WithCodecs(encoding.Codec{}),
		"read timeout 0s: want more than 0":  phttp.WithReadTimeout(0),
		"read header timeout -1ns: want":     phttp.WithReadHeaderTimeout(-1),
		"write timeout 0s: want more than 0": phttp.WithWriteTimeout(0),
		"idle timeout 0s: want more than 0":  phttp.WithIdleTimeout(0),
		"body limit 0: want at least 1":      phttp.WithBodyLimit(0),
		"alive check: nil function":          phttp.AliveCheck(nil),
		"ready check: nil function":          phttp.ReadyCheck(nil),
		"readiness: nil function":            phttp.WithReadiness(nil),
		"gate: nil function":                 phttp.WithGate(nil),
		"info: nil function":                 phttp.WithInfo(nil),
		"log level: nil function":            phttp.WithLogLevel(nil, nil),
		"want NewManagement":                 phttp.WithInfo(func() map[string]any { return nil }),
		"info and log level: want":           phttp.WithLogLevel(func() plog.Level { return 0 }, func(plog.Level) error { return nil }),
	} {
		c, err := phttp.New(option)
		if err == nil || !strings.Contains(err.Error(), want) || c != nil {
			t.Errorf("New: got %v, %v; want no component and an error with %q", c, err, want)
		}
	}
}

func TestNewJoinsAllErrors(t *testing.T) {
	t.Parallel()

	_, err := phttp.New(phttp.WithName("orders"), phttp.WithPort(-1), nil, phttp.WithReadTimeout(0), phttp.WithRoutes(phttp.NewRoute("", "", nil, true)))

	if err == nil {
		t.Fatal("New: got nil, want an error")
	}
	for _, want := range []string{"orders: ", "port -1", "option 3: nil", "read timeout 0s", "path is empty", "method is missing", "processor is nil"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New: got %q, want it to say %q", err, want)
		}
	}
}

func TestStartNamesTheAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	first := newComponent(t, phttp.WithAddress("127.0.0.1:0"))
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	address := first.Addr().String()

	err := newComponent(t, phttp.WithAddress(address)).Start(t.Context())

	if err == nil || !strings.Contains(err.Error(), "http: listen on "+address) {
		t.Errorf("Start: got %v, want an error that names %s", err, address)
	}
	unwind(t, first)
}

// unwind releases what Start took.
func unwind(t *testing.T, c component.Component) {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.Run(ended); err != nil {
		t.Errorf("Run with a context that has ended: got %v, want nil", err)
	}
}

func TestStartTakesAFreePortIfItMay(t *testing.T) {
	t.Parallel()
	o := observe(t)
	first := newComponent(t, phttp.WithAddress("127.0.0.1:0"))
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := newComponent(t, phttp.WithAddress(first.Addr().String()), phttp.WithFreePort())

	if err := second.Start(o); err != nil {
		t.Fatal(err)
	}

	if second.Addr().String() == first.Addr().String() {
		t.Errorf("Addr: got %v twice", first.Addr())
	}
	if log := o.lines(); !strings.Contains(log, "wanted="+first.Addr().String()) || !strings.Contains(log, "address="+second.Addr().String()) {
		t.Errorf("the log: got %q, want both addresses", log)
	}
	unwind(t, first)
	unwind(t, second)
}

func TestStartAndRunOutOfTurn(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.WithAddress("127.0.0.1:0"))
	if addr := c.Addr(); addr != nil {
		t.Errorf("Addr before Start: got %v, want nil", addr)
	}
	if err := c.Run(t.Context()); err == nil {
		t.Error("Run without Start: got nil, want an error")
	}
	ended, end := context.WithCancelCause(t.Context())
	cause := errors.New("cause")
	end(cause)
	if err := c.Start(ended); !errors.Is(err, cause) {
		t.Errorf("Start with a context that has ended: got %v, want its cause", err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err == nil {
		t.Error("Start twice: got nil, want an error")
	}
	unwind(t, c)
}

// broken is a listener that stops working.
type broken struct{ *memory }

var errBroken = errors.New("broken")

func (b broken) Accept() (net.Conn, error) {
	c, err := b.memory.Accept()
	if err != nil {
		return nil, errBroken
	}
	return c, nil
}

func TestAListenerThatBreaksEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory()
		c := newComponent(t, phttp.WithListen(func(context.Context, string, string) (net.Listener, error) { return broken{mem}, nil }),
			phttp.WithRoutes(get(t, "/", slow(0))))
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- c.Run(t.Context()) }()
		synctest.Wait()

		_ = mem.Close()

		if err := <-done; !errors.Is(err, errBroken) {
			t.Errorf("Run: got %v, want %v", err, errBroken)
		}
	})
}

func TestInfoDescribesTheComponent(t *testing.T) {
	t.Parallel()
	c := newComponent(t, phttp.WithName("orders"), phttp.WithAddress("127.0.0.1:1234"), phttp.WithRoutes(get(t, "/orders/{invoice}", slow(0))))
	if got := c.String(); got != "orders" {
		t.Errorf("String: got %q, want %q", got, "orders")
	}
	info := c.Info()
	if info["address"] != "127.0.0.1:1234" {
		t.Errorf("address: got %v", info["address"])
	}
	routes, _ := info["routes"].([]string)
	if got := strings.Join(routes, ", "); got != "GET /alive, GET /metrics, GET /ready, GET /orders/{invoice}" {
		t.Errorf("routes: got %s", got)
	}
	routes[0] = "changed"
	if again, _ := c.Info()["routes"].([]string); again[0] == "changed" {
		t.Error("the routes of Info are shared")
	}
}

var _ http.Handler = (*phttp.Component)(nil)
