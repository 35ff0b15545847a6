package sqs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// fake is SQS without a network, which behaves as AWS does where that is hardest on a client: it accepts what it need not carry out, and loses what it was
// about to give to a call that is cancelled. Time is taken from package time, so it lives in a bubble.
type fake struct {
	mu     sync.Mutex
	queues map[string]*fakeQueue // by name
}

type fakeQueue struct {
	name     string
	fifo     bool
	shuffled bool // as standard queues are at their worst
	messages []*fakeMessage
	changed  chan struct{} // closed, and made anew, when something may have become visible
	handed   uint64
	dedups   map[string]time.Time
	attempts map[string][]*fakeMessage // what a receive attempt was given
	redrive  string                    // RedrivePolicy
	most     int                       // maxReceiveCount; 0: no redrive
	dead     string                    // name of its dead letter queue
}

type fakeMessage struct {
	id         string
	body       string
	attributes map[string]types.MessageAttributeValue
	system     map[string]string
	group      string
	sent       time.Time
	visible    time.Time
	first      time.Time // of its present delivery
	count      int
	receipt    string
	held       bool // given and not yet back
	delayed    bool
	gone       bool
}

func newFake(names ...string) *fake {
	f := &fake{queues: make(map[string]*fakeQueue)}
	for _, name := range names {
		f.queues[name] = &fakeQueue{
			name: name, fifo: strings.HasSuffix(name, fifoSuffix), changed: make(chan struct{}),
			dedups: make(map[string]time.Time), attempts: make(map[string][]*fakeMessage),
		}
	}
	return f
}

const fakeURL = "http://sqs.test/000000000000/"

func (f *fake) queue(u *string) (*fakeQueue, error) {
	q := f.queues[strings.TrimPrefix(text(u), fakeURL)]
	if q == nil {
		return nil, &types.QueueDoesNotExist{Message: u}
	}
	return q, nil
}

func (q *fakeQueue) changeLocked() {
	close(q.changed)
	q.changed = make(chan struct{})
}

//nolint:revive // the SDK calls it so
func (f *fake) GetQueueUrl(_ context.Context, in *sqs.GetQueueUrlInput, _ ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := fakeURL + *in.QueueName
	if _, err := f.queue(&u); err != nil {
		return nil, err
	}
	return &sqs.GetQueueUrlOutput{QueueUrl: &u}, nil
}

func (f *fake) GetQueueAttributes(
	_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options),
) (*sqs.GetQueueAttributesOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q, err := f.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.timeLocked()
	var visible, hidden, delayed int
	for _, m := range q.messages {
		switch {
		case m.delayed:
			delayed++
		case m.held:
			hidden++
		default:
			visible++
		}
	}
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{
		"ApproximateNumberOfMessages": strconv.Itoa(visible), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
		"ApproximateNumberOfMessagesDelayed": strconv.Itoa(delayed), "RedrivePolicy": q.redrive,
	}}, nil
}

// timeLocked takes note of the time.
func (q *fakeQueue) timeLocked() {
	now := time.Now()
	for _, m := range q.messages {
		if !m.visible.After(now) {
			m.held, m.delayed = false, false
		}
	}
}

func (f *fake) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q, err := f.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	switch n := len(in.Entries); {
	case n == 0:
		return nil, &types.EmptyBatchRequest{}
	case n > mostEntries:
		return nil, &types.TooManyEntriesInBatchRequest{}
	}
	size, ids := 0, make(map[string]bool)
	for i := range in.Entries {
		e := &in.Entries[i]
		size += sizeOf(e)
		if ids[*e.Id] {
			return nil, &types.BatchEntryIdsNotDistinct{}
		}
		ids[*e.Id] = true
	}
	if size > mostBytes {
		return nil, &types.BatchRequestTooLong{}
	}
	out := &sqs.SendMessageBatchOutput{}
	for i := range in.Entries {
		e := &in.Entries[i]
		if why := q.refusal(e); why != "" {
			code := "InvalidParameterValue"
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: &code, Message: &why, SenderFault: true})
			continue
		}
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
		q.storeLocked(e)
	}
	q.changeLocked()
	return out, nil
}

func sizeOf(e *types.SendMessageBatchRequestEntry) int {
	size := len(*e.MessageBody)
	for name, v := range e.MessageAttributes {
		size += len(name) + len(*v.DataType) + len(text(v.StringValue)) + len(v.BinaryValue)
	}
	return size
}

