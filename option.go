package patron

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace/provider"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// OptionFunc configures a [Service]. An option wins over the environment variable for the same thing, and that over the default.
type OptionFunc func(*config) error

// config is what environment and options say.
type config struct {
	env *environment

	groups [][]component.Component

	http           []phttp.OptionFunc
	httpWanted     []string // options that need the HTTP component
	withoutHTTP    bool
	managementAddr string // host:port, [off], or "" for the default
	readyCheck     phttp.ReadyCheckFunc

	logger    plog.Logger
	logFields map[string]any
	logText   bool

	registry       *metric.Registry
	tracing        []provider.OptionFunc
	tracerProvider oteltrace.TracerProvider

	drainDelay  time.Duration
	gracePeriod time.Duration

	hook           func()
	signals        listenFunc
	withoutGlobals bool
}

// newConfig takes what the variables say and then what the options say. The error joins all that is wrong.
func newConfig(env *environment, oo []OptionFunc) (*config, error) {
	c := &config{
		env: env, managementAddr: env.managementAddr, drainDelay: env.drainDelay, gracePeriod: env.gracePeriod,
		logFields: make(map[string]any), registry: metric.NewRegistry(), signals: notify,
	}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d: nil", i+1))
			continue
		}
		if err := o(c); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, c.conflicts(), c.sameTwice())
	return c, errors.Join(errs...)
}

// conflicts finds options that would do nothing beside others.
func (c *config) conflicts() error {
	var errs []error
	if c.withoutHTTP {
		for _, name := range c.httpWanted {
			errs = append(errs, fmt.Errorf("%s: there is no HTTP component, because of WithoutHTTP", name))
		}
	}
	if c.hook != nil && c.signals == nil {
		errs = append(errs, errors.New("sighup hook: signals are left to the caller, by WithoutSignals"))
	}
	if c.logger != nil && c.logText {
		errs = append(errs, errors.New("text logger: the logger is given, by WithLogger"))
	}
	if c.tracerProvider != nil && len(c.tracing) > 0 {
		errs = append(errs, errors.New("tracing: the tracer provider is given, by WithTracerProvider"))
	}
	return errors.Join(errs...)
}

// sameTwice finds components that would run twice at the same time.
func (c *config) sameTwice() error {
	var errs []error
	seen := make(map[component.Component]int)
	position := 0
	for _, group := range c.groups {
		for _, cmp := range group {
			position++
			t := reflect.TypeOf(cmp)
			if t == nil || t.Kind() != reflect.Pointer || t.Elem().Size() == 0 { // values are copies, and pointers to nothing may be equal
				continue
			}
			if first, ok := seen[cmp]; ok {
				errs = append(errs, fmt.Errorf("component %d: the same as component %d", position, first))
				continue
			}
			seen[cmp] = position
		}
	}
	return errors.Join(errs...)
}

// WithComponents adds components to run. Those of one call form a group: groups start in the order of the calls and stop in reverse, and members of a group
// start in the order of the list and stop together. Put what others depend on into an earlier group: a consumer before the HTTP component that publishes to
// it. Default: none.
func WithComponents(cc ...component.Component) OptionFunc {
	return func(c *config) error {
		if len(cc) == 0 {
			return errors.New("components: none given")
		}
		var errs []error
		group := slices.Clone(cc)
		for i, cmp := range cc {
			if isNil(cmp) {
				errs = append(errs, fmt.Errorf("components: component %d of %d is nil (%T)", i+1, len(cc), cmp))
			}
		}
		c.groups = append(c.groups, group)
		return errors.Join(errs...)
	}
}

// isNil reports whether x is nil or holds a nil pointer, function, map, channel or slice.
func isNil(x any) bool {
	v := reflect.ValueOf(x)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan, reflect.Slice, reflect.Interface:
		return v.IsNil()
	default:
		return false
	}
}

// WithHTTP configures the default HTTP component; see package component/http. It may be given more than once.
func WithHTTP(oo ...phttp.OptionFunc) OptionFunc {
	return func(c *config) error { return c.addHTTP("http", oo...) }
}

// addHTTP adds options for the HTTP component; name is what they are called if there is none.
func (c *config) addHTTP(name string, oo ...phttp.OptionFunc) error {
	if len(oo) == 0 {
		return fmt.Errorf("%s: none given", name)
	}
	c.http = append(c.http, oo...)
	c.httpWanted = append(c.httpWanted, name)
	return nil
}

// WithRoutes adds routes to the default HTTP component. They answer 503 with Retry-After until the service is ready.
func WithRoutes(routes ...*phttp.Route) OptionFunc {
	return func(c *config) error {
		if len(routes) == 0 {
			return errors.New("routes: none given")
		}
		return c.addHTTP("routes", phttp.WithRoutes(routes...))
	}
}

// WithRoutesBuilder adds the routes of a builder to the default HTTP component, as the builder is when New is called.
func WithRoutesBuilder(rb *phttp.RoutesBuilder) OptionFunc {
	return func(c *config) error { return c.addHTTP("routes builder", phttp.WithRoutesBuilder(rb)) }
}

// WithMiddlewares adds middlewares around all routes of the default HTTP component; the first is the outermost.
func WithMiddlewares(mm ...phttp.MiddlewareFunc) OptionFunc {
	return func(c *config) error {
		if len(mm) == 0 {
			return errors.New("middlewares: none given")
		}
		return c.addHTTP("middlewares", phttp.WithMiddlewares(mm...))
	}
}

