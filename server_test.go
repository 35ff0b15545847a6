package patron

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
)

// running is a service with sockets, in real time.
type running struct {
	*Service
	log    *lines
	stop   context.CancelFunc
	result <-chan error
}

// begin makes a service on a free port and calls Run. The test ends with it.
func begin(t *testing.T, pairs []string, oo ...OptionFunc) *running {
	t.Helper()
	r := &running{log: new(lines)}
	s, err := makeService(t, "orders", "1", append([]string{"PATRON_HTTP_DEFAULT_PORT=0"}, pairs...),
		append([]OptionFunc{WithoutSignals(), WithLogger(plog.New(plog.JSON(r.log, nil)))}, oo...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	result := make(chan error, 1)
	r.Service, r.stop, r.result = s, stop, result
	go func() {
		err := s.Run(ctx)
		result <- err
		result <- err // for the clean-up
	}()
	t.Cleanup(func() {
		stop()
		<-result
	})
	return r
}

// started waits until the service is ready.
func (r *running) started(t *testing.T) {
	t.Helper()
	select {
	case <-r.Started():
	case err := <-r.result:
		t.Fatalf("Run returned the error %v", err)
	case <-t.Context().Done():
		t.Fatal("the test is over")
	}
}

// until waits for a condition that nobody signals.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.After(10 * time.Second); !condition(); {
		select {
		case <-deadline:
			t.Fatalf("waited 10s for: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// client opens a connection for each request, so that no idle one is waited for.
func client(t *testing.T) *http.Client {
	t.Helper()
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, method, url, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(read)}
}

func get(t *testing.T, address, path string) answer {
	t.Helper()
	return ask(t, http.MethodGet, "http://"+address+path, "")
}

func wantStatus(t *testing.T, address, path string, want int) {
	t.Helper()
	if got := get(t, address, path); got.status != want {
		t.Errorf("GET %s: got %d %s, want %d", path, got.status, got.body, want)
	}
}

// route answers path with what handle writes.
func route(t *testing.T, path string, handle http.HandlerFunc) OptionFunc {
	t.Helper()
	return WithRoutesBuilder(phttp.NewRoutesBuilder().Append(phttp.NewRawRouteBuilder(path, handle).MethodGet()))
}

func TestTheServerIsThereWhileComponentsStart(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	orders, err := phttp.NewRawRouteBuilder("/orders", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }).MethodGet().Build()
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, nil, WithRoutes(orders),
		WithComponents(&fake{name: "a", tr: newTranscript(), start: func(context.Context) error {
			<-goOn
			return nil
		}}))
	until(t, "an address", func() bool { return r.Addr() != "" })

	wantStatus(t, r.Addr(), "/alive", http.StatusOK)
	wantStatus(t, r.Addr(), "/ready", http.StatusServiceUnavailable)
	wantStatus(t, r.Addr(), "/metrics", http.StatusOK)
	if got := get(t, r.Addr(), "/orders"); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("GET /orders while starting: got %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	if body := get(t, r.Addr(), "/ready?verbose").body; !strings.Contains(body, `"status":"starting"`) || !strings.Contains(body, `"a":"starting"`) {
		t.Errorf("GET /ready?verbose: got %s", body)
	}

	close(goOn)
	r.started(t)
	wantStatus(t, r.Addr(), "/ready", http.StatusOK)
	if body := get(t, r.Addr(), "/orders").body; body != "served" {
		t.Errorf("GET /orders: got %q", body)
	}
	if body := get(t, r.Addr(), "/metrics").body; !strings.Contains(body, `patron_component_state{patron_component="a",patron_component_state="running"} 1`) ||
		!strings.Contains(body, "go_goroutines") {
		t.Error("GET /metrics: got no metrics of the service, or none of the process")
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Errorf("Run returned the error %v", err)
	}
}

func TestRoutesAreServedInTheDrainDelay(t *testing.T) {
	t.Parallel()
	r := begin(t, nil, WithDrainDelay(300*time.Millisecond), route(t, "/orders", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }))
	r.started(t)
	stopped := time.Now()
	r.stop()
	until(t, "stopping", func() bool { return r.State() == component.Stopping })

	wantStatus(t, r.Addr(), "/ready", http.StatusServiceUnavailable)
	wantStatus(t, r.Addr(), "/alive", http.StatusOK)
	wantStatus(t, r.Addr(), "/orders", http.StatusOK)

	if err := <-r.result; err != nil || time.Since(stopped) < 300*time.Millisecond {
		t.Errorf("Run returned the error %v after %v", err, time.Since(stopped))
	}
}

