package patron

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/provider"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// makeService is New with an environment of its own.
func makeService(t *testing.T, name, version string, pairs []string, oo ...OptionFunc) (*Service, error) {
	t.Helper()
	env, err := readEnvironment(pairs)
	return newService(name, version, env, err, append([]OptionFunc{WithoutGlobals()}, oo...))
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	var (
		noStock  *stock
		noFunc   runFunc
		noLogger *plog.Leveled
		noTracer oteltrace.TracerProvider
		one      = &stock{}
	)
	for name, tt := range map[string]struct {
		name    string
		options []OptionFunc
		want    string
	}{
		"no name":                   {want: "name: empty"},
		"nil option":                {name: "a", options: []OptionFunc{WithoutSignals(), nil}, want: "option 3: nil"},
		"no components":             {name: "a", options: []OptionFunc{WithComponents()}, want: "components: none given"},
		"nil component":             {name: "a", options: []OptionFunc{WithComponents(one, nil)}, want: "components: component 2 of 2 is nil (<nil>)"},
		"nil pointer as component":  {name: "a", options: []OptionFunc{WithComponents(noStock, one)}, want: "components: component 1 of 2 is nil (*patron.stock)"},
		"nil function as component": {name: "a", options: []OptionFunc{WithComponents(noFunc)}, want: "components: component 1 of 1 is nil (patron.runFunc)"},
		"the same component twice": {
			name: "a", options: []OptionFunc{WithComponents(one), WithComponents(&stock{}, one)}, want: "component 3: the same as component 1",
		},
		"nil hook": {name: "a", options: []OptionFunc{WithSIGHUP(nil)}, want: "sighup hook: nil function"},
		"hook without signals": {
			name: "a", options: []OptionFunc{WithSIGHUP(func() {}), WithoutSignals()}, want: "sighup hook: signals are left to the caller, by WithoutSignals",
		},
		"nil logger":            {name: "a", options: []OptionFunc{WithLogger(nil)}, want: "logger: nil (<nil>)"},
		"nil pointer as logger": {name: "a", options: []OptionFunc{WithLogger(noLogger)}, want: "logger: nil (*log.Leveled)"},
		"reserved log field": {
			name: "a", options: []OptionFunc{WithLogFields(map[string]any{"ver": 1, "srv": 1, "": 1})},
			want: "log fields: a field without a name\nlog fields: field \"srv\" belongs to the service\nlog fields: field \"ver\" belongs to the service",
		},
		"text logger beside a logger": {
			name: "a", options: []OptionFunc{WithLogger(plog.Default()), WithTextLogger()}, want: "text logger: the logger is given, by WithLogger",
		},
		"nil registry":        {name: "a", options: []OptionFunc{WithRegistry(nil)}, want: "registry: nil"},
		"nil tracer provider": {name: "a", options: []OptionFunc{WithTracerProvider(noTracer)}, want: "tracer provider: nil (<nil>)"},
		"no tracing options":  {name: "a", options: []OptionFunc{WithTracing()}, want: "tracing: none given"},
		"tracing beside a provider": {
			name: "a", options: []OptionFunc{WithTracerProvider(otel.GetTracerProvider()), WithTracing(provider.WithPropagators("b3"))},
			want: "tracing: the tracer provider is given, by WithTracerProvider",
		},
		"bad tracing option":    {name: "a", options: []OptionFunc{WithTracing(provider.WithPropagators("b4"))}, want: `unknown propagator "b4"`},
		"negative drain delay":  {name: "a", options: []OptionFunc{WithDrainDelay(-1)}, want: "drain delay -1ns: want 0 or more"},
		"negative grace period": {name: "a", options: []OptionFunc{WithGracePeriod(-time.Second)}, want: "grace period -1s: want 0 or more"},
		"bad management address": {
			name: "a", options: []OptionFunc{WithManagementAddr("localhost")}, want: `management address "localhost": want host:port, or off`,
		},
		"bad management port": {
			name: "a", options: []OptionFunc{WithManagementAddr("localhost:65536")}, want: `management address "localhost:65536": want a port from 0 to 65535, or off`,
		},
		"no routes":          {name: "a", options: []OptionFunc{WithRoutes()}, want: "routes: none given"},
		"nil routes builder": {name: "a", options: []OptionFunc{WithRoutesBuilder(nil)}, want: "http: routes builder: nil"},
		"no middlewares":     {name: "a", options: []OptionFunc{WithMiddlewares()}, want: "middlewares: none given"},
		"nil middleware":     {name: "a", options: []OptionFunc{WithMiddlewares(nil, nil)}, want: "middleware 1: nil\nmiddleware 2: nil"},
		"no HTTP options":    {name: "a", options: []OptionFunc{WithHTTP()}, want: "http: none given"},
		"nil HTTP option":    {name: "a", options: []OptionFunc{WithHTTP(nil)}, want: "nil"},
		"bad HTTP port":      {name: "a", options: []OptionFunc{WithHTTP(phttp.WithPort(70000))}, want: "http: port 70000: want 0 to 65535"},
		"nil alive check":    {name: "a", options: []OptionFunc{WithAliveCheck(nil)}, want: "alive check: nil function"},
		"nil ready check":    {name: "a", options: []OptionFunc{WithReadyCheck(nil)}, want: "ready check: nil function"},
		"HTTP without HTTP": {
			name: "a", options: []OptionFunc{WithoutHTTP(), WithHTTP(phttp.WithPort(1)), WithMiddlewares(func(h http.Handler) http.Handler { return h })},
			want: "http: there is no HTTP component, because of WithoutHTTP\nmiddlewares: there is no HTTP component, because of WithoutHTTP",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := makeService(t, tt.name, "", nil, tt.options...)
			if s != nil || err == nil || !strings.HasPrefix(err.Error(), "patron: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v and the error %q, want one with %q", s, err, tt.want)
			}
		})
	}
}

func TestNewJoinsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := makeService(t, "", "", []string{"PATRON_HTTP_DEFAULT_PORT=foo", "PATRON_JAEGER_SAMPLER_PARAM=2"},
		nil, WithSIGHUP(nil), WithMiddlewares(nil), WithGracePeriod(-1))
	for _, want := range []string{
		"name: empty", `PATRON_HTTP_DEFAULT_PORT="foo": want a number`, "option 2: nil", "sighup hook: nil function", "middleware 1: nil", "grace period -1ns",
		`PATRON_JAEGER_SAMPLER_PARAM="2"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestAnEmptyVersionIsDev(t *testing.T) {
	t.Parallel()
	s, err := makeService(t, "orders", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.description()["version"]; got != "dev" {
		t.Errorf("got the version %v, want dev", got)
	}
}

func TestBeforeRunAServiceIsNewAndHasNoAddress(t *testing.T) {
	t.Parallel()
	s, err := makeService(t, "orders", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.State() != component.New || s.Addr() != "" || s.ManagementAddr() != "" || isClosed(s.Started()) {
		t.Errorf("got %v, %q, %q", s.State(), s.Addr(), s.ManagementAddr())
	}
}

type named string

func (n named) Run(context.Context) error { return nil }
func (n named) String() string            { return string(n) }

func TestComponentsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s, err := makeService(t, "orders", "", nil, WithManagementAddr("127.0.0.1:0"), WithSIGHUP(func() {}),
		WithComponents(named("orders"), &stock{}, named("")), WithComponents(named("orders"), named("http"), &stock{}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range s.units() {
		got = append(got, u.name)
	}
	want := []string{"management", "http", "SIGHUP hook", "orders", "*patron.stock #2", "patron.named #3", "orders #4", "http #5", "*patron.stock #6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// Pointers to nothing may be equal although they are two components.
func TestComponentsWithoutFieldsAreNotTakenForOne(t *testing.T) {
	t.Parallel()
	if _, err := makeService(t, "orders", "", nil, WithComponents(new(empty), new(empty), named("a"), named("a"), runFunc(new(stock).Run))); err != nil {
		t.Error(err)
	}
}

type empty struct{}

func (*empty) Run(context.Context) error { return nil }

func TestVariablesThatHaveNoEffectAreSaid(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pairs   []string
		options []OptionFunc
		want    []string
	}{
		"none": {pairs: []string{"PATRON_LOG_LEVEL=debug", "OTEL_TRACES_SAMPLER=always_on"}},
		"sampler of OpenTelemetry": {
			pairs: []string{varOTelSampler + "=traceidratio", varOTelSamplerArg + "=1", varSamplerParam + "=0.5"},
			want:  []string{varOTelSampler, varOTelSamplerArg},
		},
		"log with a logger": {
			pairs: []string{varLogLevel + "=debug", varLogFormat + "=text"}, options: []OptionFunc{WithLogger(plog.Default())},
			want: []string{varLogLevel, varLogFormat},
		},
		"traces with a provider": {
			pairs: []string{varJaegerHost + "=a", varOTelPropagators + "=b3"}, options: []OptionFunc{WithTracerProvider(otel.GetTracerProvider())},
			want: []string{varJaegerHost},
		},
		"HTTP without HTTP": {
			pairs: []string{varPort + "=1", varReadTimeout + "=1s"}, options: []OptionFunc{WithoutHTTP()}, want: []string{varPort, varReadTimeout},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := makeService(t, "orders", "", tt.pairs, tt.options...)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, i := range s.ineffective {
				got = append(got, i.variable)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogFieldsGoToEveryLogger(t *testing.T) {
	t.Parallel()
	var log lines
	s, err := makeService(t, "orders", "", nil, WithLogFields(map[string]any{"team": "a"}), LogFields(map[string]any{"team": "b"}),
		Logger(plog.New(plog.JSON(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	s.logger.Info("hello")
	if got := log.find("hello"); len(got) != 1 || got[0]["team"] != "b" {
		t.Errorf("got %v", got)
	}
}

func TestTheLogLevelCanBeChanged(t *testing.T) {
	t.Parallel()
	s, err := makeService(t, "orders", "", []string{"PATRON_LOG_LEVEL=WARN"}, TextLogger())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.logLevel(); got != plog.WarnLevel {
		t.Errorf("level: got %v, want warn", got)
	}
	if err := s.setLogLevel(plog.DebugLevel); err != nil || s.logLevel() != plog.DebugLevel {
		t.Errorf("level: got %v and the error %v, want debug", s.logLevel(), err)
	}
}

// not parallel: it looks at the defaults of the process.
func TestNewInstallsTheDefaultsOfTheProcessWhenAllIsValid(t *testing.T) {
	keepGlobals(t)
	var log lines
	registry := metric.NewRegistry()
	options := []OptionFunc{WithoutHTTP(), WithoutSignals(), WithRegistry(registry), WithLogger(plog.New(plog.JSON(&log, nil)))}
	before := metric.Default()

	if _, err := New("orders", "1", append(options, nil)...); err == nil {
		t.Fatal("New: got no error")
	}
	if _, err := New("orders", "1", append(options, WithoutGlobals())...); err != nil {
		t.Fatal(err)
	}
	plog.Info("to the earlier one")
	slog.Info("to the earlier one")
	if metric.Default() != before || len(log.messages()) > 0 {
		t.Error("New changed the defaults although something was wrong, or they were to be left alone")
	}

	s, err := New("orders", "1", options...)
	if err != nil {
		t.Fatal(err)
	}
	plog.Info("by log")
	slog.Info("by slog")
	if diff := cmp.Diff([]string{"info: by log", "info: by slog"}, log.messages()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if metric.Default() != registry || trace.FromContext(t.Context()) != s.telemetry.Telemetry {
		t.Error("metrics and traces are not those of the service")
	}

	earlier := otel.GetTracerProvider()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	<-s.Started()
	if otel.GetTracerProvider() == earlier {
		t.Error("Run left the tracer provider of OpenTelemetry alone")
	}
	otel.Handle(errors.New("by opentelemetry"))
	if got := log.find("opentelemetry"); len(got) != 1 || got[0]["error"] != "by opentelemetry" {
		t.Errorf("the log says %v", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// keepGlobals restores the defaults of the process at the end of a test.
func keepGlobals(t *testing.T) {
	t.Helper()
	log, tp, propagator := slog.Default(), otel.GetTracerProvider(), otel.GetTextMapPropagator()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		slog.SetDefault(log)
		plog.SetDefault(nil)
		metric.SetDefault(nil)
		trace.SetDefault(nil)
		otel.SetTracerProvider(tp)
		otel.SetTextMapPropagator(propagator)
	})
}

func TestASamplerOfVariables(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pairs []string
		want  string // in the description of the sampler; "" if New must fail with err
		err   string
	}{
		"default: nothing is started":   {want: "sampled=false"},
		"Jaeger, all":                   {pairs: []string{"PATRON_JAEGER_SAMPLER_TYPE=const", "PATRON_JAEGER_SAMPLER_PARAM=1"}, want: "sampled=true"},
		"Jaeger, type alone":            {pairs: []string{"PATRON_JAEGER_SAMPLER_TYPE=const"}, want: "sampled=false"},
		"Jaeger, parameter alone":       {pairs: []string{"PATRON_JAEGER_SAMPLER_PARAM=1.0"}, want: "sampled=true"},
		"Jaeger, upper case":            {pairs: []string{"PATRON_JAEGER_SAMPLER_TYPE=CONST", "PATRON_JAEGER_SAMPLER_PARAM=1"}, want: "sampled=true"},
		"Jaeger, rate":                  {pairs: []string{"PATRON_JAEGER_SAMPLER_TYPE=ratelimiting", "PATRON_JAEGER_SAMPLER_PARAM=1"}, want: "sampled=true"},
		"Jaeger, remote":                {pairs: []string{"PATRON_JAEGER_SAMPLER_TYPE=remote"}, err: `PATRON_JAEGER_SAMPLER_TYPE="remote"`},
		"Jaeger, unknown":               {pairs: []string{"PATRON_JAEGER_SAMPLER_TYPE=some"}, err: `PATRON_JAEGER_SAMPLER_TYPE="some"`},
		"Jaeger, share above 1":         {pairs: []string{"PATRON_JAEGER_SAMPLER_PARAM=1.5"}, err: `PATRON_JAEGER_SAMPLER_PARAM="1.5"`},
		"OpenTelemetry":                 {pairs: []string{"OTEL_TRACES_SAMPLER=always_on"}, want: "sampled=true"},
		"OpenTelemetry, with argument":  {pairs: []string{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0"}, want: "sampled=false"},
		"OpenTelemetry, bad argument":   {pairs: []string{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=2"}, err: `OTEL_TRACES_SAMPLER_ARG="2"`},
		"Jaeger wins":                   {pairs: []string{"OTEL_TRACES_SAMPLER=always_on", "PATRON_JAEGER_SAMPLER_PARAM=0"}, want: "sampled=false"},
		"Jaeger agent":                  {pairs: []string{"PATRON_JAEGER_AGENT_HOST=localhost", "PATRON_JAEGER_AGENT_PORT=6832"}, want: "sampled=false"},
		"Jaeger agent that is no host":  {pairs: []string{"PATRON_JAEGER_AGENT_HOST=localhost:6831"}, err: `PATRON_JAEGER_AGENT_HOST="localhost:6831"`},
		"service name and attributes":   {pairs: []string{"OTEL_SERVICE_NAME=shop", "OTEL_RESOURCE_ATTRIBUTES=a=b,service.name=no"}, want: "sampled=false"},
		"propagators":                   {pairs: []string{"OTEL_PROPAGATORS=b3, jaeger"}, want: "sampled=false"},
		"propagators that do not exist": {pairs: []string{"OTEL_PROPAGATORS=b4"}, err: `OTEL_PROPAGATORS="b4"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var spans bytes.Buffer
				exporter, err := provider.NewJSONExporter(&spans)
				if err != nil {
					t.Fatal(err)
				}
				tr := newTranscript()
				s, err := makeService(t, "orders", "1", tt.pairs, WithoutHTTP(), WithoutSignals(), WithTracing(provider.WithSyncExporter(exporter)),
					WithLogger(plog.New(plog.JSON(new(lines), nil))),
					WithComponents(&fake{name: "a", tr: tr, run: func(ctx context.Context) error {
						_, span := trace.Start(ctx, "work")
						tr.addf("sampled=%t", span.SpanContext().IsSampled())
						span.End(nil)
						return component.ErrDone
					}}))
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Errorf("New: got the error %v, want one with %s", err, tt.err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Run(t.Context()); err != nil {
					t.Error(err)
				}
				if got := tr.all()[2]; got != "0s "+tt.want {
					t.Errorf("got %q, want %s", got, tt.want)
				}
				if sampled := spans.Len() > 0; sampled != (tt.want == "sampled=true") {
					t.Errorf("spans: got\n%s", &spans)
				}
			})
		})
	}
}

