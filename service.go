package patron

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
)

// Errors of [Service.Run].
var (
	// ErrForced is returned when a second signal came while the service was stopping.
	ErrForced = errors.New("patron: forced to stop by a second signal")
	// ErrRan is returned by every call of Run but the first.
	ErrRan = errors.New("patron: Run was called before: make a new Service")
)

// Service runs components. [New] makes it. Its methods may be called concurrently.
type Service struct {
	cfg           *config
	name, version string
	logger        plog.Logger
	telemetry     *telemetry
	server        *phttp.Component  // nil: none
	management    *phttp.Management // nil: none
	hangup        *hangup           // nil: no hook
	readyGate     *check            // the ready check of the user; nil: none
	ineffective   []ineffective

	operators *group   // the management listener: starts first, stops last
	front     *group   // the default HTTP component: starts next, stops first
	groups    []*group // the hook and the user's, in the order of their start, which is the reverse of that of their stop

	state        atomic.Uint32 // a component.State
	started      chan struct{}
	ran          atomic.Bool
	life         atomic.Pointer[life]   // nil: not run yet
	addr         atomic.Pointer[string] // nil: not bound yet
	managementAt atomic.Pointer[string] // nil: not bound yet
}

// Started returns a channel that is closed when /ready first answers 200: all components run, every check has passed, and so has the one of [WithReadyCheck].
// It stays open if the service stops before that.
func (s *Service) Started() <-chan struct{} { return s.started }

// State returns the stage of the life in which the service is.
func (s *Service) State() component.State { return component.State(s.state.Load()) }

// Addr returns the host:port on which the default HTTP component listens, or "" before it does and if there is none. It stays when the service has stopped.
func (s *Service) Addr() string { return load(&s.addr) }

// ManagementAddr returns the host:port on which the management listener listens, or "" before it does and if there is none. It stays when the service has
// stopped.
func (s *Service) ManagementAddr() string { return load(&s.managementAt) }

func load(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}

// Run starts the service, runs it until it is told to stop, stops it, and returns what went wrong: nil if it was told to stop and everything was finished.
//
// It is told to stop by the end of ctx, by SIGTERM or SIGINT (SIGHUP too, unless there is a hook), or by the first component that returns. The parts of the
// error name their components and are joined: those that failed, to start or later; that returned nil although nobody had stopped them; and that were still
// running when drain delay, grace period and the time to settle were over, which Run does not wait for any longer. A component that returns
// [component.ErrDone] stops the service without an error. After a second SIGTERM or SIGINT Run returns [ErrForced] within 200 ms, whatever hangs. It never
// ends the process.
//
// Run may be called once; every other call returns [ErrRan].
func (s *Service) Run(ctx context.Context) error {
	if !s.ran.CompareAndSwap(false, true) {
		return ErrRan
	}
	l := s.newLife(ctx)
	defer l.release()

	l.watchSignals()
	l.warn()
	if l.startTelemetry() && l.startGroups() && l.passChecks() {
		l.serve()
	}
	l.drain()
	l.stopGroups()
	l.settle()
	l.flush()
	return l.result()
}
