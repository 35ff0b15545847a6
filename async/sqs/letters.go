package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
)

const (
	// lookTime is for how long letters are hidden that somebody looks at.
	lookTime = 2 * time.Minute
	// roundLetters and roundBytes bound what a listing has in memory at a time.
	roundLetters, roundBytes = 1000, 64 << 20
	// clockSkew is by how much the clocks of this machine and of SQS are taken to differ at most.
	clockSkew = time.Minute
)

// letters are the dead letters in a queue. SQS cannot browse: whoever looks receives what is there, which hides it from others meanwhile, and gives it back.
type letters struct {
	client Client
	queue  *queue
	source *async.Source

	mu   sync.Mutex
	open map[string]*letter // hidden by listings of this process, by message ID of SQS
}

// letter is one that was received.
type letter struct {
	of      *letters
	id      string // message ID of SQS
	receipt *string
	until   time.Time // when its visibility time ends at the earliest
	dead    *async.DeadLetter
	written time.Time // as SQS says
	size    int
}

var _ async.DeadLetters = (*letters)(nil)

func newLetters(client Client, q *queue) *letters {
	return &letters{client: client, queue: q, source: &async.Source{System: system, Name: q.name, Partition: -1}, open: make(map[string]*letter)}
}

func (d *letters) errorf(operation string, err error) error {
	return fmt.Errorf("sqs: %s dead letters of %s: %w", operation, d.queue.name, err)
}

