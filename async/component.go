package async

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async/internal/jitter"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
)

// ProcessorFunc processes one message. It returns nil when the effect of the message has happened: the message is then taken off its source. Any error
// means that it has not: the failure policy decides what follows. Because a message may come again after a crash, the effect must bear being repeated.
// The context ends when the grace period of a stop is over, when the message is no longer ours (the cause is [ErrLost]) or after [WithHandlerTimeout].
type ProcessorFunc func(ctx context.Context, msg *Message) error

// BatchFunc processes several messages, those of one lane in their order. nil: all are done. A [*BatchError]: those it names failed, and the others are
// done. Any other error or a panic: all failed. The slice is the handler's: it may change and keep it. The messages are not: who keeps one takes a
// [Message.Clone]. The indexes of a BatchError are those of the slice as it came.
type BatchFunc func(ctx context.Context, msgs []*Message) error

// MiddlewareFunc wraps a ProcessorFunc.
type MiddlewareFunc func(next ProcessorFunc) ProcessorFunc

var (
	_ component.Component = (*Component)(nil)
	_ component.Checker   = (*Component)(nil)
	_ component.Informer  = (*Component)(nil)
)

// Component consumes one source. It is a component.Component: give it to a service. Make it with [New] or [NewBatch].
type Component struct {
	name    string
	factory ConsumerFactory
	traits  Traits
	config  config
	handler ProcessorFunc
	batch   BatchFunc

	link    atomic.Pointer[link]  // state of the connection
	stall   atomic.Pointer[stall] // what the watchdog says; nil: nothing
	mu      sync.Mutex            // guards current and control
	current *session
	control control
}

// link is what Check tells about the connection.
type link struct {
	up       bool
	cause    error // why it is down
	consumer Consumer
}

// Pauses between attempts to connect, and how long a connection must have lived for earlier failures to be forgotten.
const (
	minReconnect = 50 * time.Millisecond
	maxReconnect = 5 * time.Second
	healthy      = time.Minute
)

// errNotConnected is the cause before the first attempt to connect has ended.
var errNotConnected = errors.New("not connected yet")

// New returns a component that processes each message of a source by itself. It connects in Run. The name appears in errors and on /info. It returns every
// fault of its arguments and options, joined.
func New(name string, cf ConsumerFactory, proc ProcessorFunc, oo ...OptionFunc) (*Component, error) {
	c := &Component{name: name, factory: cf, config: defaultConfig()}
	var errs []error
	if proc == nil {
		errs = append(errs, errors.New("processor is nil"))
	}
	if err := c.configure(oo, errs); err != nil {
		return nil, err
	}
	c.handler = proc
	for _, v := range slices.Backward(c.config.middlewares) {
		c.handler = v(c.handler)
	}
	if c.config.dedup != nil {
		dedup, err := c.config.dedup.Deduplicate(c.config.plan(c.name))
		if err == nil && dedup == nil {
			err = errors.New("the deduplicator returned neither a middleware nor an error")
		}
		if err != nil {
			return nil, fmt.Errorf("async: component %q: deduplication: %w", c.name, err)
		}
		c.handler = dedup(c.handler)
	}
	c.handler = newGate(&c.config, c.traits).each(c.handler)
	return c, nil
}

// NewBatch returns a component that processes messages in batches; see [WithBatchSize] and [WithBatchWait]. In all else it is [New].
func NewBatch(name string, cf ConsumerFactory, proc BatchFunc, oo ...OptionFunc) (*Component, error) {
	c := &Component{name: name, factory: cf, config: defaultConfig()}
	c.config.batch = true
	var errs []error
	if proc == nil {
		errs = append(errs, errors.New("processor is nil"))
	}
	if err := c.configure(oo, errs); err != nil {
		return nil, err
	}
	c.batch = newGate(&c.config, c.traits).batch(proc)
	return c, nil
}

func (c *Component) configure(oo []OptionFunc, errs []error) error {
	if c.name == "" {
		errs = append(errs, errors.New("name is empty"))
	}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c.config))
	}
	if c.factory == nil {
		errs = append(errs, errors.New("consumer factory is nil"))
	} else {
		c.traits = c.factory.Traits()
		errs = append(errs, c.config.check(c.traits))
		if errors.Join(errs...) == nil {
			factory, err := c.planned()
			errs, c.factory = append(errs, err), factory
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("async: component %q: %w", c.name, err)
	}
	c.link.Store(&link{cause: errNotConnected})
	return nil
}

// String returns the name.
func (c *Component) String() string { return c.name }

// Info describes the component.
func (c *Component) Info() map[string]any {
	info := map[string]any{
		"name": c.name, "concurrency": c.config.concurrency, "max_held": c.config.maxHeld, "tries": c.config.policy.tries,
		"ordered": c.traits.Ordered.String(), "connected": c.link.Load().up,
	}
	if c.config.limiter != nil {
		info["rate_limit"] = c.config.limiter.String()
	}
	if st := c.stall.Load(); st != nil {
		info["stalled"] = st.err().Error()
	}
	c.mu.Lock()
	s := c.current
	info["paused"] = c.control.paused
	if len(c.control.sources) > 0 {
		info["paused_sources"] = c.control.sources
	}
	c.mu.Unlock()
	if s != nil {
		info["held"], info["running"] = s.counts()
	}
	return info
}

