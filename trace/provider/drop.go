package provider

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Reasons for which spans are dropped: see [Provider.Drops].
const (
	// DropQueueFull counts spans that ended while the exporter's queue was full (never with [WithBlocking]).
	DropQueueFull = "queue_full"
	// DropExportFailed counts spans of batches for which the exporter returned an error or panicked. Exporters with counters of their own
	// (a method Drops) know better which spans of a batch are lost: then only panics count here.
	DropExportFailed = "export_failed"
	// DropShutdown counts spans that ended during or after Shutdown, or were still queued when its context ended.
	DropShutdown = "shutdown"
)

// Drop is the counter of the spans that were lost for one reason on the way to one exporter.
type Drop struct {
	Exporter string        // the exporter's String method, else its type, such as "jaeger" or "json"
	Reason   string        // DropQueueFull, DropExportFailed, DropShutdown, or one of the exporter's own
	Read     func() uint64 // spans since New; never blocks, may be called concurrently and at any time
}

// dropCounter is what exporters have that count their losses themselves: a reader for each reason. The map must always have the same keys.
type dropCounter interface {
	Drops() map[string]func() uint64
}

// Drops returns a counter for each exporter and each reason for which it can lose spans, sorted by both. The list is the same at every call and complete
// from the start, so it can be registered as metrics before Start. Counters of exporters with equal names are added up.
func (p *Provider) Drops() []Drop {
	type key struct{ exporter, reason string }
	readers := make(map[key][]func() uint64)
	for _, pl := range p.config.pipelines {
		for reason, read := range pl.drops() {
			k := key{pl.name(), reason}
			readers[k] = append(readers[k], read)
		}
	}
	var drops []Drop
	for k, rr := range readers {
		drops = append(drops, Drop{Exporter: k.exporter, Reason: k.reason, Read: func() (n uint64) {
			for _, read := range rr {
				n += read()
			}
			return n
		}})
	}
	slices.SortFunc(drops, func(a, b Drop) int {
		return cmp.Or(strings.Compare(a.Exporter, b.Exporter), strings.Compare(a.Reason, b.Reason))
	})
	return drops
}

// dropsOf adds the exporter's own counters, if it has any, to those of its pipeline.
func dropsOf(e sdktrace.SpanExporter, drops map[string]func() uint64) map[string]func() uint64 {
	if c, ok := e.(dropCounter); ok {
		for reason, read := range c.Drops() {
			if ours, both := drops[reason]; both {
				theirs := read
				read = func() uint64 { return ours() + theirs() }
			}
			drops[reason] = read
		}
	}
	return drops
}

// nameOf returns what e is called in metrics and errors.
func nameOf(e sdktrace.SpanExporter) string {
	if s, ok := e.(fmt.Stringer); ok {
		return s.String()
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", e), "*")
}
