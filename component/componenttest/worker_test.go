package componenttest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/component"
)

// faults are the ways in which a worker breaks the contract. The zero value keeps it.
type faults struct {
	startHangs        bool // Start ignores its context
	startPanics       bool
	startKeepsPort    bool // a Start that gives up keeps the port
	usesStartContext  bool // Run ends with the context of the start
	runKeepsPort      bool // Run does not release the port
	runKeepsPortEarly bool // the same, only if it was stopped before it ran
	runIgnoresStop    bool
	runReturnsEarly   bool
	runReturnsError   bool // an error after a clean stop
	runPanics         bool
	runExits          bool
	dropsWork         bool // work ends with take
	leavesWork        bool // Run returns while work is in flight
	ignoresGrace      bool // work never ends
	ownGrace          bool // a grace period of its own instead of component.Work
	leaks             bool
	neverReady        bool
	checkHangs        bool
	changesName       bool
	noName            bool
	sharesInfo        bool
	badInfo           bool
}

// worker is a component that can do everything, right or wrong: it takes a port, and does jobs one at a time in goroutines of their own.
type worker struct {
	faults faults
	over   chan struct{} // closed at the end of a test, so that what hangs ends
	port   atomic.Bool   // taken
	ready  atomic.Bool
	lives  atomic.Int32
	jobs   chan job
	info   map[string]any
	start  context.Context // one of the faults
}

// job is work that lasts until finish is closed or its context ends; its outcome goes to done.
type job struct {
	taken, finish chan struct{}
	done          chan error
}

func newWorker(f faults) *worker {
	return &worker{faults: f, over: make(chan struct{}), jobs: make(chan job), info: map[string]any{"port": 1}}
}

func (w *worker) Start(ctx context.Context) error {
	if w.faults.startPanics {
		panic("no port")
	}
	if w.port.Swap(true) {
		return errors.New("port taken")
	}
	if w.faults.startHangs {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(300 * time.Microsecond):
		w.start = ctx
		if w.faults.startHangs {
			<-w.over
		}
		return nil
	case <-ctx.Done():
		w.port.Store(w.faults.startKeepsPort)
		return context.Cause(ctx)
	}
}

func (w *worker) Run(take context.Context) error {
	stopped := take.Err() != nil
	defer func() {
		w.ready.Store(false)
		w.lives.Add(1)
		if !w.faults.runKeepsPort && (!w.faults.runKeepsPortEarly || !stopped) {
			w.port.Store(false)
		}
	}()
	switch {
	case w.faults.runPanics:
		panic("no work")
	case w.faults.runExits:
		runtime.Goexit()
	case w.faults.runReturnsEarly:
		return nil
	case w.faults.leaks:
		go func() { <-w.over }()
	case w.faults.usesStartContext:
		take = w.start
	default:
	}
	work, cancel := w.work(take)
	defer cancel()
	var flying sync.WaitGroup
	w.ready.Store(!w.faults.neverReady)
	for take.Err() == nil {
		select {
		case j := <-w.jobs:
			close(j.taken)
			flying.Go(func() { j.done <- w.do(work, j) })
		case <-take.Done():
		}
	}
	if !w.faults.leavesWork {
		flying.Wait()
	}
	if w.faults.runIgnoresStop {
		<-w.over
	}
	if w.faults.runReturnsError {
		return take.Err()
	}
	return nil
}

func (w *worker) work(take context.Context) (context.Context, context.CancelFunc) {
	switch {
	case w.faults.dropsWork:
		return context.WithCancel(take)
	case w.faults.ignoresGrace:
		return context.WithCancel(context.WithoutCancel(take))
	case w.faults.ownGrace:
		work, cancel := context.WithCancel(context.WithoutCancel(take))
		context.AfterFunc(take, func() { time.AfterFunc(component.DefaultGrace, cancel) })
		return work, cancel
	default:
		return component.Work(take)
	}
}

func (w *worker) do(work context.Context, j job) error {
	select {
	case <-j.finish:
		return nil
	case <-work.Done():
		return context.Cause(work)
	case <-w.over:
		return errors.New("test over")
	}
}

func (w *worker) Check(ctx context.Context) error {
	if w.faults.checkHangs && ctx.Err() != nil {
		<-w.over
	}
	if !w.ready.Load() {
		return errors.New("not running")
	}
	return nil
}

func (w *worker) Info() map[string]any {
	switch {
	case w.faults.sharesInfo:
		return w.info
	case w.faults.badInfo:
		return map[string]any{"jobs": w.jobs}
	default:
		return map[string]any{"port": 1}
	}
}

func (w *worker) String() string {
	switch {
	case w.faults.noName:
		return ""
	case w.faults.changesName && w.lives.Load() > 0:
		return "worker again"
	default:
		return "worker"
	}
}

// plain is a component that can do nothing but run.
type plain struct{}

func (plain) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
