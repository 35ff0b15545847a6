package jaeger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Reasons for which an [Exporter] drops spans: the keys of [Exporter.Drops].
const (
	// DropTooLarge counts spans that alone do not fit into a packet.
	DropTooLarge = "too_large"
	// DropSendFailed counts spans of packets that could not be sent or were refused, and spans that came after Shutdown.
	DropSendFailed = "send_failed"
)

// ErrShutdown is returned by [Exporter.ExportSpans] after [Exporter.Shutdown].
var ErrShutdown = errors.New("jaeger: the exporter is shut down")

// ErrTooLarge is returned by [Exporter.ExportSpans] when a span alone does not fit into a packet.
var ErrTooLarge = errors.New("span larger than a packet")

// Exporter sends spans to a Jaeger agent as compact Thrift over UDP. It is an OpenTelemetry SDK span exporter. Its methods may be called concurrently;
// exports then run one after the other. Make one with [NewExporter].
type Exporter struct {
	address string
	turn    chan struct{} // holds one token: whoever has it may use the three fields below
	agent   *agent
	packet  packet
	closed  bool

	tooLarge   atomic.Uint64
	sendFailed atomic.Uint64
}

var _ sdktrace.SpanExporter = (*Exporter)(nil)

// NewExporter returns an exporter for the agent at host and port (UDP; agents listen on 6831). The host is a name or an IP address without a port; an
// unspecified address such as 0.0.0.0 means this machine. Nothing is resolved or opened before the first export. The error joins all that is wrong with
// the arguments.
func NewExporter(host string, port int, oo ...OptionFunc) (*Exporter, error) {
	c, err := newConfig(oo)
	errs := []error{err}
	if host == "" {
		errs = append(errs, errors.New("host is empty"))
	}
	if port < 1 || port > 65535 {
		errs = append(errs, fmt.Errorf("port %d: want 1 to 65535", port))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("jaeger: %w", err)
	}
	a := newAgent(host, strconv.Itoa(port))
	e := &Exporter{
		address: a.address,
		turn:    make(chan struct{}, 1),
		agent:   a,
		packet:  packet{limit: c.maxPacketSize},
	}
	e.turn <- struct{}{}
	return e, nil
}

// String returns "jaeger", the exporter's name in metrics and errors.
func (e *Exporter) String() string { return "jaeger" }

// ExportSpans sends spans in as few packets as hold them. It blocks while another export runs, while the host's name is resolved (five seconds at most)
// and while the kernel's send buffer is full (one second at most), never for an agent that is not there, and not beyond ctx. Spans that could not be sent
// are dropped and counted; the others are sent even so, and the error says how many were lost and why. That a packet was refused is known only with the
// next one, so its spans count then.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	select {
	case <-e.turn:
		defer func() { e.turn <- struct{}{} }()
	case <-ctx.Done():
		e.sendFailed.Add(uint64(len(spans)))
		return fmt.Errorf("jaeger agent %s: %d spans lost: %w", e.address, len(spans), context.Cause(ctx))
	}
	if e.closed {
		e.sendFailed.Add(uint64(len(spans)))
		return ErrShutdown
	}
	b := batch{exporter: e}
	for _, s := range spans {
		b.add(ctx, s)
	}
	b.send(ctx)
	return b.done()
}

// Shutdown closes the socket. It waits for an export that runs, within ctx. The second call does nothing.
func (e *Exporter) Shutdown(ctx context.Context) error {
	select {
	case <-e.turn:
		defer func() { e.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("jaeger agent %s: shutdown: %w", e.address, context.Cause(ctx))
	}
	if e.closed {
		return nil
	}
	e.closed = true
	b := batch{exporter: e}
	b.lose(e.agent.flush())
	e.agent.close()
	return b.done()
}

// Drops returns a reader for each reason for which spans are dropped, [DropTooLarge] and [DropSendFailed]. A reader returns the number of spans since the
// exporter was made. It never blocks and may be called concurrently, also after Shutdown.
func (e *Exporter) Drops() map[string]func() uint64 {
	return map[string]func() uint64{DropTooLarge: e.tooLarge.Load, DropSendFailed: e.sendFailed.Load}
}

// Dropped returns the number of spans that were dropped for any reason.
func (e *Exporter) Dropped() uint64 { return e.tooLarge.Load() + e.sendFailed.Load() }

// batch is one call of the exporter: what it fills and sends, and what it lost.
type batch struct {
	exporter *Exporter
	failed   int // spans of packets that could not be sent or were refused
	cause    error
	oversize int // spans larger than a packet
}

func (b *batch) add(ctx context.Context, s sdktrace.ReadOnlySpan) {
	p := &b.exporter.packet
	if res := s.Resource(); !p.belongs(res) {
		b.send(ctx)
		p.begin(res)
	}
	if p.add(s) {
		return
	}
	if p.count > 0 {
		b.send(ctx)
		if p.add(s) {
			return
		}
	}
	p.reset() // the buffer has grown to the size of the span
	b.oversize++
}

// send sends what the packet holds and empties it.
func (b *batch) send(ctx context.Context) {
	p := &b.exporter.packet
	if p.count == 0 {
		return
	}
	n := p.count
	b.lose(b.exporter.agent.send(ctx, p.seal(), n))
	p.reset()
}

func (b *batch) lose(n int, err error) {
	b.failed += n
	if err != nil {
		b.cause = err
	}
}

// done counts what was lost and says it.
func (b *batch) done() error {
	e := b.exporter
	var errs []error
	if b.failed > 0 {
		e.sendFailed.Add(uint64(b.failed))
		errs = append(errs, fmt.Errorf("jaeger agent %s: %d spans lost: %w", e.address, b.failed, b.cause))
	}
	if b.oversize > 0 {
		e.tooLarge.Add(uint64(b.oversize))
		errs = append(errs, fmt.Errorf("jaeger agent %s: %d spans lost: %w of %d bytes", e.address, b.oversize, ErrTooLarge, e.packet.limit))
	}
	return errors.Join(errs...)
}