func TestTheServerStopsBeforeTheComponentsItFeeds(t *testing.T) {
	t.Parallel()
	inHandler, goOn := make(chan struct{}), make(chan struct{})
	var told atomic.Bool
	var toldEarly bool
	r := begin(t, nil,
		route(t, "/orders", func(w http.ResponseWriter, _ *http.Request) {
			close(inHandler)
			<-goOn
			toldEarly = told.Load()
			fmt.Fprint(w, "served")
		}),
		WithComponents(runFunc(func(ctx context.Context) error {
			<-ctx.Done()
			told.Store(true)
			return nil
		})))
	r.started(t)
	answered := make(chan string)
	go func() {
		answered <- get(t, r.Addr(), "/orders").body
	}()
	<-inHandler
	r.stop()
	until(t, "a closed listener", func() bool {
		conn, err := net.Dial("tcp", r.Addr())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(goOn)
	if got := <-answered; got != "served" {
		t.Errorf("the request in flight: got %q", got)
	}
	if err := <-r.result; err != nil {
		t.Errorf("Run returned the error %v", err)
	}
	if toldEarly || !told.Load() {
		t.Errorf("the component was told to stop while the request was in flight: %t; at the end: %t", toldEarly, told.Load())
	}
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	address := taken.Addr().String()
	for name, option := range map[string]OptionFunc{"http": WithHTTP(phttp.WithAddress(address)), "management": WithManagementAddr(address)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTranscript()
			r := begin(t, nil, option, WithComponents(&fake{name: "a", tr: tr}))
			err := <-r.result
			if got := textOf(err); !strings.HasPrefix(got, "component "+name+": start: ") || !strings.Contains(got, address) {
				t.Errorf("Run returned the error %v", err)
			}
			tr.want(t)
		})
	}
}

func TestWhereTheManagementListenerIs(t *testing.T) {
	t.Parallel()
	t.Run("the HTTP port + 1000 on loopback", func(t *testing.T) {
		t.Parallel()
		s, err := makeService(t, "orders", "", []string{"PATRON_HTTP_DEFAULT_PORT=8080"})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.management.Info()["address"]; got != "127.0.0.1:9080" {
			t.Errorf("got %v", got)
		}
	})
	for httpPort, want := range map[int]string{
		0: "127.0.0.1:0", 50000: "127.0.0.1:51000", 64535: "127.0.0.1:65535", 64536: "127.0.0.1:63536", 65535: "127.0.0.1:64535",
	} {
		t.Run(strconv.Itoa(httpPort), func(t *testing.T) {
			t.Parallel()
			s, err := makeService(t, "orders", "", []string{"PATRON_HTTP_DEFAULT_PORT=1"}, WithHTTP(phttp.WithPort(httpPort)))
			if err != nil {
				t.Fatal(err)
			}
			if got := s.management.Info()["address"]; got != want {
				t.Errorf("got %v, want %s", got, want)
			}
		})
	}
	t.Run("nowhere if it is off", func(t *testing.T) {
		t.Parallel()
		for _, s := range []func() (*Service, error){
			func() (*Service, error) {
				return makeService(t, "orders", "", []string{"PATRON_HTTP_MANAGEMENT_ADDR=off"})
			},
			func() (*Service, error) {
				return makeService(t, "orders", "", []string{"PATRON_HTTP_MANAGEMENT_ADDR=:1"}, WithManagementAddr("off"))
			},
			func() (*Service, error) { return makeService(t, "orders", "", nil, WithoutHTTP()) },
		} {
			if s, err := s(); err != nil || s.management != nil {
				t.Errorf("got %v and the error %v", s, err)
			}
		}
	})
	t.Run("alone if only it is wanted", func(t *testing.T) {
		t.Parallel()
		r := begin(t, nil, WithoutHTTP(), WithManagementAddr("127.0.0.1:0"))
		r.started(t)
		wantStatus(t, r.ManagementAddr(), "/ready", http.StatusOK)
		if r.Addr() != "" {
			t.Errorf("the HTTP component is on %s", r.Addr())
		}
	})
}

// The default address is a convenience: a second service on the machine must not fail for it.
func TestADefaultManagementPortThatIsTakenFallsBackToAFreeOne(t *testing.T) {
	t.Parallel()
	port, taken := portAndTaken(t)
	defer taken.Close()
	r := begin(t, nil, WithHTTP(phttp.WithAddress("127.0.0.1:"+strconv.Itoa(port))))
	r.started(t)
	if got := r.ManagementAddr(); got == taken.Addr().String() || !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("the management listener is on %s", got)
	}
	if got := r.log.find("address taken, listening on a free port"); len(got) != 1 || got[0]["address"] != r.ManagementAddr() {
		t.Errorf("the log says %v", got)
	}
}

// portAndTaken returns a port that is free, and a listener on the port 1000 above.
func portAndTaken(t *testing.T) (int, net.Listener) {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if port > 64535 {
			continue
		}
		if taken, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+1000)); err == nil {
			return port, taken
		}
	}
	t.Fatal("found no two ports")
	return 0, nil
}

