package async

import (
	"errors"
	"fmt"
	"slices"

	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
)

// control is what the user wants of a component at run time, whichever session it has just now. It is guarded by the mutex of the component, which may be held
// while that of the session is taken, never the other way round.
type control struct {
	paused  bool
	sources []string         // paused by name, sorted
	gauge   *metric.GaugeVec // of pauses; nil before Run
	stalled *metric.Gauge    // of the watchdog
}

const (
	metricPaused  = "patron_consumer_paused"
	metricStalled = "patron_consumer_stalled"
)

// Pause stops receiving and starting messages until [Component.Resume]. It does not block and may be called at any time, before Run too; a second call does
// nothing. A pause outlives the connection.
//
// Handlers that run finish, and what they say is settled. Messages that are held stay held: their leases are extended, their pauses between tries go on, and
// none is given back, because most brokers would count that against them. A Receive that is under way may still bring messages, which are held as well. While
// nothing is received a lost connection may be noticed only after Resume.
//
// A stop during a pause is a stop: what is held is given back. But a Volatile source is drained, so a stop ends its pause: what it holds would be lost.
func (c *Component) Pause() { c.setPaused(true) }

// Resume ends the pause of [Component.Pause]. Sources that are paused by name stay so. It does not block; without a pause it does nothing.
func (c *Component) Resume() { c.setPaused(false) }

func (c *Component) setPaused(paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control.paused = paused
	c.gaugePausesLocked("", paused)
	if c.current != nil {
		c.current.halt(paused)
	}
}

// PauseSource is [Component.Pause] for one source: "orders" for all partitions of a topic, those that are assigned later too, or "orders/3" for one. It takes a
// connection whose consumer is a [Pauser]; where there is none, the error wraps errors.ErrUnsupported. A name that the consumer does not have is an error that
// names those that it has. A pause outlives the connection; a second call does nothing.
func (c *Component) PauseSource(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.control.sources, name) {
		return nil
	}
	sources, err := c.sourcesLocked()
	switch {
	case err != nil:
		return c.errorf("pause source %q: %w", name, err)
	case !slices.ContainsFunc(sources, func(s *Source) bool { return s.is(name) }):
		return c.errorf("pause source %q: unknown, want one of %s", name, list(sources))
	}
	c.control.sources = append(slices.Clone(c.control.sources), name) // a session has the old ones
	slices.Sort(c.control.sources)
	c.gaugePausesLocked(name, true)
	c.current.stopSources(c.control.sources)
	return nil
}

// ResumeSource ends what [Component.PauseSource] began, with the same name. For a source that is not paused it does nothing. It is an error to resume a
// partition of a topic that is paused as a whole, or a name that the consumer does not have.
func (c *Component) ResumeSource(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.Index(c.control.sources, name); at >= 0 {
		c.control.sources = slices.Delete(slices.Clone(c.control.sources), at, at+1)
		c.gaugePausesLocked(name, false)
		if c.current != nil {
			c.current.stopSources(c.control.sources)
		}
		return nil
	}
	sources, err := c.sourcesLocked()
	if err != nil {
		return c.errorf("resume source %q: %w", name, err)
	}
	known := false
	for _, s := range sources {
		if !s.is(name) {
			continue
		}
		known = true
		if at := slices.IndexFunc(c.control.sources, s.is); at >= 0 {
			return c.errorf("resume source %q: it is paused as %q", name, c.control.sources[at])
		}
	}
	if !known {
		return c.errorf("resume source %q: unknown, want one of %s", name, list(sources))
	}
	return nil
}

// sourcesLocked returns the sources of the consumer.
func (c *Component) sourcesLocked() ([]*Source, error) {
	if c.current == nil {
		return nil, errNotConnected
	}
	pauser := c.current.pauser
	if pauser == nil {
		return nil, fmt.Errorf("the consumer, a %T, cannot pause a source: %w", c.current.consumer, errors.ErrUnsupported)
	}
	return pauser.Sources(), nil
}

// list names sources.
func list(sources []*Source) string {
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = s.String()
	}
	slices.Sort(names)
	return fmt.Sprintf("%q", names)
}

// is reports whether name means s: its name, or its name and partition as String tells them.
func (s *Source) is(name string) bool {
	return s.Name == name || s.Partition >= 0 && s.String() == name
}

// adoptLocked makes s do what the user wants.
func (c *Component) adoptLocked(s *session) {
	if c.control.paused {
		s.halt(true)
	}
	if len(c.control.sources) > 0 {
		s.stopSources(c.control.sources)
	}
}

// observeControl binds the metrics of the component.
func (c *Component) observeControl(t *trace.Telemetry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control.gauge = t.Metrics().Gauge(metric.Opts{
		Name: metricPaused, Labels: []string{"patron_component", "messaging_destination_name"},
		Help: "1 while a consumer is paused by its user: as a whole (no destination), or one source.",
	})
	c.gaugePausesLocked("", c.control.paused)
	for _, name := range c.control.sources {
		c.gaugePausesLocked(name, true)
	}
	c.control.stalled = t.Metrics().Gauge(metric.Opts{
		Name: metricStalled, Labels: []string{"patron_component"},
		Help: "1 while messages wait and the watchdog of the consumer sees no progress.",
	}).With(c.name)
	c.control.stalled.Set(0)
}

func (c *Component) gaugePausesLocked(source string, paused bool) {
	if c.control.gauge == nil {
		return
	}
	value := 0.0
	if paused {
		value = 1
	}
	c.control.gauge.With(c.name, source).Set(value)
}

// errorf names the component in an error.
func (c *Component) errorf(format string, args ...any) error {
	return fmt.Errorf("async: component %q: %w", c.name, fmt.Errorf(format, args...))
}
