package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// DropWriteFailed counts spans whose line could not be written, and those that came after Shutdown: see [JSONExporter.Drops].
const DropWriteFailed = "write_failed"

// ErrExporterShutdown is returned by [JSONExporter.ExportSpans] after [JSONExporter.Shutdown].
var ErrExporterShutdown = errors.New("json exporter: already shut down")

// maxJSONWrite is how many bytes are collected for one Write. Together with the line that goes beyond it, this is all that a buffer holds.
const maxJSONWrite = 64 << 10

// JSONExporter writes finished spans to a writer, one JSON object a line. It is an OpenTelemetry SDK span exporter; its methods may be called
// concurrently. Make one with [NewJSONExporter].
//
// A line is UTF-8 without line breaks, ended by one. Its members are, in this order:
//
//	trace_id        string, 32 hexadecimal digits
//	span_id         string, 16 hexadecimal digits
//	parent_span_id  string, 16 hexadecimal digits; absent for the first span of a trace
//	trace_state     string, as in the header tracestate; absent if empty
//	name            string
//	kind            string: internal, server, client, producer, consumer
//	start, end      string: RFC 3339 in UTC, with up to 9 digits of a second
//	duration_ns     number: end minus start
//	status          object: code (string: unset, ok, error), description (string; absent if empty)
//	attributes      object: a value for each key; absent if empty
//	events          array of objects: time, name, attributes, dropped_attributes; absent if empty
//	links           array of objects: trace_id, span_id, attributes, dropped_attributes; absent if empty
//	dropped         object: attributes, events, links: what the span's limits cut off; absent if nothing was
//	scope           object: name, version (absent if empty): what made the span
//	resource        object: a value for each key, such as service.name and service.version
//
// Values of attributes are strings, booleans, numbers, arrays and objects; bytes are strings of base64, and the numbers that JSON does not know are the
// strings "NaN", "Infinity" and "-Infinity". Integers are written in full, even beyond what fits into a double. What is not UTF-8 in a string becomes
// U+FFFD. Members may be added in the future.
type JSONExporter struct {
	buffers sync.Pool // of *jsonBuffer

	mu     sync.Mutex // guards what follows
	w      io.Writer
	torn   bool // the last line that was written has no end
	closed atomic.Bool

	failed atomic.Uint64
}

var _ sdktrace.SpanExporter = (*JSONExporter)(nil)

// NewJSONExporter returns an exporter that writes to w. It makes one Write of one or several whole lines, some 64 KiB at most unless a line is longer, so
// that what is appended to a file by several processes does not mix within lines. It never closes w; who opened it does, after the provider was shut down.
// Give it to [WithExporter], with [WithBlocking] if nothing may be missing.
func NewJSONExporter(w io.Writer) (*JSONExporter, error) {
	if w == nil {
		return nil, errors.New("json exporter: writer is nil")
	}
	return &JSONExporter{w: w}, nil
}

// String returns "json", the exporter's name in metrics and errors.
func (e *JSONExporter) String() string { return "json" }

// jsonBuffer is what an export needs to encode spans.
type jsonBuffer struct {
	line     []byte
	lines    int
	resource *resource.Resource // whose encoding is in encoded
	encoded  []byte
}

// ExportSpans writes a line for each span. It blocks as long as the writer does; ctx is looked at between writes. After a failed Write it goes on with the
// lines that are left; the error says how many lines are missing and why, and they are counted. If a Write ends within a line, the next begins with a line
// break, so that only that line is spoilt.
func (e *JSONExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	if e.closed.Load() {
		e.failed.Add(uint64(len(spans)))
		return ErrExporterShutdown
	}
	b, ok := e.buffers.Get().(*jsonBuffer)
	if !ok {
		b = &jsonBuffer{line: make([]byte, 0, maxJSONWrite+maxJSONWrite/4)}
	}
	var lost int
	var errs []error
	for i, s := range spans {
		b.append(s)
		if len(b.line) < maxJSONWrite && i < len(spans)-1 {
			continue
		}
		missing, err := e.write(ctx, b)
		if err != nil {
			lost += missing
			errs = append(errs, err)
		}
		b.line, b.lines = b.line[:0], 0
	}
	if cap(b.line) <= 4*maxJSONWrite { // what one huge span has made grow is not kept
		e.buffers.Put(b)
	}
	if len(errs) == 0 {
		return nil
	}
	e.failed.Add(uint64(lost))
	return fmt.Errorf("json exporter: %d spans lost: %w", lost, errors.Join(errs...))
}

// write writes the lines of b and returns how many of them did not get out whole.
func (e *JSONExporter) write(ctx context.Context, b *jsonBuffer) (missing int, err error) {
	if ctx.Err() != nil {
		return b.lines, context.Cause(ctx)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.torn {
		n, err := e.w.Write([]byte{'\n'})
		if err == nil && n == 1 {
			e.torn = false
		}
		if e.torn {
			return b.lines, orShort(err)
		}
	}
	n, err := e.w.Write(b.line)
	if n == len(b.line) && err == nil {
		return 0, nil
	}
	n = min(max(n, 0), len(b.line))
	missing = b.lines
	for _, c := range b.line[:n] {
		if c == '\n' {
			missing--
		}
	}
	e.torn = n > 0 && b.line[n-1] != '\n'
	return missing, orShort(err)
}

// orShort returns err, or what to say of a writer that wrote less and gave no reason.
func orShort(err error) error {
	if err == nil {
		return io.ErrShortWrite
	}
	return err
}

// Shutdown ends the exporter. It does not close the writer. The second call does nothing.
func (e *JSONExporter) Shutdown(context.Context) error {
	e.closed.Store(true)
	return nil
}

// Drops returns a reader of the number of spans that were lost, with the reason [DropWriteFailed]. The reader never blocks and may be called concurrently.
func (e *JSONExporter) Drops() map[string]func() uint64 {
	return map[string]func() uint64{DropWriteFailed: e.failed.Load}
}
