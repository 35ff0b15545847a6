package provider

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// syncer exports each span when it ends.
type syncer struct {
	exporter sdktrace.SpanExporter
	reporter reporter
	once     sync.Once

	mu     sync.Mutex // held while the exporter works: exporters get one call at a time
	closed bool

	failed, late atomic.Uint64
}

var _ pipeline = (*syncer)(nil)

func newSyncer(e sdktrace.SpanExporter) *syncer {
	return &syncer{exporter: e, reporter: reporter{exporter: nameOf(e)}}
}

func (s *syncer) start()                {}
func (s *syncer) name() string          { return s.reporter.exporter }
func (s *syncer) onError(f func(error)) { s.reporter.handle = f }

func (s *syncer) drops() map[string]func() uint64 {
	return dropsOf(s.exporter, map[string]func() uint64{DropExportFailed: s.failed.Load, DropShutdown: s.late.Load})
}

// OnStart does nothing.
func (s *syncer) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd exports the span if it is sampled, and blocks until that is done, for the default export timeout at most if the exporter heeds its context.
func (s *syncer) OnEnd(span sdktrace.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.late.Add(1)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), defaultExportTimeout)
	defer cancel()
	if lost, err := export(ctx, s.exporter, []sdktrace.ReadOnlySpan{span}); err != nil {
		s.failed.Add(uint64(lost))
		s.reporter.report(err)
	}
}

// ForceFlush does nothing: what has ended is exported.
func (s *syncer) ForceFlush(context.Context) error { return nil }

// Shutdown waits for an export that runs and shuts the exporter down, within ctx.
func (s *syncer) Shutdown(ctx context.Context) (err error) {
	s.once.Do(func() {
		err = within(ctx, func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.closed = true
			return shutdown(ctx, s.exporter)
		})
		if err != nil {
			err = fmt.Errorf("exporter %s: shutdown: %w", s.name(), err)
		}
	})
	return err
}
