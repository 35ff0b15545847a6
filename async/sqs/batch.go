package sqs

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// target is where a batch goes.
type target interface {
	// send sends up to ten entries of together at most 1 MiB, and returns why each was not confirmed. It blocks until ctx ends.
	send(ctx context.Context, entries []entry) []error
}

// batches returns the sizes of the batches in which entries are sent.
func batches(entries []entry) []int {
	var sizes []int
	n, bytes := 0, 0
	for i := range entries {
		if n > 0 && !fits(n, bytes+entries[i].size, mostBytes) {
			sizes = append(sizes, n)
			n, bytes = 0, 0
		}
		n++
		bytes += entries[i].size
	}
	if n > 0 {
		sizes = append(sizes, n)
	}
	return sizes
}

// fits reports whether a batch of n entries has room for one more, with which it has so many bytes.
func fits(n, bytes, most int) bool { return n < mostEntries && bytes <= most }

// failed is why no entry of a batch was confirmed.
func failed(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// queueTarget is an SQS queue.
type queueTarget struct {
	client Sender
	queue  *queue
}

var _ target = (*queueTarget)(nil)

func (t *queueTarget) send(ctx context.Context, entries []entry) []error {
	u, err := t.queue.url(ctx, t.client)
	if err != nil {
		return failed(len(entries), err)
	}
	in := &sqs.SendMessageBatchInput{QueueUrl: u, Entries: make([]types.SendMessageBatchRequestEntry, len(entries))}
	for i := range entries {
		e := &entries[i]
		in.Entries[i] = types.SendMessageBatchRequestEntry{
			Id: entryID(i), MessageBody: &e.body, DelaySeconds: e.delay, MessageGroupId: optional(e.group), MessageDeduplicationId: optional(e.dedup),
			MessageAttributes: sqsAttributes(e.attributes),
		}
		if e.trace != "" {
			in.Entries[i].MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
				string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {DataType: &stringType, StringValue: &e.trace},
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := t.client.SendMessageBatch(ctx, in)
	if err != nil {
		return failed(len(entries), t.queue.errorf("send to", "SendMessage", unanswered(err)))
	}
	errs := failed(len(entries), t.queue.errorf("send to", "SendMessage", unanswered(errUnmentioned)))
	for i := range out.Successful {
		note(errs, out.Successful[i].Id, nil)
	}
	for i := range out.Failed {
		f := &out.Failed[i]
		note(errs, f.Id, t.queue.errorf("send to", "SendMessage", newEntryError(f.Code, f.Message, f.SenderFault)))
	}
	return errs
}

// topicTarget is an SNS topic.
type topicTarget struct {
	client SNSClient
	arn    string
	name   string
}

var _ target = (*topicTarget)(nil)

func (t *topicTarget) send(ctx context.Context, entries []entry) []error {
	in := &sns.PublishBatchInput{TopicArn: &t.arn, PublishBatchRequestEntries: make([]snstypes.PublishBatchRequestEntry, len(entries))}
	for i := range entries {
		e := &entries[i]
		in.PublishBatchRequestEntries[i] = snstypes.PublishBatchRequestEntry{
			Id: entryID(i), Message: &e.body, MessageGroupId: optional(e.group), MessageDeduplicationId: optional(e.dedup),
			MessageAttributes: snsAttributes(e.attributes),
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := t.client.PublishBatch(ctx, in)
	if err != nil {
		return failed(len(entries), t.errorf(unanswered(err)))
	}
	errs := failed(len(entries), t.errorf(unanswered(errUnmentioned)))
	for i := range out.Successful {
		note(errs, out.Successful[i].Id, nil)
	}
	for i := range out.Failed {
		f := &out.Failed[i]
		note(errs, f.Id, t.errorf(newEntryError(f.Code, f.Message, f.SenderFault)))
	}
	return errs
}

// note sets the result of the entry with an ID.
func note(errs []error, id *string, err error) {
	for i := range errs {
		if *entryID(i) == text(id) {
			errs[i] = err
			return
		}
	}
}

// errorf says where something was sent.
func (t *topicTarget) errorf(err error) error {
	return judged("sns: send to "+t.name, "sns:Publish", err)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// The types of attributes.
var stringType, binaryType = "String", "Binary" //nolint:gochecknoglobals // immutable: the SDK wants pointers

func sqsAttributes(aa []attribute) map[string]types.MessageAttributeValue {
	if len(aa) == 0 {
		return nil
	}
	out := make(map[string]types.MessageAttributeValue, len(aa))
	for i := range aa {
		if a := &aa[i]; a.binary {
			out[a.name] = types.MessageAttributeValue{DataType: &binaryType, BinaryValue: []byte(a.value)}
		} else {
			out[a.name] = types.MessageAttributeValue{DataType: &stringType, StringValue: &a.value}
		}
	}
	return out
}

func snsAttributes(aa []attribute) map[string]snstypes.MessageAttributeValue {
	if len(aa) == 0 {
		return nil
	}
	out := make(map[string]snstypes.MessageAttributeValue, len(aa))
	for i := range aa {
		if a := &aa[i]; a.binary {
			out[a.name] = snstypes.MessageAttributeValue{DataType: &binaryType, BinaryValue: []byte(a.value)}
		} else {
			out[a.name] = snstypes.MessageAttributeValue{DataType: &stringType, StringValue: &a.value}
		}
	}
	return out
}

// withheld is why a message of a FIFO queue was not sent: one before it in its group was not confirmed, because of err. It is not to blame itself, so what it
// says is transient, and not that of err.
func withheld(err error) error {
	return fmt.Errorf("not sent, because a message before it in its group was not confirmed (%v)", err) //nolint:errorlint // see above
}
