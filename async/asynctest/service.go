package asynctest

import (
	"context"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
)

// service is a component of the engine that runs.
type service struct {
	s         *stage
	component *async.Component
	cancel    context.CancelFunc
	done      chan error
	grace     time.Duration
	stopped   bool
}

// serve runs a component on the source. Pauses between tries are short, unless an option says otherwise.
func (s *stage) serve(proc async.ProcessorFunc, oo ...async.OptionFunc) *service {
	s.Helper()
	return s.serveFrom(s.factory, s.grace(), proc, oo...)
}

// grace is the grace period of services that are to finish what they have.
func (s *stage) grace() time.Duration { return s.suite.patience / 2 }

// serveFrom runs a component with consumers of cf and a grace period. The end of the case stops it.
func (s *stage) serveFrom(cf async.ConsumerFactory, grace time.Duration, proc async.ProcessorFunc, oo ...async.OptionFunc) *service {
	s.Helper()
	oo = append([]async.OptionFunc{async.WithBackoff(time.Millisecond, 20*time.Millisecond)}, oo...)
	c, err := async.New("conformance", cf, proc, oo...)
	if err != nil {
		s.Fatal(err)
	}
	return s.run(c, grace)
}

// serveBatch is serve for a batch handler.
func (s *stage) serveBatch(proc async.BatchFunc, oo ...async.OptionFunc) *service {
	s.Helper()
	oo = append([]async.OptionFunc{async.WithBackoff(time.Millisecond, 20*time.Millisecond)}, oo...)
	c, err := async.NewBatch("conformance", s.factory, proc, oo...)
	if err != nil {
		s.Fatal(err)
	}
	return s.run(c, s.grace())
}

func (s *stage) run(c *async.Component, grace time.Duration) *service {
	ctx, cancel := context.WithCancel(component.WithGrace(s.base, grace, nil))
	v := &service{s: s, component: c, cancel: cancel, done: make(chan error, 1), grace: grace}
	go func() { v.done <- c.Run(ctx) }()
	s.later(v.close)
	return v
}

// stop ends the take context and returns what Run returned. A second stop returns nil.
func (v *service) stop() error {
	v.s.Helper()
	v.cancel()
	return v.end()
}

// end waits for Run and returns its error.
func (v *service) end() error {
	v.s.Helper()
	err, ok := v.wait()
	if !ok {
		v.s.Fatalf("Run: not back %v after its context ended and the grace period was over", v.s.suite.patience)
	}
	return err
}

// close stops it when the case ends, whatever comes of it.
func (v *service) close() {
	v.s.Helper()
	v.cancel()
	if _, ok := v.wait(); !ok && !v.s.Failed() {
		v.s.Errorf("Run: not back %v after its context ended and the grace period was over", v.s.suite.patience)
	}
}

func (v *service) wait() (err error, ok bool) { //nolint:revive // the error is the value here
	if v.stopped {
		return nil, true
	}
	v.stopped = true
	timer := time.NewTimer(v.grace + v.s.suite.patience)
	defer timer.Stop()
	select {
	case err := <-v.done:
		v.cancel()
		return err, true
	case <-timer.C:
		return nil, false
	}
}

// stopWell fails the case unless Run ends without an error.
func (v *service) stopWell() {
	v.s.Helper()
	if err := v.stop(); err != nil {
		v.s.Fatalf("Run: got %v, want nil", err)
	}
}

// runs fails the case if Run has returned.
func (v *service) runs() {
	v.s.Helper()
	select {
	case err := <-v.done:
		v.stopped = true
		v.s.Fatalf("Run: ended with %v, want it to go on", err)
	default:
	}
}
