package patron

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beatlabs/patron/component"
)

const (
	reportTime = 3 * time.Second        // between two lines about what is waited for
	slackTime  = 500 * time.Millisecond // for returning after the time to settle is over; taken from that of the flush
	forcedTime = 50 * time.Millisecond  // for everything to return after a second signal, and again for the flush
)

// drain makes /ready answer 503 and goes on serving for the drain delay, so that load balancers notice. Nobody has noticed a service that never was ready.
func (l *life) drain() {
	delay := l.cfg.drainDelay
	if l.State() != component.Running {
		delay = 0
	}
	l.switchState(component.Stopping)
	l.checking.end(errStopping)
	l.log.InfoContext(l.ctx, "service stopping", "cause", context.Cause(l.running).Error(), "drain_delay", delay, "grace_period", l.cfg.gracePeriod)
	l.graceOver = time.Now().Add(delay + l.cfg.gracePeriod)
	l.grace = time.AfterFunc(delay+l.cfg.gracePeriod, func() { l.working.end(component.ErrGraceOver) })
	l.whole = l.graceOver.Add(component.SettleTime + flushTime)
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-l.forced.Done():
		}
	}
}

// stopGroups ends the take contexts of the groups in reverse, each when the group after it has returned or the grace period is over.
func (l *life) stopGroups() {
	for _, g := range l.stopOrder() {
		g.stop(context.Cause(l.running))
		l.await(l.working, g.lives())
	}
}

// stop ends the take contexts of the units.
func (g *group) stop(cause error) {
	for _, u := range g.living {
		u.switchState(component.Stopping)
	}
	g.take.end(cause)
}

// settle waits for what has not returned within the grace period, which may still confirm results, and for checks in flight; then it gives up on what is
// left.
func (l *life) settle() {
	var tasks []task
	for _, g := range l.stopOrder() {
		tasks = append(tasks, g.lives()...)
	}
	tasks = append(tasks, l.checksInFlight()...)
	settled, cancel := l.within(component.SettleTime + slackTime)
	defer cancel()
	l.await(settled, tasks)
	l.giveUp(tasks)
}

// flush ends the management listener, with which one could look at what hung, and sends the last spans.
func (l *life) flush() {
	flushed, cancel := l.within(min(flushTime, time.Until(l.whole)))
	defer cancel()
	l.operators.stop(context.Cause(l.running))
	l.await(flushed, l.operators.lives())
	l.giveUp(l.operators.lives())
	if err := l.telemetry.flush(flushed); err != nil {
		l.log.WarnContext(l.ctx, "spans were lost", "error", err.Error())
	}
}

// result joins what went wrong: what stopped the service first, then the others in the order of their start.
func (l *life) result() error {
	cause := context.Cause(l.running)
	var first, others []error
	for _, g := range l.allGroups() {
		for _, u := range g.living {
			switch {
			case !u.isDone() || u.err == nil:
			case u.err == cause: //nolint:errorlint,err113 // this very error
				first = append(first, u.err)
			default:
				others = append(others, u.err)
			}
		}
	}
	if l.forced.Err() != nil {
		first = append([]error{ErrForced}, first...)
	}
	err := errors.Join(slices.Concat(first, []error{l.failure}, others, l.stuck)...)
	state := component.Stopped
	if err != nil {
		state = component.Failed
	}
	l.switchState(state)
	l.log.InfoContext(l.ctx, "service stopped", "state", state.String(), "ran", time.Since(l.began))
	return err
}

// task is something that has begun, and that Run waits for.
type task struct {
	name  string
	doing string
	done  <-chan struct{}
}

// lives returns the lives of the group that have begun.
func (g *group) lives() []task {
	tasks := make([]task, len(g.living))
	for i, u := range g.living {
		tasks[i] = task{name: u.name, doing: "running", done: u.done}
		select {
		case <-u.started:
		default:
			tasks[i].doing = "starting"
		}
	}
	return tasks
}

// checksInFlight returns the calls of checks that have not returned. No more begin.
func (l *life) checksInFlight() []task {
	var tasks []task
	for _, u := range l.units() {
		if u.check != nil {
			tasks = append(tasks, task{name: u.name, doing: "checking", done: u.check.idle()})
		}
	}
	if l.readyGate != nil {
		tasks = append(tasks, task{name: readyCheckName, doing: "checking", done: l.readyGate.idle()})
	}
	return tasks
}

// await waits for the tasks until end ends. From time to time it logs which it waits for.
func (l *life) await(end context.Context, tasks []task) {
	report := time.NewTicker(reportTime)
	defer report.Stop()
	for _, t := range tasks {
		for waiting := true; waiting; {
			select {
			case <-t.done:
				waiting = false
			case <-end.Done():
				return
			case <-report.C:
				l.log.WarnContext(l.ctx, "waiting for components", "components", unfinished(tasks))
			}
		}
	}
}

// unfinished returns what has not returned: names with what they do.
func unfinished(tasks []task) []string {
	var names []string
	for _, t := range tasks {
		select {
		case <-t.done:
		default:
			names = append(names, t.name+" is "+t.doing)
		}
	}
	return names
}

// giveUp makes an error of each task that has not returned.
func (l *life) giveUp(tasks []task) {
	for _, t := range tasks {
		select {
		case <-t.done:
			continue
		default:
		}
		when := " after the grace period"
		if l.forced.Err() != nil {
			when = ""
		}
		l.stuck = append(l.stuck, fmt.Errorf("component %s: still %s%s", t.name, t.doing, when))
		l.log.ErrorContext(l.ctx, "component gave no sign", "component", t.name, "doing", t.doing)
	}
}

// within returns a context for a wait of d, which a second signal makes short.
func (l *life) within(d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(l.ctx, d)
	stop := context.AfterFunc(l.forced, func() {
		select {
		case <-time.After(forcedTime):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}