func (q *fakeQueue) refusal(e *types.SendMessageBatchRequestEntry) string {
	switch {
	case !validText(*e.MessageBody):
		return "the body has characters that are not allowed"
	case len(e.MessageAttributes) > mostAttributes:
		return "more than 10 attributes"
	case q.fifo && (e.DelaySeconds != 0 || !validID(text(e.MessageGroupId)) || !validID(text(e.MessageDeduplicationId))):
		return "group, deduplication ID and no delay are wanted"
	case !q.fifo && (e.MessageGroupId != nil || e.MessageDeduplicationId != nil):
		return "group and deduplication ID are for FIFO queues"
	case e.DelaySeconds < 0 || e.DelaySeconds > 900:
		return "delay out of range"
	}
	for name, v := range e.MessageAttributes {
		if *v.DataType == "String" && (name != HeaderPacked && !validName(name) || !validText(text(v.StringValue))) {
			return "attribute " + name
		}
		if *v.DataType == "Binary" && len(v.BinaryValue) == 0 {
			return "attribute " + name
		}
	}
	return ""
}

func (q *fakeQueue) storeLocked(e *types.SendMessageBatchRequestEntry) {
	now := time.Now()
	if q.fifo {
		if at, ok := q.dedups[*e.MessageDeduplicationId]; ok && now.Sub(at) < 5*time.Minute {
			return
		}
		q.dedups[*e.MessageDeduplicationId] = now
	}
	m := &fakeMessage{
		id: fmt.Sprintf("%08x-%08x", rand.Uint32(), rand.Uint32()), body: *e.MessageBody, attributes: e.MessageAttributes, group: text(e.MessageGroupId),
		sent: now, visible: now.Add(time.Duration(e.DelaySeconds) * time.Second), delayed: e.DelaySeconds > 0,
		system: map[string]string{"SentTimestamp": strconv.FormatInt(now.UnixMilli(), 10)},
	}
	if m.group != "" {
		m.system["MessageGroupId"] = m.group
	}
	if t, ok := e.MessageSystemAttributes["AWSTraceHeader"]; ok {
		m.system["AWSTraceHeader"] = *t.StringValue
	}
	q.messages = append(q.messages, m)
}

