package patron

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
)

const (
	firstPause = time.Millisecond // between two looks at what has not passed yet; it doubles
	lastPause  = time.Second
)

// passed is what /ready says of a check that passed.
const passed = "ok"

// health answers /ready. Checks are called together, each for a second at most; several requests at once share the calls.
func (s *Service) health(ctx context.Context) phttp.Health {
	l := s.life.Load()
	if l == nil {
		return phttp.Health{Status: phttp.HealthStarting}
	}
	switch s.State() {
	case component.New, component.Starting:
		return phttp.Health{Status: phttp.HealthStarting, Checks: l.progress(ctx)}
	case component.Running:
		return l.outcome(ctx)
	case component.Stopping, component.Stopped, component.Failed:
		return phttp.Health{Status: phttp.HealthStopping}
	default:
		return phttp.Health{Status: phttp.HealthFailed}
	}
}

// progress says how far the components are.
func (l *life) progress(ctx context.Context) map[string]string {
	checks := make(map[string]string)
	for _, u := range l.units() {
		if state := u.currentState(); state != component.Running {
			checks[u.name] = state.String()
		}
	}
	for u, err := range l.callChecks(ctx, func(u *unit) bool { return u.currentState() == component.Running }) {
		checks[u.name] = passed
		if err != nil {
			checks[u.name] = err.Error()
		}
	}
	return checks
}

// outcome says whether the components can work. A failed check makes the service degraded, which leaves it its traffic, unless it is marked critical.
func (l *life) outcome(ctx context.Context) phttp.Health {
	h := phttp.Health{Status: phttp.HealthReady, Checks: make(map[string]string)}
	for u, err := range l.callChecks(ctx, func(*unit) bool { return true }) {
		switch {
		case err == nil:
			h.Checks[u.name] = passed
			continue
		case component.IsCritical(err):
			h.Status = phttp.HealthFailed
		case h.Status == phttp.HealthReady:
			h.Status = phttp.HealthDegraded
		}
		h.Checks[u.name] = err.Error()
	}
	return h
}

// callChecks calls the checks of the units that are wanted, all together, and yields what they say, or that they said nothing in time.
func (l *life) callChecks(ctx context.Context, wanted func(*unit) bool) iter.Seq2[*unit, error] {
	return func(yield func(*unit, error) bool) {
		ctx, cancel := context.WithTimeoutCause(ctx, checkTime, errCheckTime)
		defer cancel()
		var units []*unit
		var calls []*call
		for _, u := range l.units() {
			if u.check != nil && wanted(u) {
				units = append(units, u)
				calls = append(calls, u.check.begin(l.checking, func(err error) { l.onChange(u, err) }))
			}
		}
		for i, u := range units {
			if !yield(u, calls[i].wait(ctx)) {
				return
			}
		}
	}
}

// onChange logs that a check failed, or passes again.
func (l *life) onChange(u *unit, err error) {
	switch {
	case l.State() != component.Running:
	case err != nil:
		l.log.WarnContext(l.ctx, "check failed", "component", u.name, "error", err.Error(), "critical", component.IsCritical(err))
	default:
		l.log.InfoContext(l.ctx, "check passes again", "component", u.name)
	}
}

// readyCheckName names the ready check of the user where components are named.
const readyCheckName = "ready check"

// readyCheck is the ready check of the user as a checker, to find out when /ready first answers 200.
type readyCheck phttp.ReadyCheckFunc

func (c readyCheck) Check(context.Context) error {
	if status := c(); status != phttp.Ready {
		return fmt.Errorf("ready check: %v", status)
	}
	return nil
}
