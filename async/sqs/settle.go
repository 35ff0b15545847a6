package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
)

// mostCalls bounds how many batches of one settlement or extension are on their way at a time.
const mostCalls = 8

// change is what is asked of SQS for one delivery, and what came of it.
type change struct {
	delivery *delivery
	settles  *async.Settlement // nil: it is an extension, or the end of the consumer
	delay    time.Duration     // of its visibility
	err      error
}

// Settle implements async.Consumer. It never says that the connection is gone: each batch stands for itself, and what could not be sent is tried again.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	var deletes, changes []change
	for _, s := range c.begin(ss) {
		switch s.settles.Verdict {
		case async.Ack, async.Reject:
			deletes = append(deletes, s)
		case async.Retry, async.Release:
			changes = append(changes, s)
		default:
			s.settles.Err = refuse("sqs: %s", s.settles.Verdict)
			c.resume(s.delivery)
		}
	}
	var others sync.WaitGroup
	if len(changes) > 0 {
		give := func() {
			c.giveBack(ctx, changes)
			c.conclude(changes)
		}
		if len(deletes) > 0 {
			others.Go(give)
		} else {
			give()
		}
	}
	if len(deletes) > 0 {
		deletes = c.bury(ctx, deletes)
		c.delete(ctx, deletes)
		c.conclude(deletes)
	}
	others.Wait()
	return nil
}

// begin returns a change for each settlement of a message that is ours, and refuses the others.
func (c *consumer) begin(ss []async.Settlement) []change {
	now := time.Now()
	out := make([]change, 0, len(ss))
	var stale []*delivery
	c.mu.Lock()
	for i := range ss {
		s := &ss[i]
		d := c.held[s.Message]
		switch {
		case d == nil || d.settling:
			s.Err = async.ErrLost
		case now.After(d.until) && (s.Verdict != async.Ack || c.queue.fifo):
			// Somebody else may have it. What is done is worth an attempt all the same, where order does not forbid it: SQS takes it off if nobody has.
			s.Err = async.ErrLost
			c.forgetLocked(d)
			stale = append(stale, d)
		default:
			s.Err = nil
			d.settling = true
			out = append(out, change{delivery: d, settles: s, delay: s.Delay})
		}
	}
	c.mu.Unlock()
	for _, d := range stale {
		d.msg.Claim.Lose(errOver)
	}
	return out
}

// resume makes d a delivery like any other again, because its settlement failed.
func (c *consumer) resume(d *delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.settling = false
}

// conclude says what came of changes.
func (c *consumer) conclude(changes []change) {
	for i := range changes {
		s := &changes[i]
		s.settles.Err = s.err
		switch {
		case s.err == nil:
			c.mu.Lock()
			c.forgetLocked(s.delivery)
			c.mu.Unlock()
		case errors.Is(s.err, async.ErrLost):
			c.lose(s.delivery, s.err)
		default:
			c.resume(s.delivery)
		}
	}
}

// giveBack makes messages visible again, at once or after their delay.
func (c *consumer) giveBack(ctx context.Context, changes []change) {
	now := time.Now()
	delays := make(map[async.Lane]time.Duration)
	for i := range changes {
		s := &changes[i]
		if s.settles.Verdict == async.Release {
			s.delay = 0
		}
		// SQS lets a message be hidden for so long in all, from its receipt.
		s.delay = min(s.delay, mostVisibility-time.Second-now.Sub(s.delivery.received))
		if lane := s.delivery.msg.Lane; lane != (async.Lane{}) {
			delays[lane] = max(delays[lane], s.delay)
		}
		c.memory.starts.Keep(text(s.delivery.raw.MessageId), s.settles.Message)
	}
	for i := range changes {
		s := &changes[i]
		if lane := s.delivery.msg.Lane; !c.unordered && lane != (async.Lane{}) {
			s.delay = delays[lane] // what follows a message that waits comes behind it
		}
		c.awaitExtension(ctx, s.delivery)
	}
	// The first of a group at last: it opens the group, which then comes as a whole.
	slices.SortStableFunc(changes, func(a, b change) int { return lastFirst(a.delivery, b.delivery) })
	c.change(ctx, changes)
}

// awaitExtension waits for an extension that is under way: it would hide the message again that goes back.
func (c *consumer) awaitExtension(ctx context.Context, d *delivery) {
	c.mu.Lock()
	extended := d.extended
	c.mu.Unlock()
	if extended == nil {
		return
	}
	select {
	case <-extended:
	case <-ctx.Done():
	}
}

// change changes the visibility of deliveries.
func (c *consumer) change(ctx context.Context, changes []change) {
	c.inBatches(changes, func(batch []change) (map[string]error, error) {
		in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: c.url, Entries: make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))}
		for i := range batch {
			in.Entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id: entryID(i), ReceiptHandle: batch[i].delivery.raw.ReceiptHandle, VisibilityTimeout: seconds(batch[i].delay),
			}
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		out, err := c.client.ChangeMessageVisibilityBatch(ctx, in)
		if err != nil {
			return nil, c.queue.errorf("change the visibility of messages of", "ChangeMessageVisibility", err)
		}
		done := make([]*string, len(out.Successful))
		for i := range out.Successful {
			done[i] = out.Successful[i].Id
		}
		return results(done, out.Failed), nil
	})
}

