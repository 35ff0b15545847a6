package async

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/trace"
)

// Observed wraps the producer of a driver: each Send is one span that its messages carry on, with the correlation ID, and is counted; messages that
// lack an ID or a time get one, and those that the broker cannot hold back for as long as they ask are refused, see [Scheduler]. What [NewForward] sends keeps
// its own trace and correlation ID; the span has links to it. A Send with a context that has ended, or after Close, does not reach the driver, nor does a
// second Close. A driver returns its producers through it and does none of this itself. System and destination are those of the sources.
func Observed(system, destination string, p Producer) Producer {
	return &observedProducer{
		producer: p, destination: destination,
		op: trace.NewOp(trace.Producer, "send "+destination, trace.MessagingSystem(system), trace.MessagingDestination(destination),
			trace.MessagingOperation("send")),
	}
}

type observedProducer struct {
	producer    Producer
	destination string
	op          *trace.Op
	closed      atomic.Bool
}

var (
	_ Producer  = (*observedProducer)(nil)
	_ Scheduler = (*observedProducer)(nil)
)

func (p *observedProducer) Send(ctx context.Context, mm ...*Message) error {
	if len(mm) == 0 {
		return nil
	}
	var now time.Time
	for i, m := range mm {
		if m == nil {
			return fmt.Errorf("async: send to %s: message %d is nil", p.destination, i)
		}
		if m.ID == "" {
			m.ID = correlation.New()
		}
		if m.Time.IsZero() {
			if now.IsZero() {
				now = time.Now()
			}
			m.Time = now
		}
	}
	ctx, span := p.begin(ctx, mm)
	if span.IsRecording() {
		if len(mm) == 1 {
			span.SetAttributes(trace.MessageID(mm[0].ID))
		} else {
			span.SetAttributes(trace.BatchSize(len(mm)))
		}
	}
	err := p.send(ctx, mm)
	span.End(err)
	return err
}

// begin starts the span of a Send, and writes it into the messages. Those that are forwarded stay in the trace of who published them.
func (p *observedProducer) begin(ctx context.Context, mm []*Message) (context.Context, *trace.Span) {
	if Forwarding(ctx) {
		ctx, span := trace.Begin(ctx, trace.Unit{Op: p.op})
		if span.IsRecording() {
			for _, m := range mm {
				span.AddLink(ctx, &m.Headers)
			}
		}
		return ctx, span
	}
	ctx, span := trace.Begin(ctx, trace.Unit{Op: p.op, Out: &mm[0].Headers})
	for _, m := range mm[1:] {
		span.Inject(ctx, &m.Headers)
	}
	return ctx, span
}

func (p *observedProducer) send(ctx context.Context, mm []*Message) error {
	err := ctx.Err()
	if p.closed.Load() {
		err = ErrClosed
	}
	if err == nil {
		err = checkTimes(mm, p.MaxPublishDelay())
	}
	if err != nil {
		return fmt.Errorf("async: send to %s: %w", p.destination, err)
	}
	return p.producer.Send(ctx, mm...)
}

// MaxPublishDelay implements [Scheduler]; 0: the broker cannot hold messages back.
func (p *observedProducer) MaxPublishDelay() time.Duration { return maxPublishDelay(p.producer) }

func (p *observedProducer) Close(ctx context.Context) error {
	if p.closed.Swap(true) {
		return nil
	}
	return p.producer.Close(ctx)
}
