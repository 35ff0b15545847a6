package sqs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
)

// mostCause bounds the text of a cause in a dead letter, so that a message of full size has room for it nearly always.
const mostCause = 4 << 10

// bury sends the rejected among deletes to the dead letter queue and tells of them, and returns those that may be deleted now.
func (c *consumer) bury(ctx context.Context, deletes []change) []change {
	var rejected []*change
	for i := range deletes {
		if deletes[i].settles.Verdict == async.Reject {
			rejected = append(rejected, &deletes[i])
		}
	}
	if len(rejected) == 0 {
		return deletes
	}
	c.send(ctx, rejected)
	for _, s := range rejected {
		if s.err == nil && s.settles.Written != nil {
			s.err = s.settles.Written(ctx)
		}
	}
	return slices.DeleteFunc(deletes, func(s change) bool {
		if s.err == nil {
			return false
		}
		s.settles.Err = s.err
		c.resume(s.delivery)
		return true
	})
}

// send sends the dead letters of rejected messages that were not sent before. Their changes say what came of it.
func (c *consumer) send(ctx context.Context, rejected []*change) {
	var ss []*change
	var entries []entry
	for _, s := range rejected {
		switch {
		case s.delivery.buried: // and only its settlement failed
			continue
		case c.dead == nil:
			s.err = refuse("sqs: reject message of %s: it has no dead letter queue", c.queue.name)
			continue
		}
		e, err := c.letter(s)
		if err != nil {
			s.err = c.dead.queue.errorf("send to dead letter queue", "SendMessage", err)
			continue
		}
		ss, entries = append(ss, s), append(entries, e)
	}
	if len(ss) == 0 {
		return
	}
	target := queueTarget{client: c.client, queue: c.dead.queue}
	var calls sync.WaitGroup
	from := 0
	for _, n := range batches(entries) {
		part, batch := ss[from:from+n], entries[from:from+n]
		from += n
		calls.Go(func() {
			errs := target.send(ctx, batch)
			for i, s := range part {
				s.err, s.delivery.buried = errs[i], errs[i] == nil
			}
		})
	}
	calls.Wait()
}

// letter makes the dead letter of a rejected message. In a FIFO queue each is a group of its own, so that one does not hide the others.
func (c *consumer) letter(s *change) (entry, error) {
	m := s.settles.Message.Clone()
	m.Due = time.Time{}
	var e entry
	var err error
	for _, most := range [...]int{mostCause, 200, 0} {
		async.MarkDead(m, shortened(s.settles.Cause, most), m.Attempt, m.Source, time.Now())
		if e, err = encode(m, c.dead.queue.fifo, true); err == nil {
			break
		}
	}
	if c.dead.queue.fifo {
		e.dedup = correlation.New()
		e.group = keylessGroup + digest(e.dedup)
	}
	return e, err
}

// shortened cuts the text of a cause.
func shortened(cause error, most int) error {
	if cause == nil || len(cause.Error()) <= most {
		return cause
	}
	return errors.New(strings.ToValidUTF8(cause.Error()[:most], ""))
}
