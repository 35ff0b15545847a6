package async

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/trace"
)

// errUntouched stands for a message that a batch handler stopped before.
var errUntouched = errors.New("async: untouched")

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
	s.batches++
	mm := s.nextBatchLocked(s.batches)
	if s.ready.size == 0 {
		s.gathered = false
		if s.gather != nil && s.gather.Stop() {
			s.gather = nil
		}
	}
	if len(mm) == 0 {
		return false
	}
	s.startedLocked()
	s.mu.Unlock()
	rr := s.processBatch(mm)
	s.mu.Lock()
	s.concludeBatchLocked(mm, rr)
	return true
}

// nextBatchLocked takes messages that may be started, those of one lane in their order.
func (s *session) nextBatchLocked(batch uint64) []*Message {
	size := min(s.c.config.batchSize, s.ready.size)
	mm := make([]*Message, 0, size)
	for len(mm) < s.c.config.batchSize {
		m := s.ready.pop()
		if m == nil {
			break
		}
		if !s.startLocked(m, batch) {
			continue
		}
		mm = append(mm, m)
		l := m.task.lane
		for l != nil && l.line.size > 0 && len(mm) < s.c.config.batchSize {
			if f := l.line.pop(); f.task.state == waiting {
				l.active++
				f.task.lane, f.task.state = l, running
				mm = append(mm, f)
			}
		}
	}
	return mm
}

// processBatch makes one attempt at each message of a batch: one observation, with a link to the trace of each message.
func (s *session) processBatch(mm []*Message) []result {
	var span trace.Span
	ctx := span.Begin(s.work, trace.Unit{Op: s.observe(mm[0].Source).op})
	if span.IsRecording() {
		span.SetAttributes(trace.BatchSize(len(mm)))
		for _, m := range mm {
			span.AddLink(s.work, &m.Headers)
		}
	}
	for _, m := range mm {
		m.Attempt++
		m.task.work.ctx = ctx //nolint:fatcontext // each message keeps the one context of the batch
	}
	err := s.attempt(ctx, func(ctx context.Context) error { return s.c.batch(ctx, mm) })
	errs := byMessage(err, len(mm))
	rr := make([]result, len(mm))
	var fault error
	for i, m := range mm {
		rr[i] = s.judgeOfBatch(ctx, &span, m, errs[i])
		if rr[i].fault != nil {
			fault = rr[i].fault
			plog.Slog(ctx).LogAttrs(ctx, slog.LevelError, "message failed", slog.String("message", m.ID),
				slog.String("source", m.Source.String()), slog.String("error", fault.Error()))
		}
	}
	span.End(fault)
	return rr
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

// concludeBatchLocked carries the results out. The first message of a lane that failed is tried again after its pause, and holds the lane; those of the
// lane that failed or were not touched after it come next, before all that wait in line.
func (s *session) concludeBatchLocked(mm []*Message, rr []result) {
	behind := make(map[Lane][]*Message)
	for i, m := range mm {
		retry := rr[i].outcome == retrying || rr[i].outcome == untouched
		first := retry && behind[m.Lane] == nil
		switch {
		case !retry || m.task.lost || m.task.revoked || s.closing || s.lanesOff || m.Lane == (Lane{}):
			s.concludeLocked(m, rr[i])
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
