package component

import (
	"context"
	"errors"
	"sync"
	"time"
)

// The times that hold where nobody set others.
const (
	// DefaultGrace is how long [Work] outlives its take context when no service put a grace period there.
	DefaultGrace = 10 * time.Second
	// SettleTime is how long [Settle] outlives its work context.
	SettleTime = 2 * time.Second
)

// Causes of the end of a context made here, for context.Cause.
var (
	// ErrGraceOver is the cause when work was not finished within the grace period.
	ErrGraceOver = errors.New("component: grace period over")
	// ErrSettleOver is the cause when results could not be confirmed in time.
	ErrSettleOver = errors.New("component: settle time over")
)

// WithGrace returns a copy of ctx from which [Work] makes contexts that outlive ctx by grace, but not the end of force. A negative grace counts as 0. A nil
// force never ends. The service and componenttest call it; a component does not.
func WithGrace(ctx context.Context, grace time.Duration, force context.Context) context.Context {
	return context.WithValue(ctx, graceKey{}, graceValue{grace: max(grace, 0), force: force})
}

type graceKey struct{}

type graceValue struct {
	grace time.Duration
	force context.Context //nolint:containedctx // it is the value that the context carries
}

// Grace returns for how long the work of [Work] outlives take: what [WithGrace] put there, else [DefaultGrace]. It is for a component whose stop cannot be
// faster than something, a call to a broker for instance that must not be cancelled: it says so when it starts, and not when it is stopped.
func Grace(take context.Context) time.Duration { return graceOf(take).grace }

func graceOf(take context.Context) graceValue {
	if g, ok := take.Value(graceKey{}).(graceValue); ok {
		return g
	}
	return graceValue{grace: DefaultGrace}
}

// Work returns the context for work that was taken while take lived. It carries the values of take and ends a grace period after take ended
// ([DefaultGrace], unless [WithGrace] says otherwise), or at once when the service is forced to stop; the cause is then [ErrGraceOver] or the cause of the
// force. The cancel function releases it, and must be called when the last work is done; a second call does nothing. Work does not block and may be called
// concurrently. After take ended the grace period counts from the call, but never beyond the force.
func Work(take context.Context) (context.Context, context.CancelFunc) {
	g := graceOf(take)
	work, cancel := context.WithCancelCause(context.WithoutCancel(take))
	switch { // what ends in a goroutine of its own would leave a moment in which work that may not begin looks alive
	case g.force != nil && g.force.Err() != nil:
		cancel(context.Cause(g.force))
	case g.grace == 0 && take.Err() != nil:
		cancel(ErrGraceOver)
	}
	stopTimer := endAfter(take, g.grace, func() { cancel(ErrGraceOver) })
	stopForce := func() bool { return true }
	if g.force != nil {
		stopForce = context.AfterFunc(g.force, func() { cancel(context.Cause(g.force)) })
	}
	return work, func() {
		stopForce()
		stopTimer()
		cancel(context.Canceled)
	}
}

// Settle returns the context in which the results of work are confirmed. It carries the values of work and ends [SettleTime] after work ended, with the
// cause [ErrSettleOver]; made after work ended, it counts from the call. The cancel function releases it; a second call does nothing. Settle does not
// block and may be called concurrently.
func Settle(work context.Context) (context.Context, context.CancelFunc) {
	settle, cancel := context.WithCancelCause(context.WithoutCancel(work))
	stop := endAfter(work, SettleTime, func() { cancel(ErrSettleOver) })
	return settle, func() {
		stop()
		cancel(context.Canceled)
	}
}

// endAfter calls end d after ctx ended, in a goroutine of its own, and returns a function that prevents it.
func endAfter(ctx context.Context, d time.Duration, end func()) (stop func()) {
	var (
		mu      sync.Mutex // guards timer and stopped
		timer   *time.Timer
		stopped bool
	)
	stopWait := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			timer = time.AfterFunc(d, end)
		}
	})
	return func() {
		stopWait()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		if timer != nil {
			timer.Stop()
		}
	}
}
