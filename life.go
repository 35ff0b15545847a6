package patron

import (
	"context"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/trace"
)

// life is the one Run of a service.
type life struct {
	*Service

	began    time.Time
	log      *slog.Logger
	watchers sync.WaitGroup
	over     chan struct{} // closed when the watchers must end
	signaled os.Signal     // the first SIGTERM or SIGINT, or the SIGHUP that stopped the service; of the watcher of signals
	failure  error         // of what is no component
	stuck    []error       // what Run did not wait for any longer

	graceOver time.Time   // when work in flight must end; set by drain
	grace     *time.Timer // which ends it
	whole     time.Time   // when Run must have returned

	// The contexts carry logger and telemetry, and the values of the caller's.
	ctx      context.Context //nolint:containedctx // never ends; a life is the contexts of everything in it
	running  scope           // ends, with the cause, when the service is to stop
	checking scope           // ends when no check may begin any more
	forced   scope           // ends when Run must return, whatever hangs
	working  scope           // ends when work in flight must
}

// scope is a context with what ends it.
type scope struct {
	context.Context
	end context.CancelCauseFunc
}

func newScope(parent context.Context) scope {
	ctx, end := context.WithCancelCause(parent)
	return scope{ctx, end}
}

// newLife makes the contexts of everything that runs.
func (s *Service) newLife(ctx context.Context) *life {
	ctx = trace.WithTelemetry(plog.WithContext(ctx, s.logger), s.telemetry.Telemetry)
	l := &life{Service: s, began: time.Now(), log: plog.Slog(ctx), over: make(chan struct{}), ctx: context.WithoutCancel(ctx)}
	l.running, l.checking, l.forced = newScope(ctx), newScope(l.ctx), newScope(l.ctx)
	l.working = newScope(l.forced)
	for _, g := range l.allGroups() {
		g.take = newScope(component.WithGrace(l.ctx, s.cfg.gracePeriod, l.working))
		g.cut = func() bool { return l.working.Err() != nil || !time.Now().Before(l.graceOver) }
	}
	s.life.Store(l)
	s.switchState(component.Starting)
	return l
}

// release ends what only watched, and the contexts.
func (l *life) release() {
	l.grace.Stop()
	close(l.over)
	l.watchers.Wait()
	for _, g := range l.allGroups() {
		g.take.end(nil)
	}
	for _, s := range []scope{l.running, l.checking, l.forced, l.working} {
		s.end(nil)
	}
}

// allGroups returns every group in the order of their start.
func (s *Service) allGroups() []*group { return append([]*group{s.operators, s.front}, s.groups...) }

// stopOrder returns the groups that stop within the grace period, in that order.
func (s *Service) stopOrder() []*group {
	order := append([]*group{s.front}, s.groups...)
	slices.Reverse(order[1:])
	return order
}

// units returns every unit in the order of their start.
func (s *Service) units() []*unit {
	var units []*unit
	for _, g := range s.allGroups() {
		units = append(units, g.units...)
	}
	return units
}

func (s *Service) switchState(to component.State) { s.state.Store(uint32(to)) }

// warn says what New found and could not log.
func (l *life) warn() {
	for _, name := range l.cfg.env.unknown {
		l.log.WarnContext(l.ctx, "unknown environment variable", "variable", name, "nearest", nearest(name))
	}
	for _, i := range l.ineffective {
		l.log.WarnContext(l.ctx, "environment variable has no effect", "variable", i.variable, "because", i.because)
	}
}

// startTelemetry brings the tracer provider up.
func (l *life) startTelemetry() bool {
	if l.running.Err() != nil {
		return false
	}
	if err := l.telemetry.start(l.ctx); err != nil {
		l.failure = err
		l.running.end(err)
		return false
	}
	if !l.cfg.withoutGlobals {
		l.telemetry.setOTelGlobals(l.log)
	}
	return true
}

// startGroups starts one component after the other, group by group; a group runs when all of it has started. It ends early when the service is to stop, for
// example because a component failed.
func (l *life) startGroups() bool {
	for _, g := range l.allGroups() {
		for _, u := range g.units {
			if !l.startUnit(g, u) {
				return false
			}
		}
		close(g.up)
	}
	return true
}

// startUnit starts a component and waits for that.
func (l *life) startUnit(g *group, u *unit) bool {
	began := time.Now()
	g.living = append(g.living, u)
	go u.live(l.running, g, func(early bool) { l.onEnd(u, early) })
	select {
	case <-u.started:
	case <-u.done:
	case <-l.running.Done():
	}
	l.learnAddresses()
	l.log.DebugContext(l.ctx, "component start over", "component", u.name, "took", time.Since(began))
	return l.running.Err() == nil
}

// onEnd makes the first component that ends end them all.
func (l *life) onEnd(u *unit, early bool) {
	switch {
	case u.err != nil:
		l.running.end(u.err)
	case early:
		l.running.end(&doneError{u.name})
	}
}

// doneError is the cause when a component that was meant to end did.
type doneError struct{ name string }

func (e *doneError) Error() string { return "component " + e.name + " is done" }
func (e *doneError) Unwrap() error { return component.ErrDone }

func (l *life) learnAddresses() {
	if l.server != nil {
		keep(&l.addr, l.server.Addr())
	}
	if l.management != nil {
		keep(&l.managementAt, l.management.Addr())
	}
}

// keep remembers an address. A component that has ended has none.
func keep(p *atomic.Pointer[string], a net.Addr) {
	if a != nil {
		p.Store(new(a.String()))
	}
}

// addresses says where the service listens.
func (s *Service) addresses() []slog.Attr {
	var attrs []slog.Attr
	if a := s.Addr(); a != "" {
		attrs = append(attrs, slog.String("http", a))
	}
	if a := s.ManagementAddr(); a != "" {
		attrs = append(attrs, slog.String("management", a))
	}
	return attrs
}

// passChecks waits until every check has passed once. From time to time it logs which have not.
func (l *life) passChecks() bool {
	report := time.NewTicker(reportTime)
	defer report.Stop()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		waiting := l.waitingChecks()
		if l.running.Err() != nil || len(waiting) == 0 {
			return l.running.Err() == nil
		}
		select {
		case <-l.running.Done():
			return false
		case <-report.C:
			l.log.LogAttrs(l.ctx, slog.LevelWarn, "waiting for checks", waiting...)
		case <-time.After(pause):
		}
	}
}

// waitingChecks tries the checks that have not passed yet, and returns what they say.
func (l *life) waitingChecks() []slog.Attr {
	var waiting []slog.Attr
	for u, err := range l.callChecks(l.running, func(u *unit) bool { return !u.check.passedOnce() }) {
		if err != nil {
			waiting = append(waiting, slog.String(u.name, err.Error()))
		}
	}
	return waiting
}

// serve is the life proper: it waits until the service is to stop.
func (l *life) serve() {
	l.switchState(component.Running)
	attrs := append(l.addresses(), slog.String("version", l.version), slog.Duration("took", time.Since(l.began)))
	l.log.LogAttrs(l.ctx, slog.LevelInfo, "service started", attrs...)
	for pause := firstPause; l.readyGate != nil && l.running.Err() == nil; pause = min(2*pause, lastPause) {
		if l.readyGate.begin(l.checking, func(error) {}).wait(l.running) == nil {
			break
		}
		select {
		case <-l.running.Done():
		case <-time.After(pause):
		}
	}
	if l.running.Err() == nil {
		close(l.started)
	}
	<-l.running.Done()
}
