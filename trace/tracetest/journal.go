package tracetest

import (
	"context"
	"slices"
	"strings"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// journal is the span processor: it is told of every span that is recorded, when it begins and when it ends.
type journal struct {
	mu      sync.Mutex // guards what follows
	begun   []begun
	done    []Span
	changed chan struct{} // closed at the next end of a span
}

type begun struct {
	id   oteltrace.SpanID
	name string
}

var _ sdktrace.SpanProcessor = (*journal)(nil)

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// OnStart is called by the SDK.
func (j *journal) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.begun = append(j.begun, begun{id: s.SpanContext().SpanID(), name: s.Name()})
}

// OnEnd is called by the SDK.
func (j *journal) OnEnd(s sdktrace.ReadOnlySpan) {
	span := spanOf(s)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.begun = slices.DeleteFunc(j.begun, func(b begun) bool { return b.id == s.SpanContext().SpanID() })
	j.done = append(j.done, span)
	close(j.changed)
	j.changed = make(chan struct{})
}

// Shutdown is called by the SDK.
func (j *journal) Shutdown(context.Context) error { return nil }

// ForceFlush is called by the SDK.
func (j *journal) ForceFlush(context.Context) error { return nil }

func (j *journal) ended() []Span {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.done)
}

func (j *journal) open() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var names []string
	for _, b := range j.begun {
		names = append(names, b.name)
	}
	return names
}

func (j *journal) changes() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = nil
}

func statusOf(s sdktrace.Status) string { return strings.ToLower(s.Code.String()) }
