package patron

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
)

// New returns a service that has not begun. The name is required; an empty version becomes "dev". The environment is read here, once. Everything that is
// wrong with name, variables, options, components and routes is in the error, joined, and nothing has happened then.
//
// New opens nothing and starts no goroutine. As its last act it installs logger and telemetry as defaults of the process, unless [WithoutGlobals] was given:
// those of the packages log, metric and trace, and of log/slog. [Service.Run] sets those of OpenTelemetry.
func New(name, version string, oo ...OptionFunc) (*Service, error) {
	env, envErr := processEnvironment()
	return newService(name, version, env, envErr, oo)
}

func newService(name, version string, env *environment, envErr error, oo []OptionFunc) (*Service, error) {
	version = versionOr(version)
	cfg, cfgErr := newConfig(env, oo)
	s := &Service{cfg: cfg, name: name, version: version, started: make(chan struct{})}
	errs := []error{checkName(name), envErr, cfgErr, s.makeServers()}
	logger, err := newLogger(name, version, cfg)
	errs = append(errs, err)
	if logger != nil {
		s.telemetry, err = newTelemetry(cmp.Or(name, "unnamed"), version, cfg, logger)
		errs = append(errs, err)
	}
	if err := joined(errs...); err != nil {
		return nil, err
	}
	s.logger = logger
	s.makeGroups()
	s.makeMetrics()
	s.findIneffective()
	if !cfg.withoutGlobals {
		installLogger(logger)
		s.telemetry.install()
	}
	return s, nil
}

func checkName(name string) error {
	if name == "" {
		return errors.New("name: empty")
	}
	return nil
}

func versionOr(version string) string { return cmp.Or(version, "dev") }

// joined says once whose errors they are.
func joined(errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("patron: %w", err)
	}
	return nil
}

// managementOffset is how far the port of the management listener is from that of the HTTP component.
const managementOffset = 1000

// makeServers makes the default HTTP component and the management listener.
func (s *Service) makeServers() error {
	var errs []error
	port := s.cfg.env.port
	if !s.cfg.withoutHTTP {
		server, err := phttp.New(append([]phttp.OptionFunc{
			phttp.WithPort(s.cfg.env.port), phttp.WithReadTimeout(s.cfg.env.readTimeout), phttp.WithWriteTimeout(s.cfg.env.writeTimeout),
			phttp.WithReadiness(s.health), phttp.WithGate(s.State),
		}, s.cfg.http...)...)
		errs = append(errs, err)
		if err == nil {
			s.server = server
			port = portOf(server)
		}
	}
	where, ok := s.managementOptions(port)
	if !ok {
		return errors.Join(errs...)
	}
	management, err := phttp.NewManagement(append(where,
		phttp.WithInfo(s.description), phttp.WithLogLevel(s.logLevel, s.setLogLevel),
		phttp.WithReadiness(s.health))...)
	s.management = management
	return errors.Join(append(errs, err)...)
}

// managementOptions says where the management listener listens, if there is to be one.
func (s *Service) managementOptions(httpPort int) ([]phttp.OptionFunc, bool) {
	switch {
	case s.cfg.managementAddr == off, s.cfg.managementAddr == "" && s.cfg.withoutHTTP:
		return nil, false
	case s.cfg.managementAddr != "":
		return []phttp.OptionFunc{phttp.WithAddress(s.cfg.managementAddr)}, true
	}
	port := httpPort + managementOffset
	switch {
	case httpPort == 0:
		port = 0
	case port > 65535:
		port = httpPort - managementOffset
	}
	return []phttp.OptionFunc{phttp.WithAddress(net.JoinHostPort("127.0.0.1", strconv.Itoa(port))), phttp.WithFreePort()}, true
}

// portOf returns the port that the component is told to listen on.
func portOf(c *phttp.Component) int {
	address, _ := c.Info()["address"].(string)
	_, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text) // an address that was accepted has one
	return port
}

// logLevel and setLogLevel serve /log/level.
func (s *Service) logLevel() plog.Level { return plog.Wrap(s.logger).Level() }

func (s *Service) setLogLevel(level plog.Level) error {
	plog.Wrap(s.logger).SetLevel(level)
	return nil
}

// makeGroups gives every component its unit, in the order of their start.
func (s *Service) makeGroups() {
	taken := make(map[string]bool)
	add := func(c component.Component, position int) *unit { return newUnit(c, position, taken) }
	s.operators, s.front = newGroup(), newGroup()
	if s.management != nil {
		s.operators.units = append(s.operators.units, add(s.management, 0))
	}
	if s.server != nil {
		s.front.units = append(s.front.units, add(s.server, 0))
	}
	if s.cfg.hook != nil {
		s.hangup = newHangup(s.cfg.hook)
		s.groups = append(s.groups, newGroup(add(s.hangup, 0)))
	}
	position := 0
	for _, cc := range s.cfg.groups {
		g := newGroup()
		for _, c := range cc {
			position++
			g.units = append(g.units, add(c, position))
		}
		s.groups = append(s.groups, g)
	}
	if s.cfg.readyCheck != nil {
		s.readyGate = &check{checker: readyCheck(s.cfg.readyCheck)}
	}
}

// makeMetrics binds the metrics of the service.
func (s *Service) makeMetrics() {
	s.cfg.registry.Gauge(metric.Opts{
		Name: "target_info", Help: "The service.", Labels: []string{"service_name", "service_version"},
	}).With(s.name, s.version).Set(1)
	states := s.cfg.registry.Gauge(metric.Opts{
		Name: "patron_component_state", Help: "The state of a component: 1 for the one it is in.",
		Labels: []string{"patron_component", "patron_component_state"},
	})
	checks := s.cfg.registry.Gauge(metric.Opts{
		Name: "patron_health_check_status", Help: "The outcome of the last check of a component: 1 if it passed.", Labels: []string{"patron_component"},
	})
	for _, u := range s.units() {
		u.gauges = make(map[component.State]*metric.Gauge)
		for state := range component.States() {
			u.gauges[state] = states.With(u.name, state.String())
		}
		u.gauges[component.New].Set(1)
		if u.check != nil {
			u.check.gauge = checks.With(u.name)
		}
	}
	if s.readyGate != nil {
		s.readyGate.gauge = checks.With(readyCheckName)
	}
}

// ineffective is a variable that is set and does nothing.
type ineffective struct{ variable, because string }

// findIneffective finds the variables that options or other variables overrule, for Run to log.
func (s *Service) findIneffective() {
	because := func(reason string, variables ...string) {
		for _, name := range variables {
			if s.cfg.env.has(name) {
				s.ineffective = append(s.ineffective, ineffective{name, reason})
			}
		}
	}
	if s.cfg.logger != nil {
		because("WithLogger gives the logger", varLogLevel, varLogFormat)
	}
	if s.cfg.tracerProvider != nil {
		because("WithTracerProvider gives the tracer provider",
			varJaegerHost, varJaegerPort, varSamplerType, varSamplerParam, varOTelService, varOTelResource, varOTelSampler, varOTelSamplerArg)
	} else if s.cfg.env.has(varSamplerType, varSamplerParam) {
		because(varSamplerType+" or "+varSamplerParam+" wins", varOTelSampler, varOTelSamplerArg)
	}
	if s.cfg.withoutHTTP {
		because("WithoutHTTP leaves the HTTP component out", varPort, varReadTimeout, varWriteTimeout)
	}
}