// delete takes deliveries off the queue.
func (c *consumer) delete(ctx context.Context, deletes []change) {
	c.inBatches(deletes, func(batch []change) (map[string]error, error) {
		receipts := make([]*string, len(batch))
		for i := range batch {
			receipts[i] = batch[i].delivery.raw.ReceiptHandle
		}
		return deleteBatch(ctx, c.client, c.queue, c.url, receipts)
	})
}

// deleteBatch deletes what up to ten receipts stand for.
func deleteBatch(ctx context.Context, client Client, q *queue, u *string, receipts []*string) (map[string]error, error) {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: u, Entries: make([]types.DeleteMessageBatchRequestEntry, len(receipts))}
	for i := range receipts {
		in.Entries[i] = types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: receipts[i]}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := client.DeleteMessageBatch(ctx, in)
	if err != nil {
		return nil, q.errorf("delete from", "DeleteMessage", err)
	}
	done := make([]*string, len(out.Successful))
	for i := range out.Successful {
		done[i] = out.Successful[i].Id
	}
	return results(done, out.Failed), nil
}

// inBatches calls do for each ten of changes, at the same time where order does not matter, and sets their errors.
func (c *consumer) inBatches(changes []change, do func([]change) (map[string]error, error)) {
	one := func(batch []change) {
		errs, err := do(batch)
		for i := range batch {
			s := &batch[i]
			s.err = err
			if err != nil {
				continue
			}
			result, answered := errs[*entryID(i)]
			if s.err = result; !answered {
				s.err = errUnmentioned
			}
			if s.err != nil && !errors.Is(s.err, async.ErrLost) {
				s.err = fmt.Errorf("sqs: settle message of %s: %w", c.queue.name, s.err)
			}
		}
	}
	if len(changes) <= mostEntries {
		if len(changes) > 0 {
			one(changes)
		}
		return
	}
	var calls sync.WaitGroup
	places := make(chan struct{}, mostCalls)
	if c.queue.fifo {
		places = make(chan struct{}, 1)
	}
	for batch := range slices.Chunk(changes, mostEntries) {
		places <- struct{}{}
		calls.Go(func() {
			defer func() { <-places }()
			one(batch)
		})
	}
	calls.Wait()
}

var errUnmentioned = errors.New("the answer does not mention it")

// results says for each entry of a batch that was answered what came of it.
func results(done []*string, failed []types.BatchResultErrorEntry) map[string]error {
	out := make(map[string]error, len(done)+len(failed))
	for _, id := range done {
		out[text(id)] = nil
	}
	for i := range failed {
		f := &failed[i]
		err := newEntryError(f.Code, f.Message, f.SenderFault)
		if lostCode(err.code) {
			out[text(f.Id)] = fmt.Errorf("%w: %w", async.ErrLost, err)
			continue
		}
		out[text(f.Id)] = err
	}
	return out
}

// entryIDs are the IDs of the entries of a batch.
var entryIDs = [mostEntries]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} //nolint:gochecknoglobals // immutable

func entryID(i int) *string {
	if i < len(entryIDs) {
		return &entryIDs[i]
	}
	id := strconv.Itoa(i)
	return &id
}

// Extend implements async.Extender. SQS lets a message be held for 12 hours in all: beyond that it is lost.
func (c *consumer) Extend(ctx context.Context, mm []*async.Message) error {
	now := time.Now()
	extended := make(chan struct{})
	changes := make([]change, 0, len(mm))
	places := make([]int, 0, len(mm)) // of changes in mm
	var batch async.BatchError
	c.mu.Lock()
	for i, m := range mm {
		d := c.held[m]
		switch {
		case d == nil:
			if m.Claim != nil && m.Claim.Lost() {
				_ = batch.Add(i, async.ErrLost)
			} // else it is settled
		case d.settling || d.extended != nil:
		default:
			d.extended = extended
			changes = append(changes, change{delivery: d, delay: min(c.config.visibility, mostVisibility-now.Sub(d.received))})
			places = append(places, i)
		}
	}
	c.mu.Unlock()

	due := changes[:0:0]
	for i := range changes {
		if changes[i].delay < time.Second {
			changes[i].err = fmt.Errorf("%w: held for %v, the most that SQS allows", async.ErrLost, mostVisibility)
		}
	}
	due = append(due, changes...)
	due = slices.DeleteFunc(due, func(s change) bool { return s.err != nil })
	c.change(ctx, due)

	results := make(map[*delivery]error, len(due))
	for i := range due {
		results[due[i].delivery] = due[i].err
	}
	for i := range changes {
		s := &changes[i]
		if s.err == nil {
			s.err = results[s.delivery]
		}
		s.err = c.wasExtended(s)
		_ = batch.Add(places[i], s.err)
		if errors.Is(s.err, async.ErrLost) {
			c.lose(s.delivery, s.err)
		}
	}
	close(extended)
	return batch.Err()
}

// wasExtended takes note of an extension, and returns its error unless the message was settled meanwhile.
func (c *consumer) wasExtended(s *change) error {
	now := time.Now()
	d := s.delivery
	c.mu.Lock()
	defer c.mu.Unlock()
	d.extended = nil
	switch {
	case c.held[&d.msg] != d || d.settling && errors.Is(s.err, async.ErrLost):
		return nil
	case s.err == nil:
		d.until = now.Add(s.delay)
		return nil
	case now.After(d.until) && !errors.Is(s.err, async.ErrLost):
		return fmt.Errorf("%w: %w: %w", async.ErrLost, errOver, s.err)
	default:
		return s.err
	}
}