// WithAliveCheck sets the check behind /alive. Default: alive.
func WithAliveCheck(check phttp.AliveCheckFunc) OptionFunc {
	return func(c *config) error { return c.addHTTP("alive check", phttp.AliveCheck(check)) }
}

// WithReadyCheck sets a check behind /ready, beside those of the components: the service gets traffic when all agree. Default: ready.
func WithReadyCheck(check phttp.ReadyCheckFunc) OptionFunc {
	return func(c *config) error {
		c.readyCheck = check
		return c.addHTTP("ready check", phttp.ReadyCheck(check))
	}
}

// WithoutHTTP leaves the default HTTP component out, and the management listener too unless its address is set.
func WithoutHTTP() OptionFunc {
	return func(c *config) error {
		c.withoutHTTP = true
		return nil
	}
}

// WithManagementAddr sets where pprof, /info and the log level are served: host:port, or "off". An address that is taken makes Run fail. Default:
// PATRON_HTTP_MANAGEMENT_ADDR, else 127.0.0.1 and the HTTP port + 1000 (- 1000 above 64535), or a free port if that one is taken or the HTTP port is 0.
func WithManagementAddr(address string) OptionFunc {
	return func(c *config) error {
		if address != off {
			if err := checkAddress(address); err != nil {
				return fmt.Errorf("management address %w, or off", err)
			}
		}
		c.managementAddr = address
		return nil
	}
}

// WithSIGHUP sets what is called on SIGHUP; the service goes on. Calls follow one another; signals that come during a call lead to one more. A panic is
// logged. Default: SIGHUP stops the service.
func WithSIGHUP(hook func()) OptionFunc {
	return func(c *config) error {
		if hook == nil {
			return errors.New("sighup hook: nil function")
		}
		c.hook = hook
		return nil
	}
}

// WithLogger sets the logger. It is used as it is: its lines carry the fields of [WithLogFields] and no others, and PATRON_LOG_LEVEL and PATRON_LOG_FORMAT
// have no effect. It must not write to slog.Default, which writes to it (see [WithoutGlobals]). Default: package log/zerolog on standard error, with the
// fields srv, ver and host.
func WithLogger(l plog.Logger) OptionFunc {
	return func(c *config) error {
		if isNil(l) {
			return fmt.Errorf("logger: nil (%T)", l)
		}
		c.logger = l
		return nil
	}
}

// WithLogFields adds fields to every line. srv, ver and host belong to the service. It may be given more than once; the last value of a field counts.
func WithLogFields(fields map[string]any) OptionFunc {
	return func(c *config) error {
		var errs []error
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			switch key {
			case "":
				errs = append(errs, errors.New("log fields: a field without a name"))
			case fieldService, fieldVersion, fieldHost:
				errs = append(errs, fmt.Errorf("log fields: field %q belongs to the service", key))
			default:
				c.logFields[key] = fields[key]
			}
		}
		return errors.Join(errs...)
	}
}

// WithTextLogger makes the lines of the default logger text for people. Default: PATRON_LOG_FORMAT, else JSON.
func WithTextLogger() OptionFunc {
	return func(c *config) error {
		c.logText = true
		return nil
	}
}

// WithRegistry sets the registry for the metrics of the service; [metric.Wrap] makes one of a *prometheus.Registry. Default: one of its own.
func WithRegistry(r *metric.Registry) OptionFunc {
	return func(c *config) error {
		if r == nil {
			return errors.New("registry: nil")
		}
		c.registry = r
		return nil
	}
}

// WithTracing configures the tracing of the service: exporters, sampler, propagators, attributes; see package trace/provider. Its options are applied after
// those that the environment variables stand for: an exporter is added, everything else is replaced. It may be given more than once.
func WithTracing(oo ...provider.OptionFunc) OptionFunc {
	return func(c *config) error {
		if len(oo) == 0 {
			return errors.New("tracing: none given")
		}
		c.tracing = append(c.tracing, oo...)
		return nil
	}
}

// WithTracerProvider makes spans go to a provider of the caller's, who starts it, flushes it and shuts it down. The variables about exporters and samplers
// have no effect then; OTEL_PROPAGATORS has. Default: a provider of the service, see [WithTracing].
func WithTracerProvider(tp oteltrace.TracerProvider) OptionFunc {
	return func(c *config) error {
		if isNil(tp) {
			return fmt.Errorf("tracer provider: nil (%T)", tp)
		}
		c.tracerProvider = tp
		return nil
	}
}

// WithDrainDelay sets how long the service goes on serving after it was told to stop, while /ready answers 503. Default: PATRON_DRAIN_DELAY, else 0.
func WithDrainDelay(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("drain delay %v: want 0 or more", d)
		}
		c.drainDelay = d
		return nil
	}
}

// WithGracePeriod sets how long work in flight may take to finish after the drain delay, all components together. Default: PATRON_GRACE_PERIOD, else 10 s.
func WithGracePeriod(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("grace period %v: want 0 or more", d)
		}
		c.gracePeriod = d
		return nil
	}
}

// WithoutSignals leaves signals to the caller: the service stops only with its context, or when a component returns.
func WithoutSignals() OptionFunc {
	return func(c *config) error {
		c.signals = nil
		return nil
	}
}

// WithoutGlobals leaves the defaults of the process alone: those of the packages log, metric and trace, of log/slog and of OpenTelemetry. It is for a second
// service in the same process and for tests.
func WithoutGlobals() OptionFunc {
	return func(c *config) error {
		c.withoutGlobals = true
		return nil
	}
}
