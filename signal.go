package patron

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
)

// listenFunc makes signals go to c until stop is called. A signal for which c has no room is lost.
type listenFunc func(c chan<- os.Signal) (stop func())

// notify listens to the signals of the process.
func notify(c chan<- os.Signal) (stop func()) {
	signal.Notify(c, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	return func() { signal.Stop(c) }
}

// signalError is the cause when a signal stops the service.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "signal: " + e.signal.String() }

// watchSignals listens from now on, before anything slow begins, until release.
func (l *life) watchSignals() {
	if l.cfg.signals == nil {
		return
	}
	signals := make(chan os.Signal, 8)
	stop := l.cfg.signals(signals)
	l.watchers.Go(func() {
		defer stop()
		for {
			select {
			case s := <-signals:
				l.onSignal(s)
			case <-l.over:
				return
			}
		}
	})
}

// onSignal stops the service, forces it to stop, or calls the hook. A first SIGTERM or SIGINT never forces, whatever stopped the service before; SIGHUP
// never does.
func (l *life) onSignal(s os.Signal) {
	switch {
	case s == syscall.SIGHUP && l.hangup != nil:
		l.hangup.signal()
	case s == syscall.SIGHUP && l.running.Err() != nil:
	case l.signaled == nil:
		l.signaled = s
		l.running.end(&signalError{s})
	default:
		l.log.ErrorContext(l.ctx, "service forced to stop", "signal", s.String())
		l.forced.end(ErrForced)
	}
}

// hangup is the component that calls the hook for SIGHUP, so that a hook that takes its time holds up no other signal.
type hangup struct {
	hook    func()
	pending chan struct{} // has room for one: signals that come during a call lead to one more
}

func newHangup(hook func()) *hangup { return &hangup{hook: hook, pending: make(chan struct{}, 1)} }

func (h *hangup) signal() {
	select {
	case h.pending <- struct{}{}:
	default:
	}
}

// Run calls the hook, one call after the other, until ctx ends.
func (h *hangup) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-h.pending:
			if ctx.Err() == nil { // else it is too late to load anything
				h.call(ctx)
			}
		}
	}
	return nil
}

func (h *hangup) call(ctx context.Context) {
	log := plog.Slog(ctx)
	defer func() {
		if p := reliability.Recovered(recover()); p != nil {
			log.ErrorContext(ctx, "sighup hook panicked", "error", p.Error(), "stack", string(p.Stack))
		}
	}()
	log.InfoContext(ctx, "sighup received, calling the hook")
	h.hook()
}

// String returns the name of the component.
func (h *hangup) String() string { return "SIGHUP hook" }
