package provider

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/reliability"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// batcher collects spans in a queue, from which one goroutine exports them in batches: when a batch is full, when the oldest span has waited long enough,
// when it is flushed, and when it is shut down.
//
//	idle ──start──▶ open ──Shutdown──▶ draining ──queue empty, or ctx over──▶ closed
//	  └────────────────────────────Shutdown────────────────────────────────────▲
//
// Spans are accepted while it is open or draining.
type batcher struct {
	exporter sdktrace.SpanExporter
	config   batchConfig
	reporter reporter

	mu      sync.Mutex // guards what follows
	room    sync.Cond  // signalled when blocked callers of OnEnd should look again
	phase   phase
	queue   ring
	blocked int // callers of OnEnd that wait for room
	left    int // spans that were queued when the context of Shutdown ended

	wake    chan struct{}           // the queue is no longer empty, or holds a batch
	flushes chan flush              // what ForceFlush wants done
	drain   chan context.Context    // the context of Shutdown: finish
	cancel  context.CancelCauseFunc // ends all exports, when the context of Shutdown has ended
	done    chan struct{}           // closed when the goroutine has ended, after it has set err
	err     error                   // what draining and the exporter's shutdown said
	once    sync.Once

	queueFull, failed, late atomic.Uint64
}

type phase int

const (
	phaseIdle phase = iota
	phaseOpen
	phaseDraining
	phaseClosed
)

// flush is what the goroutine does for one call of ForceFlush, in its own context and with its own memory for a batch.
type flush func(work context.Context, batch []sdktrace.ReadOnlySpan)

var _ pipeline = (*batcher)(nil)

func newBatcher(e sdktrace.SpanExporter, c batchConfig) *batcher {
	b := &batcher{
		exporter: e,
		config:   c,
		reporter: reporter{exporter: nameOf(e)},
		wake:     make(chan struct{}, 1),
		flushes:  make(chan flush),
		drain:    make(chan context.Context, 1),
		done:     make(chan struct{}),
	}
	b.room.L = &b.mu
	return b
}

func (b *batcher) name() string          { return b.reporter.exporter }
func (b *batcher) onError(f func(error)) { b.reporter.handle = f }

func (b *batcher) drops() map[string]func() uint64 {
	return dropsOf(b.exporter, map[string]func() uint64{
		DropQueueFull: b.queueFull.Load, DropExportFailed: b.failed.Load, DropShutdown: b.late.Load,
	})
}

// start makes the queue and starts the goroutine, which Shutdown ends.
func (b *batcher) start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = newRing(b.config.queueSize)
	work, cancel := context.WithCancelCause(context.Background())
	b.cancel = cancel
	b.phase = phaseOpen
	go b.run(work)
}

// OnStart does nothing.
func (b *batcher) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd queues the span if it is sampled. It blocks only if the queue is full and blocking was asked for.
func (b *batcher) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	b.mu.Lock()
	for b.config.blocking && b.accepting() && b.queue.full() {
		b.blocked++
		b.room.Wait()
		b.blocked--
	}
	switch {
	case !b.accepting():
		b.mu.Unlock()
		b.late.Add(1)
	case b.queue.full():
		b.mu.Unlock()
		b.queueFull.Add(1)
	default:
		b.queue.put(s)
		n := b.queue.count
		b.mu.Unlock()
		if n == 1 || n == b.config.batchSize {
			b.wakeUp()
		}
	}
}

// accepting reports whether spans are taken. The caller holds mu.
func (b *batcher) accepting() bool { return b.phase == phaseOpen || b.phase == phaseDraining }

func (b *batcher) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default: // it is about to wake up anyhow
	}
}

// run is the life of the goroutine.
func (b *batcher) run(work context.Context) {
	defer close(b.done)
	batch := make([]sdktrace.ReadOnlySpan, 0, b.config.batchSize)
	timer := time.NewTimer(b.config.delay)
	timer.Stop()
	defer timer.Stop()
	ticking := false
	for {
		due := 0 // how many spans must leave although they fill no batch
		select {
		case <-b.wake:
		case <-timer.C:
			due, ticking = 1, false
		case f := <-b.flushes:
			f(work, batch)
		case stop := <-b.drain:
			b.err = b.finish(stop, work, batch)
			return
		}
		left := b.exportFull(work, batch, due)
		switch {
		case left == 0 && ticking:
			timer.Stop()
			ticking = false
		case left > 0 && !ticking:
			timer.Reset(b.config.delay)
			ticking = true
		}
	}
}

// exportFull exports due batches and those that are full, until Shutdown comes, and returns how many spans are left in the queue.
func (b *batcher) exportFull(work context.Context, batch []sdktrace.ReadOnlySpan, due int) (left int) {
	for {
		b.mu.Lock()
		left = b.queue.count
		over := b.phase != phaseOpen
		b.mu.Unlock()
		if over || left == 0 || (due == 0 && left < b.config.batchSize) {
			return left
		}
		due = 0
		if err := b.exportNext(work, batch); err != nil {
			b.reporter.report(err)
		}
	}
}