// Check returns nil while the component is connected, its consumer is healthy, messages do not wait in vain (see [WithWatchdog]) and none that is tried without
// end (NackStrategy, [NewForward], [PostponedError]) has failed for five seconds; else the cause. A pause is no fault.
func (c *Component) Check(ctx context.Context) error {
	l := c.link.Load()
	err := l.cause
	if l.up {
		err = nil
		if checker, ok := l.consumer.(component.Checker); ok {
			err = checker.Check(ctx)
		}
	}
	if err == nil {
		if st := c.stall.Load(); st != nil {
			return fmt.Errorf("async: component %q: %w", c.name, st.err())
		}
		if err := c.troubled(); err != nil {
			return fmt.Errorf("async: component %q: %w", c.name, err)
		}
		return nil
	}
	err = fmt.Errorf("async: component %q: %w", c.name, err)
	if c.config.critical {
		return component.Critical(err)
	}
	return err
}

// OpenLanes opens the lanes that [StopLaneOnDead] closed and returns how many there were.
func (c *Component) OpenLanes() int {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s == nil {
		return 0
	}
	return s.openLanesOf(func(*Source) bool { return true })
}

// Run consumes until ctx ends. It connects, and connects again when the connection is lost, for ever unless [WithRetries] or [WithFailFast] say
// otherwise. When ctx ends it takes nothing new, gives back what it has not started, lets running handlers finish within the grace period
// (component.Work), cancels and gives back the others, and returns nil. A Volatile source is drained to empty instead, and what is left of it after the
// grace period is counted in the error.
func (c *Component) Run(ctx context.Context) error {
	take, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work, cancelWork := component.Work(take)
	defer cancelWork()
	settle, cancelSettle := component.Settle(work)
	defer cancelSettle()
	defer c.link.Store(&link{cause: errNotConnected})
	c.observeControl(trace.FromContext(ctx))
	life, dial := take, take // while life lives a lost connection is made again, and it is made while dial lives
	if c.traits.Volatile {
		life, dial = work, settle // what the broker holds dies with the process: it must be drained, and what is left when work has ended be counted
	}

	for failures := 0; ; failures++ {
		began := time.Now()
		connected, err := c.connect(dial, take, work, settle, stop)
		if fatal := (*fatalError)(nil); errors.As(err, &fatal) {
			return fmt.Errorf("async: component %q: %w", c.name, fatal.err)
		}
		switch {
		case err == nil, life.Err() != nil && !c.traits.Volatile:
			return nil
		case life.Err() != nil:
			return fmt.Errorf("async: component %q: not drained: %w", c.name, err)
		}
		c.link.Store(&link{cause: err})
		if connected && time.Since(began) >= healthy {
			failures = 0
		}
		permanent := reliability.Classify(err) == reliability.ClassPermanent
		switch {
		case c.config.failFast && (permanent || !connected && failures == 0):
			return fmt.Errorf("async: component %q: %w", c.name, err)
		case c.config.retries >= 0 && failures >= c.config.retries:
			return fmt.Errorf("async: component %q: gave up after %d tries: %w", c.name, failures+1, err)
		}
		wait := reconnectPause(ctx, "", failures)
		plog.Slog(ctx).WarnContext(ctx, "connection lost", "component", c.name, "error", err.Error(), "wait", wait)
		select {
		case <-life.Done():
		case <-time.After(wait):
		}
	}
}

// connect makes a consumer and runs a session on it. It reports whether the connection came about.
func (c *Component) connect(dial, take, work, settle context.Context, stop context.CancelCauseFunc) (bool, error) {
	consumer, err := c.create(dial)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	s := newSession(c, consumer, take, work, settle, stop)
	c.setCurrent(s)
	defer c.setCurrent(nil)
	c.link.Store(&link{up: true, consumer: consumer})
	return true, s.run()
}

// create calls the factory; a panic of it is an error like any other.
func (c *Component) create(ctx context.Context) (consumer Consumer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = reliability.Recovered(r)
		}
	}()
	consumer, err = c.factory.Create(ctx)
	if err == nil && consumer == nil {
		err = errors.New("the factory returned neither a consumer nor an error")
	}
	return consumer, err
}

func (c *Component) setCurrent(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = s
	if s != nil {
		c.adoptLocked(s)
	}
}

// reconnectPause is full jitter below a cap that doubles up to maxReconnect, for the message with id, or for the connection.
func reconnectPause(ctx context.Context, id string, failures int) time.Duration {
	limit := maxReconnect
	if failures < 16 {
		limit = min(limit, minReconnect<<failures)
	}
	return jitter.Draw(ctx, id, limit) + 1
}

// fatalError ends Run.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }
