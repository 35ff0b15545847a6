package provider

import sdktrace "go.opentelemetry.io/otel/sdk/trace"

// ring is a bounded first-in, first-out queue. The zero value is full.
type ring struct {
	spans []sdktrace.ReadOnlySpan
	head  int // the oldest span
	count int
}

func newRing(size int) ring { return ring{spans: make([]sdktrace.ReadOnlySpan, size)} }

func (r *ring) full() bool { return r.count == len(r.spans) }

// put adds s at the end. The ring must not be full.
func (r *ring) put(s sdktrace.ReadOnlySpan) {
	i := r.head + r.count
	if i >= len(r.spans) {
		i -= len(r.spans)
	}
	r.spans[i] = s
	r.count++
}

// take moves up to n of the oldest spans to the end of out.
func (r *ring) take(out []sdktrace.ReadOnlySpan, n int) []sdktrace.ReadOnlySpan {
	for n = min(n, r.count); n > 0; {
		run := r.spans[r.head:min(r.head+n, len(r.spans))]
		out = append(out, run...)
		clear(run) // or the queue would keep what was exported long ago
		n -= len(run)
		r.count -= len(run)
		if r.head += len(run); r.head == len(r.spans) {
			r.head = 0
		}
	}
	return out
}
