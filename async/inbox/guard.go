package inbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
)

// Guard notes around the handler of one consumer which messages are in flight and which are done, in a [Store]. It may be used concurrently, also by several
// components. Make it with [NewGuard] and give it to async.WithDeduplication.
type Guard struct {
	config *config
	store  Store
}

var _ async.Deduplicator = (*Guard)(nil)

// errInFlight is why a message is postponed.
var errInFlight = errors.New("another delivery of it is in flight")

// errLeaseOver is the cause of a handler's context that ended because its lease did.
var errLeaseOver = fmt.Errorf("the lease of the inbox ran out: %w", async.ErrLost)

// settleTime bounds what is told to the store after the handler returned, also when the context of that has ended; doneTries is how often it is tried to say
// that a message is done.
const (
	settleTime = 5 * time.Second
	doneTries  = 3
)

// NewGuard returns a guard of the consumer. The name is part of what is stored: who changes it processes everything again that comes again; replicas of a
// service share it. It returns every fault of its arguments, joined.
func NewGuard(consumer string, store Store, oo ...OptionFunc) (*Guard, error) {
	c, err := newConfig(consumer, oo)
	if c != nil {
		err = errors.Join(err, refuse(c.ofInbox, "only for an inbox in a database"))
	}
	if store == nil {
		err = errors.Join(err, errors.New("store is nil"))
	}
	if err != nil {
		return nil, fmt.Errorf("inbox: guard: %w", err)
	}
	return &Guard{config: c, store: store}, nil
}

// Deduplicate implements async.Deduplicator. It refuses a plan by which a message may come for the last time when it is forgotten.
//
// A handler that it calls has a context that ends, with a cause that wraps async.ErrLost, when the lease runs out because the store cannot be reached for so
// long, or says that another owner has it. What it then returns is not asked: the message is postponed if that is an error, and done if it is nil.
func (g *Guard) Deduplicate(p async.Plan) (async.MiddlewareFunc, error) {
	if err := g.config.checkTTL(longest(&p)); err != nil {
		return nil, fmt.Errorf("inbox: guard: %w", err)
	}
	return func(next async.ProcessorFunc) async.ProcessorFunc {
		return func(ctx context.Context, msg *async.Message) error { return g.process(ctx, msg, next) }
	}, nil
}

// process begins with msg, unless it is done or in flight, and handles it.
func (g *Guard) process(ctx context.Context, msg *async.Message, next async.ProcessorFunc) error {
	key, err := keyOf(g.config.consumer, msg)
	if err != nil {
		return err
	}
	f := flight{guard: g, key: key, owner: correlation.New(), until: time.Now().Add(g.config.lease)}
	state, left, err := g.store.Begin(ctx, key, f.owner, g.config.lease)
	switch {
	case err == nil && state == Begun:
		return f.handle(ctx, msg, next)
	case err == nil && state == Done:
		return key.duplicate()
	case err == nil && state == InFlight:
		return &async.PostponedError{After: min(left, g.config.recheck), Err: key.errorf("begin", errInFlight)}
	case err == nil:
		err = fmt.Errorf("the store returned %v", state)
	}
	return &async.PostponedError{After: g.config.recheck, Err: key.errorf("begin", err)}
}

// flight is one attempt at a message that is in flight with us.
type flight struct {
	guard *Guard
	key   Key
	owner string
	until time.Time // the lease lasts so long
}

// handle calls the handler while the lease is kept, and notes what came of it. A panic passes.
func (f *flight) handle(ctx context.Context, msg *async.Message, next async.ProcessorFunc) error {
	work, lose := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { f.keep(work, lose) })
	ended := func() {
		lose(nil)
		keeper.Wait()
	}

	panicked := true
	defer func() {
		if panicked {
			ended()
			f.abandon(ctx)
		}
	}()
	err := next(work, msg)
	panicked = false
	lost := errors.Is(context.Cause(work), errLeaseOver)
	ended()

	switch {
	case err == nil, errors.Is(err, async.ErrDuplicate):
		f.done(ctx)
		return err
	case lost && ctx.Err() == nil:
		err = &async.PostponedError{After: f.guard.config.recheck, Err: f.key.errorf("process", errors.Join(errLeaseOver, err))}
	}
	f.abandon(ctx)
	return err
}

// keep extends the lease until ctx ends, and calls lose when that is in vain.
func (f *flight) keep(ctx context.Context, lose context.CancelCauseFunc) {
	lease := f.guard.config.lease
	ticker := time.NewTicker(max(lease/3, time.Nanosecond))
	defer ticker.Stop()
	over := time.NewTimer(time.Until(f.until))
	defer over.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-over.C:
			lose(errLeaseOver)
			return
		case <-ticker.C:
		}
		until := time.Now().Add(lease)
		limited, cancel := context.WithDeadline(ctx, f.until)
		err := f.guard.store.Extend(limited, f.key, f.owner, lease)
		cancel()
		switch {
		case err == nil:
			f.until = until
			over.Reset(time.Until(until))
		case errors.Is(err, ErrNotOwner):
			lose(errLeaseOver)
			return
		}
	}
}

// done notes that the effect has happened. If that cannot be, the message is done all the same: to process it again would be sure to have the effect again,
// while a copy of it may never come.
func (f *flight) done(ctx context.Context) {
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	var err error
	for n := range doneTries {
		if n > 0 {
			select {
			case <-settle.Done():
			case <-time.After(100 * time.Millisecond << n):
			}
		}
		if err = f.guard.store.Done(settle, f.key, f.guard.config.ttl); err == nil {
			return
		}
	}
	plog.Slog(ctx).ErrorContext(ctx, "message processed but not noted as done, a copy would be processed again", "consumer", f.key.Consumer,
		"message", f.key.ID, "error", err.Error())
}

// abandon lets the next attempt begin at once. If that cannot be, it begins when the lease is over.
func (f *flight) abandon(ctx context.Context) {
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := f.guard.store.Abandon(settle, f.key, f.owner); err != nil {
		plog.Slog(ctx).WarnContext(ctx, "message not abandoned, it waits for the end of its lease", "consumer", f.key.Consumer, "message", f.key.ID,
			"error", err.Error())
	}
}
