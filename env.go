package patron

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/zerolog"
	"github.com/beatlabs/patron/trace/provider"
)

//go:generate go test -run ^TestTheConfigurationDocumentIsCurrent$ -count=1 . -args -write

// environment is what the variables say. Only [readEnvironment] makes one.
type environment struct {
	port           int
	readTimeout    time.Duration
	writeTimeout   time.Duration
	managementAddr string // host:port, [off], or "" for the default

	logLevel  plog.Level
	logFormat zerolog.Format

	drainDelay  time.Duration
	gracePeriod time.Duration

	jaegerHost   string
	jaegerPort   int
	samplerType  string
	samplerParam float64

	otelService     string
	otelResource    string
	otelSampler     string
	otelSamplerArg  string
	otelPropagators []string

	values  map[string]string // of the known variables that are set
	unknown []string          // names of PATRON_ variables that nobody reads
}

// has reports whether any of the variables is set.
func (e *environment) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := e.values[name]; return ok })
}

// assignment shows a variable as it was set.
func (e *environment) assignment(name string) string {
	return fmt.Sprintf("%s=%q", name, e.values[name])
}

// The names of variables that are spoken of elsewhere.
const (
	prefix             = "PATRON_"
	testPrefix         = prefix + "TEST_" // of those that tell tests where brokers are
	varPort            = prefix + "HTTP_DEFAULT_PORT"
	varReadTimeout     = prefix + "HTTP_READ_TIMEOUT"
	varWriteTimeout    = prefix + "HTTP_WRITE_TIMEOUT"
	varManagementAddr  = prefix + "HTTP_MANAGEMENT_ADDR"
	varLogLevel        = prefix + "LOG_LEVEL"
	varLogFormat       = prefix + "LOG_FORMAT"
	varDrainDelay      = prefix + "DRAIN_DELAY"
	varGracePeriod     = prefix + "GRACE_PERIOD"
	varJaegerHost      = prefix + "JAEGER_AGENT_HOST"
	varJaegerPort      = prefix + "JAEGER_AGENT_PORT"
	varSamplerType     = prefix + "JAEGER_SAMPLER_TYPE"
	varSamplerParam    = prefix + "JAEGER_SAMPLER_PARAM"
	varOTelService     = "OTEL_SERVICE_NAME"
	varOTelResource    = "OTEL_RESOURCE_ATTRIBUTES"
	varOTelSampler     = "OTEL_TRACES_SAMPLER"
	varOTelSamplerArg  = "OTEL_TRACES_SAMPLER_ARG"
	varOTelPropagators = "OTEL_PROPAGATORS"
)

// sections returns the table.
func sections() []section {
	return []section{
		{"HTTP", "The HTTP server that every service has, and the listener for its operators.", httpVariables()},
		{"Log", "Lines go to standard error.", logVariables()},
		{"Stopping", "The life of a service is described in the package documentation.", stopVariables()},
		{
			"Tracing",
			"A sampler decides only where a trace starts; a trace that came in is continued as it is. The Jaeger sampler wins over OTEL_TRACES_SAMPLER.",
			append(jaegerVariables(), otelVariables()...),
		},
	}
}

func httpVariables() []variable {
	return []variable{
		{
			name: varPort, value: "50000", want: "a number from 0 to 65535, where 0 means a free port", option: "WithHTTP(phttp.WithPort(n))",
			about: "Port of the HTTP server, on all interfaces.",
			parse: number(0, 65535, func(e *environment) *int { return &e.port }),
		},
		{
			name: varReadTimeout, value: "5s", want: "a duration above 0", option: "WithHTTP(phttp.WithReadTimeout(d))",
			about: "How long each wait for more of a request body may last.",
			parse: duration(1, func(e *environment) *time.Duration { return &e.readTimeout }),
		},
		{
			name: varWriteTimeout, value: "10s", want: "a duration above 0", option: "WithHTTP(phttp.WithWriteTimeout(d))",
			about: "How long each write to the network may last; it bounds a client that does not read, never a response that pauses.",
			parse: duration(1, func(e *environment) *time.Duration { return &e.writeTimeout }),
		},
		{
			name: varManagementAddr, unset: "127.0.0.1 and the HTTP port + 1000, - 1000 above 64535; a free port if that one is taken or the HTTP port is 0",
			want: "host:port, or off", option: "WithManagementAddr(address)",
			about: "Where pprof, /info and the log level are served, for operators. An address that is set here and taken is an error.",
			parse: parseManagementAddr,
		},
	}
}

func logVariables() []variable {
	return []variable{
		{
			name: varLogLevel, value: "info", want: "debug, info, warn, error, fatal, panic or none, in upper or lower case", option: "WithLogger(logger)",
			about: "The lowest level that is written. It can be changed while the service runs, on the management listener.",
			parse: parsed(plog.ParseLevel, func(e *environment) *plog.Level { return &e.logLevel }),
		},
		{
			name: varLogFormat, value: "json", want: "json or text, in upper or lower case", option: "WithTextLogger(), WithLogger(logger)",
			about: "The form of a line: one JSON object, or text for people.",
			parse: parsed(zerolog.ParseFormat, func(e *environment) *zerolog.Format { return &e.logFormat }),
		},
	}
}