func TestTheManagementListenerServesOperators(t *testing.T) {
	t.Parallel()
	r := begin(t, nil, WithComponents(&informed{fake{name: "a", tr: newTranscript()}}))
	r.started(t)
	wantStatus(t, r.ManagementAddr(), "/debug/pprof/", http.StatusOK)
	wantStatus(t, r.ManagementAddr(), "/ready", http.StatusOK)
	wantStatus(t, r.Addr(), "/debug/pprof/", http.StatusNotFound)
	wantStatus(t, r.Addr(), "/info", http.StatusNotFound)

	var info struct {
		Name, State, HTTP, Management string
		Components                    []struct {
			Name, State string
			Group       int
			Info        map[string]any
		}
	}
	if body := get(t, r.ManagementAddr(), "/info").body; json.Unmarshal([]byte(body), &info) != nil {
		t.Fatalf("GET /info: got %s", body)
	}
	if info.Name != "orders" || info.State != "running" || info.HTTP != r.Addr() || info.Management != r.ManagementAddr() || len(info.Components) != 3 {
		t.Errorf("GET /info: got %+v", info)
	}
	if c := info.Components[2]; c.Name != "a" || c.Group != 1 || c.State != "running" || c.Info["queue"] != "orders" {
		t.Errorf("GET /info: got %+v", c)
	}

	level := "http://" + r.ManagementAddr() + "/log/level"
	if body := ask(t, http.MethodGet, level, "").body; !strings.Contains(body, `"info"`) {
		t.Errorf("GET /log/level: got %s", body)
	}
	if got := ask(t, http.MethodPut, level, "debug"); got.status != http.StatusOK || r.logLevel() != plog.DebugLevel {
		t.Errorf("PUT /log/level: got %d %s and the level %v", got.status, got.body, r.logLevel())
	}
}

func TestChecksOfTheUser(t *testing.T) {
	t.Parallel()
	var alive, ready atomic.Int64
	alive.Store(int64(phttp.Alive))
	ready.Store(int64(phttp.NotReady))
	r := begin(t, nil,
		WithAliveCheck(func() phttp.AliveStatus { return phttp.AliveStatus(alive.Load()) }),
		WithReadyCheck(func() phttp.ReadyStatus { return phttp.ReadyStatus(ready.Load()) }),
		route(t, "/orders", func(http.ResponseWriter, *http.Request) {}))
	until(t, "running", func() bool { return r.State() == component.Running })
	wantStatus(t, r.Addr(), "/ready", http.StatusServiceUnavailable)
	wantStatus(t, r.Addr(), "/orders", http.StatusOK)
	if isClosed(r.Started()) {
		t.Error("Started is closed although /ready answers 503")
	}

	ready.Store(int64(phttp.Ready))
	r.started(t)
	wantStatus(t, r.Addr(), "/ready", http.StatusOK)
	ready.Store(7)
	wantStatus(t, r.Addr(), "/ready", http.StatusServiceUnavailable)

	wantStatus(t, r.Addr(), "/alive", http.StatusOK)
	alive.Store(7)
	wantStatus(t, r.Addr(), "/alive", http.StatusServiceUnavailable)
}

func TestAServiceThatNeverWasReadyDoesNotSaySo(t *testing.T) {
	t.Parallel()
	r := begin(t, nil, WithReadyCheck(func() phttp.ReadyStatus { return phttp.NotReady }))
	until(t, "running", func() bool { return r.State() == component.Running })
	r.stop()
	if err := <-r.result; err != nil || isClosed(r.Started()) {
		t.Errorf("Run returned the error %v; Started is closed: %t", err, isClosed(r.Started()))
	}
}

func TestAnAddressStaysWhenTheServiceHasStopped(t *testing.T) {
	t.Parallel()
	r := begin(t, nil)
	r.started(t)
	address, management := r.Addr(), r.ManagementAddr()
	r.stop()
	if err := <-r.result; err != nil {
		t.Fatal(err)
	}
	if r.Addr() != address || r.ManagementAddr() != management || address == "" || management == "" {
		t.Errorf("got %q and %q, want %q and %q", r.Addr(), r.ManagementAddr(), address, management)
	}
}

// The port, not the order of options and variables, decides.
func TestOptionsWinOverVariables(t *testing.T) {
	t.Parallel()
	s, err := makeService(t, "orders", "", []string{
		"PATRON_HTTP_DEFAULT_PORT=1", "PATRON_HTTP_READ_TIMEOUT=1s", "PATRON_HTTP_WRITE_TIMEOUT=1s", "PATRON_DRAIN_DELAY=1s", "PATRON_GRACE_PERIOD=1s",
		"PATRON_HTTP_MANAGEMENT_ADDR=localhost:2",
	}, WithHTTP(phttp.WithPort(3), phttp.WithReadTimeout(3*time.Second)),
		WithDrainDelay(3*time.Second), WithGracePeriod(3*time.Second), WithManagementAddr("localhost:3"))
	if err != nil {
		t.Fatal(err)
	}
	limits, _ := s.server.Info()["limits"].(map[string]any)
	got := fmt.Sprintf("%v %v %v %v %v %v", s.server.Info()["address"], limits["read_timeout"], limits["write_timeout"],
		s.cfg.drainDelay, s.cfg.gracePeriod, s.management.Info()["address"])
	if want := ":3 3s 1s 3s 3s localhost:3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