// exportNext exports one batch of up to the batch size and returns the exporter's error, after it has counted.
func (b *batcher) exportNext(ctx context.Context, batch []sdktrace.ReadOnlySpan) error {
	b.mu.Lock()
	batch = b.queue.take(batch[:0], b.config.batchSize)
	if b.blocked > 0 {
		b.room.Broadcast()
	}
	b.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.timeout)
	defer cancel()
	lost, err := export(ctx, b.exporter, batch)
	b.failed.Add(uint64(lost))
	clear(batch)
	return err
}

// flush exports all that is queued now, until work or ctx ends.
func (b *batcher) flush(ctx, work context.Context, batch []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(work, cancel)()
	b.mu.Lock()
	n := b.queue.count
	b.mu.Unlock()
	var errs []error
	for ; n > 0 && ctx.Err() == nil; n -= b.config.batchSize {
		errs = append(errs, b.exportNext(ctx, batch))
	}
	if n > 0 {
		errs = append(errs, context.Cause(ctx))
	}
	return errors.Join(errs...)
}

// finish exports all that is queued and all that blocked callers still hold, until work ends, closes the queue and shuts the exporter down.
func (b *batcher) finish(stop, work context.Context, batch []sdktrace.ReadOnlySpan) error {
	var errs []error
	for b.more(work) {
		if err := b.exportNext(work, batch); err != nil {
			errs = append(errs, err)
		}
	}
	if n := b.close(); n > 0 {
		errs = append(errs, fmt.Errorf("%d spans not exported: %w", n, context.Cause(work)))
	}
	return errors.Join(append(errs, shutdown(stop, b.exporter))...)
}

// more waits for spans and reports whether there are some to export. It closes the queue when there will be none.
func (b *batcher) more(work context.Context) bool {
	for {
		b.mu.Lock()
		queued, blocked := b.queue.count, b.blocked
		if queued == 0 && blocked == 0 {
			b.phase = phaseClosed // in one step with the look, so that no span slips in between
		}
		b.mu.Unlock()
		switch {
		case work.Err() != nil || queued+blocked == 0:
			return false
		case queued > 0:
			return true
		}
		select { // callers of OnEnd that were blocked are about to queue their spans
		case <-b.wake:
		case <-work.Done():
		}
	}
}

// close drops what is queued, lets blocked callers go and returns how many spans it has dropped in all. Shutdown and the goroutine may both get here.
func (b *batcher) close() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.queue.count
	b.phase = phaseClosed
	b.queue = ring{}
	b.room.Broadcast()
	b.left += n
	b.late.Add(uint64(n))
	return b.left
}

// ForceFlush exports what is queued and blocks until that is done or ctx ends. An export that runs is waited for.
func (b *batcher) ForceFlush(ctx context.Context) error {
	answer := make(chan error, 1)
	f := func(work context.Context, batch []sdktrace.ReadOnlySpan) { answer <- b.flush(ctx, work, batch) }
	var err error
	select {
	case b.flushes <- f:
		select {
		case err = <-answer:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	case <-b.done: // nothing is queued any more
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("exporter %s: flush: %w", b.name(), err)
	}
	return nil
}

// Shutdown exports what is queued, shuts the exporter down and blocks until that is done or ctx ends; then the rest is dropped.
func (b *batcher) Shutdown(ctx context.Context) (err error) {
	b.once.Do(func() {
		if err = b.shutdown(ctx); err != nil {
			err = fmt.Errorf("exporter %s: shutdown: %w", b.name(), err)
		}
	})
	return err
}

func (b *batcher) shutdown(ctx context.Context) error {
	b.mu.Lock()
	started := b.phase == phaseOpen
	b.phase = phaseClosed
	if started {
		b.phase = phaseDraining
	}
	b.mu.Unlock()
	if !started {
		return within(ctx, func() error { return shutdown(ctx, b.exporter) })
	}
	defer context.AfterFunc(ctx, func() { b.cancel(context.Cause(ctx)) })()
	b.drain <- ctx
	select {
	case <-b.done:
		b.cancel(nil)
		return b.err
	case <-ctx.Done():
	}
	b.cancel(context.Cause(ctx)) // the deferred stop may keep the function above from running
	select {
	case <-b.done: // both were ready
		return b.err
	default:
	}
	if n := b.close(); n > 0 {
		return fmt.Errorf("%d spans not exported: %w", n, context.Cause(ctx))
	}
	return context.Cause(ctx)
}

// export calls the exporter. It returns how many spans are lost and not counted by the exporter itself. A panic becomes an error.
func export(ctx context.Context, e sdktrace.SpanExporter, spans []sdktrace.ReadOnlySpan) (lost int, err error) {
	defer func() {
		if p := reliability.Recovered(recover()); p != nil {
			lost, err = len(spans), p
		}
	}()
	if err = e.ExportSpans(ctx, spans); err == nil {
		return 0, nil
	}
	if _, counts := e.(dropCounter); counts {
		return 0, err
	}
	return len(spans), err
}

// shutdown calls the exporter's Shutdown. A panic becomes an error.
func shutdown(ctx context.Context, e sdktrace.SpanExporter) (err error) {
	defer func() {
		if p := reliability.Recovered(recover()); p != nil {
			err = p
		}
	}()
	return e.Shutdown(ctx)
}