func (f *fake) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	if in.MaxNumberOfMessages < 1 || in.MaxNumberOfMessages > 10 || in.WaitTimeSeconds > 20 {
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterValue"}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	end := time.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	mm, err := f.receive(ctx, in, end)
	if ctx.Err() != nil {
		if len(mm) == 0 {
			go f.receive(context.Background(), in, end) // nobody told SQS
		}
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return &sqs.ReceiveMessageOutput{Messages: mm}, nil
}

func (f *fake) receive(ctx context.Context, in *sqs.ReceiveMessageInput, end time.Time) ([]types.Message, error) {
	for {
		f.mu.Lock()
		q, err := f.queue(in.QueueUrl)
		if err != nil {
			f.mu.Unlock()
			return nil, err
		}
		mm, next := f.takeLocked(q, in)
		changed := q.changed
		f.mu.Unlock()
		if len(mm) > 0 || !time.Now().Before(end) {
			return mm, nil
		}
		if next.IsZero() || end.Before(next) {
			next = end
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
		timer.Stop()
	}
}

// takeLocked gives what may be given, or says when to look again.
func (f *fake) takeLocked(q *fakeQueue, in *sqs.ReceiveMessageInput) (out []types.Message, next time.Time) {
	q.timeLocked()
	now := time.Now()
	if id := text(in.ReceiveRequestAttemptId); id != "" {
		if again := q.attempts[id]; len(again) > 0 && !slices.ContainsFunc(again, func(m *fakeMessage) bool { return !m.held || m.gone }) {
			for _, m := range again {
				out = append(out, m.give(m.receipt))
			}
			return out, next
		}
	}
	locked := make(map[string]bool)
	for _, m := range q.messages {
		if m.held && m.group != "" {
			locked[m.group] = true
		}
	}
	order := slices.Clone(q.messages)
	if q.shuffled {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	var given []*fakeMessage
	for _, m := range order {
		switch {
		case m.visible.After(now):
			if next.IsZero() || m.visible.Before(next) {
				next = m.visible
			}
		case len(given) == int(in.MaxNumberOfMessages) || locked[m.group] && m.group != "":
		case q.most > 0 && m.count >= q.most:
			f.redriveLocked(q, m)
		default:
			given = append(given, m)
		}
	}
	for _, m := range given {
		m.count++
		q.handed++
		m.receipt = fmt.Sprintf("%s/%d", m.id, q.handed)
		m.held, m.first, m.visible = true, now, now.Add(time.Duration(in.VisibilityTimeout)*time.Second)
		out = append(out, m.give(m.receipt))
	}
	if id := text(in.ReceiveRequestAttemptId); id != "" && len(given) > 0 {
		q.attempts[id] = given
	}
	return out, next
}

func (m *fakeMessage) give(receipt string) types.Message {
	system := make(map[string]string, len(m.system)+1)
	maps.Copy(system, m.system)
	system["ApproximateReceiveCount"] = strconv.Itoa(m.count)
	id, body := m.id, m.body
	return types.Message{MessageId: &id, Body: &body, ReceiptHandle: &receipt, Attributes: system, MessageAttributes: m.attributes}
}

func (f *fake) redriveLocked(q *fakeQueue, m *fakeMessage) {
	q.removeLocked(m)
	dead := f.queues[q.dead]
	m.system["DeadLetterQueueSourceArn"] = "arn:aws:sqs:eu-west-1:000000000000:" + q.name
	m.gone = false
	dead.messages = append(dead.messages, m)
	dead.changeLocked()
}

func (q *fakeQueue) removeLocked(m *fakeMessage) {
	m.gone = true
	q.messages = slices.DeleteFunc(slices.Clone(q.messages), func(o *fakeMessage) bool { return o == m })
	q.changeLocked()
}

// find returns the message that a receipt was given for, and whether it is the last one.
func (q *fakeQueue) find(receipt string) (m *fakeMessage, last bool) {
	id, _, _ := strings.Cut(receipt, "/")
	for _, m := range q.messages {
		if m.id == id {
			return m, m.receipt == receipt
		}
	}
	return nil, false
}

func refusedEntry(id *string, code string) types.BatchResultErrorEntry {
	return types.BatchResultErrorEntry{Id: id, Code: &code, SenderFault: true}
}

func (f *fake) DeleteMessageBatch(
	_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options),
) (*sqs.DeleteMessageBatchOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q, err := f.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.timeLocked()
	out := &sqs.DeleteMessageBatchOutput{}
	for _, e := range in.Entries {
		m, last := q.find(text(e.ReceiptHandle))
		switch {
		case m != nil && !strings.Contains(text(e.ReceiptHandle), "/"), m != nil && q.fifo && !m.held:
			out.Failed = append(out.Failed, refusedEntry(e.Id, "ReceiptHandleIsInvalid"))
			continue
		case m != nil && last:
			q.removeLocked(m)
		} // else nothing happens, and nobody is told
		out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (f *fake) ChangeMessageVisibilityBatch(
	_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options),
) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q, err := f.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.timeLocked()
	now := time.Now()
	out := &sqs.ChangeMessageVisibilityBatchOutput{}
	for _, e := range in.Entries {
		until := now.Add(time.Duration(e.VisibilityTimeout) * time.Second)
		switch m, last := q.find(text(e.ReceiptHandle)); {
		case m == nil || !last:
			out.Failed = append(out.Failed, refusedEntry(e.Id, "AWS.SimpleQueueService.ReceiptHandleIsInvalid"))
		case !m.held:
			out.Failed = append(out.Failed, refusedEntry(e.Id, "MessageNotInflight"))
		case until.Sub(m.first) > mostVisibility:
			out.Failed = append(out.Failed, refusedEntry(e.Id, "InvalidParameterValue"))
		default:
			m.visible = until
			out.Successful = append(out.Successful, types.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
		}
	}
	q.changeLocked()
	return out, nil
}

// void makes every receipt of a queue worthless; the messages stay hidden until show.
func (f *fake) void(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.queues[name].messages {
		if m.held {
			sum := sha256.Sum256([]byte(m.receipt))
			m.receipt = hex.EncodeToString(sum[:])
		}
	}
}

// show makes the messages visible whose receipts are void.
func (f *fake) show(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queues[name]
	for _, m := range q.messages {
		if m.held && !strings.Contains(m.receipt, "/") {
			m.visible = time.Now()
		}
	}
	q.changeLocked()
}

// counts returns how many messages a queue has, and how many of them are held.
func (f *fake) counts(name string) (all, held int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queues[name]
	q.timeLocked()
	for _, m := range q.messages {
		if m.held {
			held++
		}
	}
	return len(q.messages), held
}
