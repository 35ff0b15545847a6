package simtest

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// Config says what is simulated. Whoever fills it in has checked it.
type Config struct {
	Seed       uint64
	Traits     async.Traits
	Partitions int // of a log; 0: a queue
	Faults     []Fault
	App        func() App
	Most       int // messages of one history
	Message    func(r *rand.Rand, i int) *async.Message

	// Context carries what is needed by every run of the component: logger, telemetry.
	Context func() context.Context

	// For doubles that are wrong on purpose.
	Wrap   func(async.ConsumerFactory) async.ConsumerFactory
	Ledger func(next int64, finished []int64) Ledger

	stateless  bool // there is nothing to compare
	lanes      bool // the messages of a key are processed in order
	stopsLanes bool // a dead letter closes its lane until the next start
}

// App is the service of one history, over a store that survives its deaths.
type App struct {
	Handler func() async.ProcessorFunc
	Batch   func() async.BatchFunc
	Options []async.OptionFunc
	State   func() any
}

// patience is how long a history may go on without a message being done with.
const patience = time.Hour

// component makes what one process runs.
func (a *App) component(cf async.ConsumerFactory, p *process) (*async.Component, error) {
	if a.Batch != nil {
		batch := a.Batch()
		return async.NewBatch("simulation", cf, func(ctx context.Context, mm []*async.Message) error {
			return p.handle(ctx, mm, func(ctx context.Context) error { return batch(ctx, mm) })
		}, a.Options...)
	}
	outermost := async.WithMiddlewares(func(next async.ProcessorFunc) async.ProcessorFunc {
		return func(ctx context.Context, m *async.Message) error {
			return p.handle(ctx, []*async.Message{m}, func(ctx context.Context) error { return next(ctx, m) })
		}
	})
	return async.New("simulation", cf, a.Handler(), append([]async.OptionFunc{outermost}, a.Options...)...)
}

// Check returns what New of the engine says about the app and its options with this broker, and finds out what the options mean for the checks.
func (c *Config) Check() error {
	app := c.App()
	if _, err := app.component(&factory{traits: c.Traits}, nil); err != nil {
		return err
	}
	c.stateless = app.State == nil
	// The options are not ours to read, but New says which others they contradict.
	contradicts := func(o async.OptionFunc) bool {
		probe := app
		probe.Options = append(slices.Clone(app.Options), o)
		t := c.Traits
		t.Ordered, t.DeadLetters, t.Redelivers = async.OrderedGroup, true, true
		_, err := probe.component(&factory{traits: t}, nil)
		return err != nil
	}
	c.lanes = c.Traits.Ordered != async.OrderedNone && !contradicts(async.StopLaneOnDead())
	c.stopsLanes = contradicts(async.Unordered())
	return nil
}
