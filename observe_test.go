package patron

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/provider"
	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// series returns the lines of /metrics that begin with one of the prefixes.
func series(t *testing.T, r *metric.Registry, prefixes ...string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	var found []string
	for line := range strings.Lines(w.Body.String()) {
		for _, prefix := range prefixes {
			if strings.HasPrefix(line, prefix) {
				found = append(found, strings.TrimSpace(line))
			}
		}
	}
	return found
}

func TestTheLifeIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithDrainDelay(5*time.Second), WithComponents(&fake{name: "a", tr: tr, start: ends(time.Second, nil)}))
		b.start()
		<-b.Started()
		b.send(syscall.SIGTERM)
		_, _ = b.wait()

		if diff := cmp.Diff([]string{"info: service started", "info: service stopping", "info: service stopped"}, b.log.messages()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		for message, want := range map[string]map[string]any{
			"service started":  {"took": 1.0, "version": "1.0.0"},
			"service stopping": {"cause": "signal: terminated", "drain_delay": 5.0, "grace_period": 10.0},
			"service stopped":  {"state": "stopped", "ran": 6.0},
		} {
			logged := b.log.find(message)
			for key, value := range want {
				if len(logged) != 1 || logged[0][key] != value {
					t.Errorf("%q: got %v, want %s=%v", message, logged, key, value)
				}
			}
		}
	})
}

func TestTheSourceOfALineIsItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newTranscript())
		b.start()
		b.stop(nil)
		_, _ = b.wait()
		for message, file := range map[string]string{"service started": "/life.go:", "service stopping": "/stop.go:"} {
			if src, _ := b.log.find(message)[0][plog.SourceKey].(string); !strings.Contains(src, file) {
				t.Errorf("%q: got the source %q, want one in %s", message, src, file)
			}
		}
	})
}

// What components do with their contexts ends where their service says, with two services in one process.
func TestTwoServicesInOneProcessDoNotMix(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type seen struct {
			*bench
			registry *metric.Registry
			spans    *bytes.Buffer
		}
		services := make(map[string]*seen)
		for _, name := range []string{"one", "two"} {
			s := &seen{registry: metric.NewRegistry(), spans: new(bytes.Buffer)}
			exporter, err := provider.NewJSONExporter(s.spans)
			if err != nil {
				t.Fatal(err)
			}
			work := func(ctx context.Context) {
				plog.FromContext(ctx).Info("worked for " + name)
				slog.New(plog.Handler()).InfoContext(ctx, "slogged for "+name)
				metric.FromContext(ctx).Counter(metric.Opts{Name: "works_total", Help: "Works.", Labels: []string{"for"}}).With(name).Inc()
				_, span := trace.Start(ctx, "work for "+name)
				span.End(nil)
			}
			tr := newTranscript()
			s.bench = newBench(t, tr, WithRegistry(s.registry),
				WithTracing(provider.WithSyncExporter(exporter), provider.WithSampler(sdktrace.AlwaysSample())),
				WithComponents(&fake{
					name: "a", tr: tr,
					start: func(ctx context.Context) error { work(ctx); return nil },
					run:   func(ctx context.Context) error { work(ctx); <-ctx.Done(); return nil },
				}))
			services[name] = s
		}

		for _, s := range services {
			s.start()
		}
		for _, s := range services {
			s.stop(nil)
			s.wantEnd(0, "")
		}

		for name, s := range services {
			if got := len(s.log.find("worked for "+name)) + len(s.log.find("slogged for "+name)); got != 4 {
				t.Errorf("service %s: got %d lines of its own, want 4", name, got)
			}
			if got := strings.Count(s.spans.String(), `"name":"work for `+name+`"`); got != 2 {
				t.Errorf("service %s: got %d spans of its own, want 2:\n%s", name, got, s.spans)
			}
			if diff := cmp.Diff([]string{`works_total{for="` + name + `"} 2`}, series(t, s.registry, "works_total")); diff != "" {
				t.Errorf("service %s: metrics (-want +got):\n%s", name, diff)
			}
			other := map[string]string{"one": "two", "two": "one"}[name]
			if all := strings.Join(s.log.messages(), "\n") + s.spans.String(); strings.Contains(all, "for "+other) {
				t.Errorf("service %s has what belongs to %s", name, other)
			}
		}
	})
}

func TestStatesOfComponentsAreMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		registry := metric.NewRegistry()
		current := func(want ...string) {
			t.Helper()
			var got []string
			for _, line := range series(t, registry, "patron_component_state{") {
				if state, ok := strings.CutSuffix(line, " 1"); ok {
					got = append(got, strings.TrimPrefix(state, "patron_component_state"))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("states after %v (-want +got):\n%s", time.Since(tr.began), diff)
			}
		}
		state := func(name, state string) string {
			return `{patron_component="` + name + `",patron_component_state="` + state + `"}`
		}
		b := newBench(t, tr, WithRegistry(registry),
			WithComponents(&fake{name: "a", tr: tr, start: ends(time.Second, nil), run: takes(time.Second)}),
			WithComponents(&fake{name: "b", tr: tr, run: func(ctx context.Context) error {
				<-ctx.Done()
				return errors.New("b failed")
			}}))

		current(state("a", "new"), state("b", "new"))
		b.start()
		current(state("a", "starting"), state("b", "new"))
		<-b.Started()
		time.Sleep(time.Second)
		current(state("a", "running"), state("b", "running"))
		b.stop(nil)
		time.Sleep(500 * time.Millisecond)
		current(state("a", "stopping"), state("b", "failed"))
		_, _ = b.wait()
		current(state("a", "stopped"), state("b", "failed"))

		if diff := cmp.Diff([]string{`target_info{service_name="bench",service_version="1.0.0"} 1`}, series(t, registry, "target_info{")); diff != "" {
			t.Errorf("target_info (-want +got):\n%s", diff)
		}
	})
}

func TestAComponentThatUnwindsIsStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		over := make(chan struct{})
		b := newBench(t, tr, WithComponents(
			&unwinding{over: over}, &fake{name: "b", tr: tr, start: ends(time.Second, errors.New("b failed"))}))
		b.start()
		time.Sleep(2 * time.Second)
		if got := b.components()[0]["state"]; got != "stopping" {
			t.Errorf("got %v, want stopping", got)
		}
		close(over)
		b.wantEnd(2*time.Second, "component b: start: b failed")
	})
}

// unwinding is a component that takes its time to release what Start took.
type unwinding struct{ over <-chan struct{} }

func (u *unwinding) Run(context.Context) error {
	<-u.over
	return nil
}

func TestOutcomesOfChecksAreMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		registry := metric.NewRegistry()
		var s switchable
		b := newBench(t, tr, WithRegistry(registry), WithComponents(&checked{fake{name: "a", tr: tr}, s.check}))
		b.start()
		for _, step := range []struct {
			err  error
			want string
		}{{nil, "1"}, {errors.New("gone"), "0"}, {nil, "1"}} {
			s.set(step.err)
			b.health(t.Context())
			want := []string{`patron_health_check_status{patron_component="a"} ` + step.want}
			if diff := cmp.Diff(want, series(t, registry, "patron_health_check_status{")); diff != "" {
				t.Errorf("after %v (-want +got):\n%s", step.err, diff)
			}
		}
		b.stop(nil)
		_, _ = b.wait()
	})
}

// lossy is an exporter that loses what it gets.
type lossy struct{}

func (lossy) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	return errors.New("collector gone")
}
func (lossy) Shutdown(context.Context) error { return nil }
func (lossy) String() string                 { return "lossy" }

func TestSpansThatAreLostAreCountedAndLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		registry := metric.NewRegistry()
		lost := func() []string {
			return series(t, registry, `patron_trace_spans_dropped_total{exporter="lossy",reason="export_failed"}`)
		}
		b := newBench(t, tr, WithRegistry(registry), WithTracing(provider.WithExporter(lossy{}), provider.WithSampler(sdktrace.AlwaysSample())),
			WithComponents(&fake{name: "a", tr: tr, run: func(ctx context.Context) error {
				_, span := trace.Start(ctx, "work")
				span.End(nil)
				<-ctx.Done()
				_, span = trace.Start(ctx, "last work")
				span.End(nil)
				return nil
			}}))
		b.start()
		if diff := cmp.Diff([]string{`patron_trace_spans_dropped_total{exporter="lossy",reason="export_failed"} 0`}, lost()); diff != "" {
			t.Errorf("before (-want +got):\n%s", diff)
		}
		time.Sleep(5 * time.Second)
		if diff := cmp.Diff([]string{`patron_trace_spans_dropped_total{exporter="lossy",reason="export_failed"} 1`}, lost()); diff != "" {
			t.Errorf("while it runs (-want +got):\n%s", diff)
		}
		b.stop(nil)
		b.wantEnd(5*time.Second, "") // a trace that is lost does not make a stop fail
		if diff := cmp.Diff([]string{`patron_trace_spans_dropped_total{exporter="lossy",reason="export_failed"} 2`}, lost()); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
		if got := b.log.find("spans were not exported"); len(got) == 0 || !strings.Contains(got[0]["error"].(string), "collector gone") {
			t.Errorf("the log says %v", got)
		}
	})
}

// slow is an exporter that never gives up.
type slow struct{ lossy }

func (slow) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	time.Sleep(time.Hour)
	return nil
}

func TestTheFlushIsBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		second bool
		took   time.Duration
		text   string
	}{
		"by its own time":    {took: flushTime},
		"by a second signal": {second: true, took: 50 * time.Millisecond, text: ErrForced.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				b := newBench(t, tr, WithTracing(provider.WithExporter(slow{}), provider.WithSampler(sdktrace.AlwaysSample())),
					WithComponents(&fake{name: "a", tr: tr, run: func(ctx context.Context) error {
						_, span := trace.Start(ctx, "work")
						span.End(nil)
						<-ctx.Done()
						return nil
					}}))
				b.start()
				b.send(syscall.SIGTERM)
				if tt.second {
					b.send(syscall.SIGTERM)
				}
				b.wantEnd(tt.took, tt.text)
				if len(b.log.find("spans were lost")) != 1 {
					t.Errorf("the log says %v", b.log.messages())
				}
				time.Sleep(2 * time.Hour) // the exporter returns
			})
		})
	}
}

func TestTracesThatCannotStartAreAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr}))
		if err := b.telemetry.provider.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.start()
		_, err := b.wait()
		if !errors.Is(err, provider.ErrStarted) || !strings.HasPrefix(err.Error(), "traces: ") {
			t.Errorf("Run returned the error %v", err)
		}
		tr.want(t)
	})
}

// The variable has an effect: spans arrive where it points to.
func TestSpansGoToTheJaegerAgent(t *testing.T) {
	t.Parallel()
	agent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	host, port, _ := net.SplitHostPort(agent.LocalAddr().String())
	s, err := makeService(t, "orders", "1", []string{varJaegerHost + "=" + host, varJaegerPort + "=" + port, varSamplerParam + "=1"},
		WithoutHTTP(), WithoutSignals(), WithLogger(plog.New(plog.JSON(new(lines), nil))),
		WithComponents(runFunc(func(ctx context.Context) error {
			_, span := trace.Start(ctx, "take stock")
			span.End(nil)
			return component.ErrDone
		})))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil { // it flushes
		t.Error(err)
	}
	packet := make([]byte, 65536)
	if err := agent.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := agent.Read(packet)
	if got := string(packet[:n]); err != nil || !strings.Contains(got, "take stock") || !strings.Contains(got, "orders") {
		t.Errorf("the agent got %q (%v)", got, err)
	}
}

func TestAnUnknownVariableIsLoggedWithItsNearest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lines
		env, err := readEnvironment([]string{"PATRON_HTTP_DEFALT_PORT=1", "PATRON_LOG_LVL=debug", "PATRON_TEST_KAFKA=127.0.0.1:1", "PATH=/bin"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := newService("orders", "", env, nil, []OptionFunc{WithoutHTTP(), WithoutGlobals(), WithoutSignals(), WithLogger(plog.New(plog.JSON(&log, nil)))})
		if err != nil {
			t.Fatal(err)
		}
		if got := log.messages(); len(got) != 0 {
			t.Errorf("New logged %q", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range log.find("unknown environment variable") {
			got = append(got, line["variable"].(string)+" → "+line["nearest"].(string))
		}
		want := []string{"PATRON_HTTP_DEFALT_PORT → PATRON_HTTP_DEFAULT_PORT", "PATRON_LOG_LVL → PATRON_LOG_LEVEL"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	})
}

func TestInfoDescribesTheServiceAndItsComponents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr}), WithComponents(&informed{fake{name: "b", tr: tr}}))
		b.start()

		body, err := json.Marshal(b.description())
		if err != nil {
			t.Fatal(err)
		}
		b.stop(nil)
		_, _ = b.wait()

		var got struct {
			Name, Version, State, Started string
			Build                         map[string]any
			Components                    []map[string]any
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Name != "bench" || got.Version != "1.0.0" || got.State != "running" || got.Started != "2000-01-01T00:00:00Z" {
			t.Errorf("got %s", body)
		}
		if got.Build["module"] != "github.com/beatlabs/patron" || !strings.HasPrefix(got.Build["go"].(string), "go1.") {
			t.Errorf("build: got %v", got.Build)
		}
		want := []map[string]any{
			{"name": "a", "group": 1.0, "state": "running"},
			{"name": "b", "group": 2.0, "state": "running", "info": map[string]any{"queue": "orders"}},
		}
		if diff := cmp.Diff(want, got.Components); diff != "" {
			t.Errorf("components (-want +got):\n%s", diff)
		}
	})
}

type informed struct{ fake }

func (*informed) Info() map[string]any { return map[string]any{"queue": "orders"} }

func TestAGivenTracerProviderIsUsedAndLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		var spans bytes.Buffer
		exporter, err := provider.NewJSONExporter(&spans)
		if err != nil {
			t.Fatal(err)
		}
		tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
		b := newBench(t, tr, WithTracerProvider(tp), WithComponents(&fake{name: "a", tr: tr, start: func(ctx context.Context) error {
			ctx, span := trace.Start(correlation.ContextWithID(ctx, "abc"), "work")
			defer span.End(nil)
			plog.FromContext(ctx).Info("worked")
			return nil
		}}))
		b.start()
		b.stop(nil)
		b.wantEnd(0, "")
		_, span := tp.Tracer("test").Start(t.Context(), "after")
		span.End()
		if !strings.Contains(spans.String(), `"name":"work"`) || !strings.Contains(spans.String(), `"name":"after"`) {
			t.Errorf("spans: got\n%s", &spans)
		}
		line := b.log.find("worked")[0]
		if line[plog.CorrelationIDKey] != "abc" || line[plog.TraceIDKey] == nil {
			t.Errorf("the line has no IDs: %v", line)
		}
	})
}