func stopVariables() []variable {
	return []variable{
		{
			name: varDrainDelay, value: "0s", want: "a duration, 0 or more", option: "WithDrainDelay(d)",
			about: "How long the service goes on serving after /ready turned to 503, so that load balancers notice.",
			parse: duration(0, func(e *environment) *time.Duration { return &e.drainDelay }),
		},
		{
			name: varGracePeriod, value: "10s", want: "a duration, 0 or more", option: "WithGracePeriod(d)",
			about: "How long work in flight may take to finish, all components together.",
			parse: duration(0, func(e *environment) *time.Duration { return &e.gracePeriod }),
		},
	}
}

func jaegerVariables() []variable {
	return []variable{
		{
			name: varJaegerHost, unset: "spans are not sent", want: "a host name or an IP address, without a port",
			option: "WithTracing(provider.WithExporter(e)), which adds to it",
			about:  "Host of the Jaeger agent (compact Thrift over UDP) that gets the spans.",
			parse:  parsed(parseHost, func(e *environment) *string { return &e.jaegerHost }),
		},
		{
			name: varJaegerPort, value: "6831", want: "a number from 1 to 65535, beside " + varJaegerHost, option: "as above",
			about: "Port of the Jaeger agent. Without a host it is an error.",
			parse: number(1, 65535, func(e *environment) *int { return &e.jaegerPort }),
		},
		{
			name: varSamplerType, value: "probabilistic", want: "const, probabilistic or ratelimiting", option: "WithTracing(provider.WithSampler(s))",
			about: "Which traces are started: all or none (1 or 0), a share of them (0 to 1), or so many a second. remote is not available yet.",
			parse: text(func(e *environment) *string { return &e.samplerType }),
		},
		{
			name: varSamplerParam, value: "0.0", want: "a number that the sampler type accepts", option: "as above",
			about: "The parameter of the sampler. At 0.0 no trace is started, and those of others are continued.",
			parse: parsed(func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }, func(e *environment) *float64 { return &e.samplerParam }),
		},
	}
}

func otelVariables() []variable {
	return []variable{
		{
			name: varOTelService, unset: "the name given to New", want: "any text", option: "WithTracing(provider.WithResource(…))",
			about: "The attribute service.name of spans.",
			parse: text(func(e *environment) *string { return &e.otelService }),
		},
		{
			name: varOTelResource, unset: "none", want: "key=value pairs with commas between them, percent-encoded", option: "as above",
			about: "Further attributes of the service that go with its spans.",
			parse: func(e *environment, value string) error {
				if _, err := provider.ParseResourceAttributes(value); err != nil {
					return err
				}
				e.otelResource = value
				return nil
			},
		},
		{
			name: varOTelSampler, unset: "the Jaeger sampler above",
			want:   "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio",
			option: "WithTracing(provider.WithSampler(s))", about: "Which traces are started, in the terms of OpenTelemetry.",
			parse: func(e *environment, value string) error {
				if _, err := provider.ParseSampler(value, ""); err != nil {
					return errNotWanted
				}
				e.otelSampler = value
				return nil
			},
		},
		{
			name: varOTelSamplerArg, unset: "1 for the samplers that take one", want: "a number from 0 to 1, beside " + varOTelSampler, option: "as above",
			about: "The argument of the sampler: the share of traces. Without a sampler it is an error.",
			parse: text(func(e *environment) *string { return &e.otelSamplerArg }),
		},
		{
			name: varOTelPropagators, value: "tracecontext,baggage",
			want: "tracecontext, baggage, b3, b3multi and jaeger with commas between them, or none", option: "WithTracing(provider.WithPropagators(…))",
			about: "How traces travel from process to process.",
			parse: func(e *environment, value string) error {
				var names []string
				for name := range strings.SplitSeq(value, ",") {
					names = append(names, strings.TrimSpace(name))
				}
				if _, err := provider.ParsePropagators(names); err != nil {
					return err
				}
				e.otelPropagators = names
				return nil
			},
		},
	}
}

// processEnvironment reads the environment of the process.
func processEnvironment() (*environment, error) { return readEnvironment(os.Environ()) }

// readEnvironment parses NAME=value pairs. An empty value counts as not set. The error joins all that is wrong; what is right is set all the same.
func readEnvironment(pairs []string) (*environment, error) {
	e := &environment{values: make(map[string]string)}
	var errs []error
	known := make(map[string]bool)
	set := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		set[name] = strings.TrimSpace(value)
	}
	for _, s := range sections() {
		for _, v := range s.variables {
			known[v.name] = true
			if err := v.read(e, set[v.name]); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if e.has(varJaegerPort) && !e.has(varJaegerHost) {
		errs = append(errs, fmt.Errorf("%s: set without %s, so it would do nothing", e.assignment(varJaegerPort), varJaegerHost))
	}
	if e.has(varOTelSamplerArg) && !e.has(varOTelSampler) {
		errs = append(errs, fmt.Errorf("%s: set without %s, so it would do nothing", e.assignment(varOTelSamplerArg), varOTelSampler))
	}
	for name := range set {
		if strings.HasPrefix(name, prefix) && !strings.HasPrefix(name, testPrefix) && !known[name] {
			e.unknown = append(e.unknown, name)
		}
	}
	slices.Sort(e.unknown)
	return e, errors.Join(errs...)
}
