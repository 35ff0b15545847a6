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
	"github.com/beatlabs/patron/async/internal/jitter"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/reliability"
)

// Pauses between receive calls that fail.
const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
)

// errOver is why a claim is lost whose visibility time is over.
var errOver = errors.New("sqs: visibility over")

// errAgain is why a claim is lost whose message was received again.
var errAgain = errors.New("sqs: received again")

// consumer is one of those that share a queue.
type consumer struct {
	client    Client
	queue     *queue
	url       *string
	config    config
	memory    *memory
	dead      *letters // nil: there is no dead letter queue
	source    *async.Source
	most      int // messages of one receive call
	unordered bool

	mu      sync.Mutex // guards everything below, and the deliveries
	held    map[*async.Message]*delivery
	byID    map[string]*delivery // the same, by message ID of SQS
	arrived uint64
	failing time.Time // since when receive calls fail; zero: they do not
	cause   error     // why
}

// delivery is a message that is ours by its receipt.
type delivery struct {
	msg      async.Message
	raw      types.Message
	order    uint64    // of arrival
	received time.Time // when the receive call was answered
	until    time.Time // when its visibility time is surely over
	buried   bool      // its dead letter is confirmed
	settling bool
	extended chan struct{} // closed when an extension that is under way has ended; nil: none is
}

var (
	_ async.Consumer    = (*consumer)(nil)
	_ async.Extender    = (*consumer)(nil)
	_ async.Lagger      = (*consumer)(nil)
	_ component.Checker = (*consumer)(nil)
)

// Receive implements async.Consumer. It asks SQS until there is something. The call that is under way when ctx ends is not cancelled, because SQS would give
// its message to nobody: it comes to its end within the wait and what it brings is returned. Failures that may pass are tried again in silence, and shown by
// Check; after a visibility time of them, when nothing that is held can be ours any more, the consumer counts as dead.
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if limit < 1 {
		return nil, refuse("sqs: receive from %s: limit %d: want at least 1", c.queue.name, limit)
	}
	for failures := 0; ; failures++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		mm, err := c.poll(ctx, min(limit, c.most))
		switch dead := c.judge(err, began); {
		case len(mm) > 0:
			return mm, nil
		case err == nil:
			failures = -1
			continue
		case dead:
			return nil, err
		}
		timer := time.NewTimer(jitter.Draw(ctx, "", min(maxPause, minPause<<min(failures, 8))) + 1)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// poll makes one receive call.
func (c *consumer) poll(ctx context.Context, limit int) ([]*async.Message, error) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.wait+pollSlack)
	defer cancel()
	in := &sqs.ReceiveMessageInput{
		QueueUrl: c.url, MaxNumberOfMessages: int32(limit), WaitTimeSeconds: seconds(c.config.wait), VisibilityTimeout: seconds(c.config.visibility),
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: read(),
	}
	upTo := time.Time{}
	if c.queue.fifo {
		// If the answer is lost the same call is made again, with the same answer: else its groups would be locked for a visibility time.
		now := time.Now()
		id, lasts, ok := c.memory.find(now)
		if !ok {
			id, lasts = correlation.New(), now.Add(lostCallTime)
		}
		in.ReceiveRequestAttemptId, upTo = &id, lasts
	}
	out, err := c.client.ReceiveMessage(call, in)
	if err != nil {
		if _, answered := codeOf(err); !answered && c.queue.fifo {
			c.memory.lose(*in.ReceiveRequestAttemptId, upTo)
		}
		return nil, c.queue.errorf("receive from", "ReceiveMessage", err)
	}
	return c.admit(out.Messages, time.Now()), nil
}

// judge takes note of what came of a receive call that began then, and reports whether the consumer is of no more use.
func (c *consumer) judge(err error, began time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		if !c.failing.After(began) { // or a later call of another receiver failed
			c.failing, c.cause = time.Time{}, nil
		}
		return false
	}
	if c.failing.IsZero() {
		c.failing = time.Now()
	}
	c.cause = err
	return reliability.Classify(err) == reliability.ClassPermanent || time.Since(c.failing) >= c.config.visibility
}

// Check implements component.Checker. It returns why SQS cannot be received from.
func (c *consumer) Check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// admit takes what was received over.
func (c *consumer) admit(raw []types.Message, now time.Time) []*async.Message {
	if len(raw) == 0 {
		return nil
	}
	mm := make([]*async.Message, len(raw))
	dd := make([]delivery, len(raw))
	var stale []*delivery
	for i := range raw {
		d := &dd[i]
		d.raw, d.received, d.until = raw[i], now, now.Add(c.config.visibility)
		decode(&d.msg, &d.raw, c.config.envelope, c.source, c.queue.fifo)
		d.msg.Claim = async.NewClaim()
		mm[i] = &d.msg
	}
	c.mu.Lock()
	for i := range dd {
		d, id := &dd[i], text(dd[i].raw.MessageId)
		if old := c.byID[id]; old != nil {
			c.forgetLocked(old)
			if !old.settling { // else it went back just now
				stale = append(stale, old)
			}
		}
		c.arrived++
		d.order = c.arrived
		c.held[&d.msg], c.byID[id] = d, d
	}
	c.mu.Unlock()
	for i := range dd {
		dd[i].msg.Attempt = c.memory.starts.Before(text(dd[i].raw.MessageId), dd[i].msg.Deliveries)
	}
	for _, d := range stale {
		d.msg.Claim.Lose(errAgain)
	}
	return mm
}

// forgetLocked takes d out of what is held.
func (c *consumer) forgetLocked(d *delivery) {
	delete(c.held, &d.msg)
	if id := text(d.raw.MessageId); c.byID[id] == d {
		delete(c.byID, id)
	}
}

// lose lets go of a delivery whose receipt is of no more use.
func (c *consumer) lose(d *delivery, cause error) {
	c.mu.Lock()
	c.forgetLocked(d)
	c.mu.Unlock()
	d.msg.Claim.Lose(cause)
}

// Lag implements async.Lagger. The numbers of SQS are approximate, and late by up to a minute. It does not tell the age of the oldest message. In a FIFO queue
// nobody knows what is behind messages that are held, so none counts as ready.
func (c *consumer) Lag(ctx context.Context) ([]async.Lag, error) {
	n, err := counts(ctx, c.client, c.queue, c.url)
	if err != nil {
		return nil, err
	}
	lag := async.Lag{Source: c.source, Messages: n.visible + n.hidden, NotDue: n.delayed}
	if !c.queue.fifo {
		lag.Ready = n.visible
	}
	return []async.Lag{lag}, nil
}

// numbers are how many messages a queue has.
type numbers struct{ visible, hidden, delayed int64 }

func counts(ctx context.Context, client Client, q *queue, u *string) (numbers, error) {
	const (
		visible = types.QueueAttributeNameApproximateNumberOfMessages
		hidden  = types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
		delayed = types.QueueAttributeNameApproximateNumberOfMessagesDelayed
	)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: u, AttributeNames: []types.QueueAttributeName{visible, hidden, delayed},
	})
	if err != nil {
		return numbers{}, q.errorf("count messages of", "GetQueueAttributes", err)
	}
	var n numbers
	for name, to := range map[types.QueueAttributeName]*int64{visible: &n.visible, hidden: &n.hidden, delayed: &n.delayed} {
		*to, err = strconv.ParseInt(out.Attributes[string(name)], 10, 64)
		if err != nil {
			return numbers{}, q.errorf("count messages of", "GetQueueAttributes", fmt.Errorf("attribute %s: %w", name, err))
		}
	}
	return n, nil
}

// Close implements async.Consumer. What is unsettled goes back, the first message of a group at last, so that it does not come alone.
func (c *consumer) Close(ctx context.Context) error {
	c.mu.Lock()
	dd := make([]*delivery, 0, len(c.held))
	for _, d := range c.held {
		dd = append(dd, d)
	}
	clear(c.held)
	clear(c.byID)
	c.mu.Unlock()
	slices.SortFunc(dd, lastFirst)
	changes := make([]change, len(dd))
	for i, d := range dd {
		c.memory.starts.Keep(text(d.raw.MessageId), &d.msg)
		changes[i] = change{delivery: d}
	}
	c.change(ctx, changes)
	for i := range changes {
		if err := changes[i].err; err != nil && !errors.Is(err, async.ErrLost) {
			return err
		}
	}
	return nil
}

// lastFirst compares by arrival.
func lastFirst(a, b *delivery) int {
	if a.order < b.order {
		return 1
	}
	return -1
}