func TestTheResourceOfSpans(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pairs []string
		want  []string
	}{
		"name and version":       {want: []string{`"service.name":"orders"`, `"service.version":"1"`}},
		"attributes":             {pairs: []string{"OTEL_RESOURCE_ATTRIBUTES=a=b,service.name=shop"}, want: []string{`"a":"b"`, `"service.name":"shop"`}},
		"the name wins over all": {pairs: []string{"OTEL_RESOURCE_ATTRIBUTES=service.name=shop", "OTEL_SERVICE_NAME=till"}, want: []string{`"service.name":"till"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spans bytes.Buffer
			exporter, err := provider.NewJSONExporter(&spans)
			if err != nil {
				t.Fatal(err)
			}
			s, err := makeService(t, "orders", "1", append(tt.pairs, "OTEL_TRACES_SAMPLER=always_on"), WithoutHTTP(), WithoutSignals(),
				WithTracing(provider.WithSyncExporter(exporter)), WithLogger(plog.New(plog.JSON(new(lines), nil))),
				WithComponents(runFunc(func(ctx context.Context) error {
					_, span := trace.Start(ctx, "work")
					span.End(nil)
					return component.ErrDone
				})))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(t.Context()); err != nil {
				t.Error(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(spans.String(), want) {
					t.Errorf("the span does not have %s:\n%s", want, &spans)
				}
			}
		})
	}
}

func TestErrorsOfTheServiceCanBeAskedFor(t *testing.T) {
	t.Parallel()
	for _, err := range []error{ErrForced, ErrRan} {
		if !errors.Is(errors.Join(errors.New("x"), err), err) || !strings.HasPrefix(err.Error(), "patron: ") {
			t.Errorf("got %v", err)
		}
	}
}
