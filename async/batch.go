package async

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/trace"
	"go.opentelemetry.io/otel/attribute"
)

// errUntouched stands for a message that a batch handler stopped before.
var errUntouched = errors.New("async: untouched")

// batch is what a worker has in hand while it works on a batch. It is used again for the next one.
type batch struct {
	number   uint64 // of the session, from 1
	messages []*Message
	results  []result // of messages, by index; empty: all are acked
}

// gatherOver is called when a batch has waited long enough for more.
func (s *session) gatherOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gather, s.gathered = nil, true
	s.startWorkersLocked()
}

// runBatchLocked works on one batch, without the mutex, and reports false if there is none.
func (s *session) runBatchLocked() bool {
	if !s.startableLocked() {
		return false
	}
	b := s.nextBatchLocked()
	defer s.endBatchLocked(b)
	if s.ready.size == 0 {
		s.gathered = false
		if s.gather != nil && s.gather.Stop() {
			s.gather = nil
		}
	}
	if len(b.messages) == 0 {
		return false
	}
	s.startedLocked()
	s.mu.Unlock()
	s.processBatch(b)
	s.mu.Lock()
	s.concludeBatchLocked(b)
	return true
}

// nextBatchLocked takes messages that may be started, those of one lane in their order.
func (s *session) nextBatchLocked() *batch {
	var b *batch
	if n := len(s.idle); n > 0 {
		b, s.idle = s.idle[n-1], s.idle[:n-1]
	} else {
		b = &batch{}
	}
	s.batches++
	b.number = s.batches
	for len(b.messages) < s.c.config.batchSize {
		m := s.ready.pop()
		if m == nil {
			break
		}
		if !s.startLocked(m, b.number) {
			continue
		}
		b.messages = append(b.messages, m)
		l := m.task.lane
		for l != nil && l.line.size > 0 && len(b.messages) < s.c.config.batchSize {
			if f := l.line.pop(); f.task.state == waiting {
				l.active++
				f.task.lane, f.task.state = l, running
				b.messages = append(b.messages, f)
			}
		}
	}
	return b
}

// endBatchLocked keeps the memory of b for another one. There are never more than workers.
func (s *session) endBatchLocked(b *batch) {
	clear(b.messages)
	clear(b.results)
	b.messages, b.results = b.messages[:0], b.results[:0]
	s.idle = append(s.idle, b)
}

// processBatch makes one attempt at each message of a batch: one observation, with a link to the trace of each message. The handler gets a slice of its own,
// which is one allocation for all: it may keep, sort or filter it, and the engine still knows what was where.
func (s *session) processBatch(b *batch) {
	var span trace.Span
	ctx := span.Begin(s.work, trace.Unit{Op: s.observe(b.messages[0].Source).op, Describer: b})
	if span.IsRecording() {
		for _, m := range b.messages {
			span.AddLink(s.work, &m.Headers)
		}
	}
	for _, m := range b.messages {
		m.Attempt++
		m.task.work.ctx = ctx //nolint:fatcontext // each message keeps the one context of the batch
	}
	mm := slices.Clone(b.messages)
	if err := s.attempt(ctx, func(ctx context.Context) error { return s.c.batch(ctx, mm) }); err != nil {
		span.End(s.judgeBatch(ctx, &span, b, err))
	} else {
		span.End(nil)
	}
}

// AppendAttributes is asked if the span is recorded.
func (b *batch) AppendAttributes(attrs []attribute.KeyValue) []attribute.KeyValue {
	return append(attrs, trace.BatchSize(len(b.messages)))
}

// judgeBatch says for each message of b what follows from err, and returns a fault, if there is one.
func (s *session) judgeBatch(ctx context.Context, span *trace.Span, b *batch, err error) error {
	errs := byMessage(err, len(b.messages))
	var fault error
	for i, m := range b.messages {
		r := s.judgeOfBatch(ctx, span, m, errs[i])
		b.results = append(b.results, r)
		if r.fault != nil {
			fault = r.fault
			plog.Slog(ctx).LogAttrs(ctx, slog.LevelError, "message failed", slog.String("message", m.ID),
				slog.String("source", m.Source.String()), slog.String("error", fault.Error()))
		}
	}
	return fault
}

func (s *session) judgeOfBatch(ctx context.Context, span *trace.Span, m *Message, err error) result {
	if errors.Is(err, errUntouched) {
		m.Attempt--
		return result{outcome: untouched}
	}
	if err != nil {
		err = fmt.Errorf("message %q: %w", m.ID, err)
	}
	return s.judge(ctx, span, m, err)
}

// byMessage spreads the error of a batch handler over its messages.
func byMessage(err error, n int) []error {
	errs := make([]error, n)
	batch, ok := errors.AsType[*BatchError](err)
	if !ok && errors.Is(err, ErrDuplicate) {
		err = &wholeError{err} // of which of them? Those that are new would be taken off without their effect
	}
	for i := range errs {
		switch {
		case !ok:
			errs[i] = err
		case batch.Stopped && i >= batch.Stop:
			errs[i] = errUntouched
		default:
			errs[i] = batch.Errors[i]
		}
	}
	return errs
}

// wholeError is an error of a batch as a whole that says nothing of any one message: what is wrapped in it is hidden.
type wholeError struct{ err error }

func (e *wholeError) Error() string { return e.err.Error() }

// concludeBatchLocked carries the results of b out. The first message of a lane that failed is tried again after its pause, and holds the lane, as one that is
// dead does until its dead letter is written; those of the lane that failed or were not touched after it come next, before all that wait in line.
func (s *session) concludeBatchLocked(b *batch) {
	if len(b.results) == 0 {
		for _, m := range b.messages {
			s.concludeLocked(m, result{verdict: Ack})
		}
		return
	}
	rr := b.results
	behind := make(map[Lane][]*Message)
	for i, m := range b.messages {
		retry := rr[i].outcome == retrying || rr[i].outcome == untouched
		first := retry && behind[m.Lane] == nil
		switch {
		case !retry || m.task.lost || m.task.revoked || s.closing || s.lanesOff || m.Lane == (Lane{}):
			s.concludeLocked(m, rr[i])
			if rr[i].verdict == Reject && m.task.lane != nil && behind[m.Lane] == nil {
				behind[m.Lane] = []*Message{} // its dead letter is not written yet
			}
		case first:
			s.concludeLocked(m, rr[i])
			behind[m.Lane] = []*Message{}
		default:
			behind[m.Lane] = append(behind[m.Lane], m)
		}
	}
	for key, followers := range behind {
		l := s.lanes[key]
		for _, m := range slices.Backward(followers) {
			m.task.state = waiting
			if m.task.lane != nil {
				m.task.lane = nil
				l.active--
			}
			l.line.pushFront(m)
		}
	}
}