// List implements async.DeadLetters. It receives up to a thousand letters, or 64 MiB, which are in order, and hides them while they are yielded; then the next
// ones. What was not removed it gives back at the end. Letters that somebody else looks at are not seen.
func (d *letters) List(ctx context.Context, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		began := time.Now()
		look := d.look()
		defer look.end(ctx)
		for round := 0; ; round++ {
			ll, more, err := look.round(ctx, &f)
			if err != nil {
				yield(nil, d.errorf("list", err))
				return
			}
			for _, l := range ll {
				if err := look.keep(ctx); err != nil {
					yield(nil, d.errorf("list", err))
					return
				}
				if round > 0 && l.written.After(began.Add(clockSkew)) {
					continue // it was written while others were yielded
				}
				dead := l.dead
				l.dead = nil // it is the caller's
				if !yield(dead, nil) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

// Count implements async.DeadLetters. Without a filter it asks SQS, whose numbers are approximate; with one it receives all letters.
func (d *letters) Count(ctx context.Context, f async.DeadFilter) (int64, error) {
	if f.Key == nil && (f.ID+f.Type+f.Cause+f.Origin) == "" && f.After.IsZero() && f.Before.IsZero() {
		u, err := d.queue.url(ctx, d.client)
		if err != nil {
			return 0, d.errorf("count", err)
		}
		n, err := counts(ctx, d.client, d.queue, u)
		if err != nil {
			return 0, d.errorf("count", err)
		}
		return n.visible + n.hidden + n.delayed, nil
	}
	var n int64
	err := d.all(ctx, func(l *letter) bool {
		if f.Match(l.dead) {
			n++
		}
		return true
	})
	if err != nil {
		return 0, d.errorf("count", err)
	}
	return n, nil
}

// Get implements async.DeadLetters. It receives all letters.
func (d *letters) Get(ctx context.Context, id string) (*async.DeadLetter, error) {
	var last *async.DeadLetter
	err := d.all(ctx, func(l *letter) bool {
		if l.dead.Message.ID == id && (last == nil || l.dead.Time.After(last.Time)) {
			last = l.dead
		}
		return true
	})
	switch {
	case err != nil:
		return nil, d.errorf("get", err)
	case last == nil:
		return nil, d.errorf("get", fmt.Errorf("%w with ID %q", async.ErrNoLetter, id))
	default:
		return last, nil
	}
}

// Remove implements async.DeadLetters. A letter of a listing that goes on is deleted at once; for others all letters are received. One that is not found while
// somebody else looks at letters may be among those, so that is an error.
func (d *letters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	places := make(map[string][]int) // message ID of SQS → where in ll
	for i, l := range ll {
		if l == nil {
			continue
		}
		if raw, ok := l.Raw.(*letter); ok && raw.of == d {
			places[raw.id] = append(places[raw.id], i)
		}
	}
	if err := ctx.Err(); err != nil {
		return d.errorf("remove", err)
	}
	failed := make(map[string]error)
	d.remove(ctx, d.takeOpen(places), places, failed)
	if len(places) > len(failed) {
		if err := d.removeFound(ctx, places, failed); err != nil {
			return d.errorf("remove", err)
		}
	}
	var batch async.BatchError
	for id, err := range failed {
		for _, i := range places[id] {
			_ = batch.Add(i, d.errorf("remove", err))
		}
	}
	return batch.Err()
}

// takeOpen returns those of places that a listing holds.
func (d *letters) takeOpen(places map[string][]int) []*letter {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*letter
	for id := range places {
		if l := d.open[id]; l != nil && now.Before(l.until) {
			out = append(out, l)
		}
	}
	return out
}

// remove deletes letters that are held. What it did is taken out of places, what failed is in failed.
func (d *letters) remove(ctx context.Context, held []*letter, places map[string][]int, failed map[string]error) {
	u, err := d.queue.url(ctx, d.client)
	for batch := range slices.Chunk(held, mostEntries) {
		receipts := make([]*string, len(batch))
		for i, l := range batch {
			receipts[i] = l.receipt
		}
		var results map[string]error
		if err == nil {
			results, err = deleteBatch(ctx, d.client, d.queue, u, receipts)
		}
		for i, l := range batch {
			result, answered := results[*entryID(i)]
			switch {
			case err != nil:
				failed[l.id] = err
			case !answered:
				failed[l.id] = errUnmentioned
			case errors.Is(result, async.ErrLost): // it is to be looked for
				d.close(l)
			case result != nil:
				failed[l.id] = result
			default:
				d.close(l)
				delete(places, l.id)
				delete(failed, l.id)
			}
		}
	}
}

// close forgets a letter that was held.
func (d *letters) close(l *letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[l.id] == l {
		delete(d.open, l.id)
	}
}

var errHidden = errors.New("not found, and somebody else is looking at letters: try again later")

// removeFound looks for what is left of places, and deletes it.
func (d *letters) removeFound(ctx context.Context, places map[string][]int, failed map[string]error) error {
	var found []*letter
	look := d.look()
	defer look.end(ctx)
	wanted := len(places) - len(failed)
	err := look.all(ctx, func(l *letter) bool {
		if places[l.id] != nil && failed[l.id] == nil {
			found = append(found, l)
		}
		return len(found) < wanted
	})
	d.remove(ctx, found, places, failed)
	if err != nil {
		return err
	}
	if len(places) == len(failed) {
		return nil
	}
	u, err := d.queue.url(ctx, d.client)
	if err != nil {
		return err
	}
	look.end(ctx)
	n, err := counts(ctx, d.client, d.queue, u)
	if err != nil {
		return err
	}
	if n.hidden > d.held() {
		for id := range places {
			if failed[id] == nil {
				failed[id] = errHidden
			}
		}
	}
	return nil
}

// held is how many letters listings of this process hide: what is looked for is none of those.
func (d *letters) held() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.open))
}

// all calls visit for each letter until that returns false, and gives them back.
func (d *letters) all(ctx context.Context, visit func(*letter) bool) error {
	look := d.look()
	defer look.end(ctx)
	return look.all(ctx, visit)
}

// look is one look at letters, which hides them.
type look struct {
	of       *letters
	hidden   []*letter
	extended time.Time
}

func (d *letters) look() *look { return &look{of: d} }

// all receives letters until there is none, or visit returns false. They stay hidden.
func (k *look) all(ctx context.Context, visit func(*letter) bool) error {
	for {
		ll, err := k.receive(ctx)
		if err != nil || len(ll) == 0 {
			return err
		}
		for _, l := range ll {
			if !visit(l) {
				return nil
			}
			l.dead = nil // only its receipt is needed from here on
		}
	}
}

