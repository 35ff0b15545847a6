package provider

import (
	"context"
	"fmt"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// pipeline is a way that spans take: what the provider starts, flushes, shuts down and asks for losses. Its Shutdown does nothing the second time, since
// the SDK calls it once more.
type pipeline interface {
	sdktrace.SpanProcessor
	start()
	name() string
	drops() map[string]func() uint64
	onError(f func(error)) // called before start
}

// foreign is a span processor that the user made.
type foreign struct {
	sdktrace.SpanProcessor
	once sync.Once
}

var _ pipeline = (*foreign)(nil)

func (f *foreign) start()                          {}
func (f *foreign) name() string                    { return fmt.Sprintf("%T", f.SpanProcessor) }
func (f *foreign) drops() map[string]func() uint64 { return nil }
func (f *foreign) onError(func(error))             {}

// ForceFlush flushes the processor within ctx.
func (f *foreign) ForceFlush(ctx context.Context) error {
	if err := within(ctx, func() error { return f.SpanProcessor.ForceFlush(ctx) }); err != nil {
		return fmt.Errorf("span processor %s: flush: %w", f.name(), err)
	}
	return nil
}

// Shutdown shuts the processor down within ctx.
func (f *foreign) Shutdown(ctx context.Context) (err error) {
	f.once.Do(func() {
		if err = within(ctx, func() error { return f.SpanProcessor.Shutdown(ctx) }); err != nil {
			err = fmt.Errorf("span processor %s: shutdown: %w", f.name(), err)
		}
	})
	return err
}

// within calls f and returns its error, or ctx's cause if that ends first. Then f goes on in its goroutine: there is no other way to leave a function that
// does not heed its context.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // both were ready
		return err
	default:
		return context.Cause(ctx)
	}
}

// reportEvery is the least time between two reports of failures of one exporter.
const reportEvery = 10 * time.Second

// reporter tells the error handler of failures in the background, but not of each one: an agent that is away fails every batch of a busy service.
type reporter struct {
	exporter string
	handle   func(error)

	mu     sync.Mutex // guards what follows
	last   time.Time
	silent int // failures since the last report
}

func (r *reporter) report(err error) {
	r.mu.Lock()
	if !r.last.IsZero() && time.Since(r.last) < reportEvery {
		r.silent++
		r.mu.Unlock()
		return
	}
	silent := r.silent
	r.last, r.silent = time.Now(), 0
	r.mu.Unlock()
	if silent > 0 {
		r.handle(fmt.Errorf("exporter %s: %w (and %d failures before)", r.exporter, err, silent))
		return
	}
	r.handle(fmt.Errorf("exporter %s: %w", r.exporter, err))
}