// round receives letters until there is none or there are many, and returns those that f chooses, the oldest in front. More says that there may be others.
func (k *look) round(ctx context.Context, f *async.DeadFilter) (chosen []*letter, more bool, err error) {
	bytes := 0
	for len(chosen) < roundLetters && bytes < roundBytes {
		ll, err := k.receive(ctx)
		if err != nil {
			return nil, false, err
		}
		if len(ll) == 0 {
			sortLetters(chosen)
			return chosen, false, nil
		}
		for _, l := range ll {
			if !f.Match(l.dead) {
				l.dead = nil // only its receipt is needed
				continue
			}
			chosen = append(chosen, l)
			bytes += l.size
		}
	}
	sortLetters(chosen)
	return chosen, true, nil
}

func sortLetters(ll []*letter) {
	slices.SortStableFunc(ll, func(a, b *letter) int {
		return cmp.Or(a.dead.Time.Compare(b.dead.Time), a.written.Compare(b.written))
	})
}

// receive makes one receive call, which asks all of SQS for what there is.
func (k *look) receive(ctx context.Context) ([]*letter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := k.keep(ctx); err != nil {
		return nil, err
	}
	d := k.of
	u, err := d.queue.url(ctx, d.client)
	if err != nil {
		return nil, err
	}
	// As with messages, a call that is cancelled would hide what it brings.
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	began := time.Now()
	out, err := d.client.ReceiveMessage(call, &sqs.ReceiveMessageInput{
		QueueUrl: u, MaxNumberOfMessages: mostEntries, WaitTimeSeconds: 1, VisibilityTimeout: seconds(lookTime),
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: read(),
	})
	if err != nil {
		return nil, d.queue.errorf("receive from", "ReceiveMessage", err)
	}
	ll := make([]*letter, len(out.Messages))
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range out.Messages {
		l := d.letterOf(&out.Messages[i])
		l.until = began.Add(lookTime)
		d.open[l.id] = l
		ll[i] = l
	}
	k.hidden = append(k.hidden, ll...)
	if k.extended.IsZero() {
		k.extended = began
	}
	return ll, nil
}

// letterOf reads what was written by this package, or by the redrive policy of SQS.
func (d *letters) letterOf(raw *types.Message) *letter {
	m := &async.Message{}
	decode(m, raw, EnvelopeAuto, d.source, false)
	l := &letter{of: d, id: text(raw.MessageId), receipt: raw.ReceiptHandle, dead: async.NewDeadLetter(m), written: sentAt(raw), size: len(m.Data)}
	l.dead.Raw = l
	if arn := raw.Attributes[string(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)]; l.dead.Time.IsZero() && arn != "" {
		l.dead.Cause, l.dead.Origin, l.dead.Time = "moved by the redrive policy of the queue", arn[strings.LastIndexByte(arn, ':')+1:], l.written
	}
	return l
}

// keep extends what is hidden when half of its time is over.
func (k *look) keep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if k.extended.IsZero() || time.Since(k.extended) < lookTime/2 {
		return nil
	}
	k.extended = time.Now()
	return k.change(ctx, lookTime)
}

// end gives back what is hidden, also if ctx has ended. A second call does nothing.
func (k *look) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	_ = k.change(ctx, 0) // else it comes back by itself
	for _, l := range k.hidden {
		k.of.close(l)
	}
	k.hidden = nil
}

// change sets for how long what is hidden stays so. What was removed is left out.
func (k *look) change(ctx context.Context, visibility time.Duration) error {
	d := k.of
	d.mu.Lock()
	k.hidden = slices.DeleteFunc(k.hidden, func(l *letter) bool { return d.open[l.id] != l })
	d.mu.Unlock()
	if len(k.hidden) == 0 {
		return nil
	}
	u, err := d.queue.url(ctx, d.client)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(k.hidden, mostEntries) {
		in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: u, Entries: make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))}
		for i, l := range batch {
			in.Entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: entryID(i), ReceiptHandle: l.receipt, VisibilityTimeout: seconds(visibility)}
		}
		now := time.Now()
		if _, err := d.client.ChangeMessageVisibilityBatch(ctx, in); err != nil {
			return d.queue.errorf("change the visibility of messages of", "ChangeMessageVisibility", err)
		}
		d.mu.Lock()
		for _, l := range batch {
			l.until = now.Add(visibility)
		}
		d.mu.Unlock()
	}
	return nil
}
