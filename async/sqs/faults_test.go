package sqs

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// faults stands between a driver and SQS, the fake or a real one, and makes calls and entries fail.
type faults struct {
	Client
	source string // name of the queue whose settlements and sends fail
	dead   string // name of the dead letter queue

	mu        sync.Mutex
	down      chan struct{} // closed while SQS is out of reach
	every     int           // so many settlements between two that fail
	settled   int
	skip      int // entries before the one that cannot be sent; -1: none
	deadGone  bool
	beforeAny func(call string, u *string) error // nil: nothing
	lose      map[string]int                     // calls whose answer does not come, by name
	calls     map[string]int
}

func newFaults(c Client, source, dead string) *faults {
	return &faults{Client: c, source: source, dead: dead, skip: -1, down: make(chan struct{}), lose: make(map[string]int), calls: make(map[string]int)}
}

// errUnreachable is not an answer.
var errUnreachable = errors.New("dial tcp: connection refused")

func isQueue(u *string, name string) bool { return strings.HasSuffix(text(u), "/"+name) }

func (f *faults) takeDown() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.down)
}

func (f *faults) bringUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = make(chan struct{})
}

// strike says what befalls a call, and what tells that SQS went out of reach.
func (f *faults) strike(call string, u *string) (down chan struct{}, err error) {
	f.mu.Lock()
	before := f.beforeAny
	down = f.down
	f.calls[call]++
	f.mu.Unlock()
	select {
	case <-down:
		return down, errUnreachable
	default:
	}
	if before != nil {
		err = before(call, u)
	}
	return down, err
}

// unheard reports whether the answer of a call gets lost.
func (f *faults) unheard(call string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lose[call] == 0 {
		return false
	}
	f.lose[call]--
	return true
}

//nolint:revive // the SDK calls it so
func (f *faults) GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput, oo ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	if _, err := f.strike("GetQueueUrl", in.QueueName); err != nil {
		return nil, err
	}
	return f.Client.GetQueueUrl(ctx, in, oo...)
}

func (f *faults) GetQueueAttributes(
	ctx context.Context, in *sqs.GetQueueAttributesInput, oo ...func(*sqs.Options),
) (*sqs.GetQueueAttributesOutput, error) {
	if _, err := f.strike("GetQueueAttributes", in.QueueUrl); err != nil {
		return nil, err
	}
	return f.Client.GetQueueAttributes(ctx, in, oo...)
}

func (f *faults) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, oo ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	down, err := f.strike("ReceiveMessage", in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-down:
			cancel()
		case <-stop:
		}
	}()
	out, err := f.Client.ReceiveMessage(ctx, in, oo...)
	select {
	case <-down:
		return nil, errUnreachable
	default:
	}
	if err == nil && len(out.Messages) > 0 && f.unheard("ReceiveMessage") {
		return nil, io.ErrUnexpectedEOF
	}
	return out, err
}

func (f *faults) SendMessageBatch(ctx context.Context, in *sqs.SendMessageBatchInput, oo ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	if _, err := f.strike("SendMessageBatch", in.QueueUrl); err != nil {
		return nil, err
	}
	f.mu.Lock()
	if f.deadGone && isQueue(in.QueueUrl, f.dead) {
		f.mu.Unlock()
		return nil, &types.QueueDoesNotExist{}
	}
	cut := *in
	var failed []types.BatchResultErrorEntry
	if n := len(in.Entries); isQueue(in.QueueUrl, f.source) && f.skip >= 0 {
		if i := f.skip; i < n {
			cut.Entries = append(append([]types.SendMessageBatchRequestEntry(nil), in.Entries[:i]...), in.Entries[i+1:]...)
			failed = append(failed, internalError(in.Entries[i].Id))
			f.skip = -1
		} else {
			f.skip -= n
		}
	}
	f.mu.Unlock()
	out := &sqs.SendMessageBatchOutput{}
	var err error
	if len(cut.Entries) > 0 {
		if out, err = f.Client.SendMessageBatch(ctx, &cut, oo...); err != nil {
			return nil, err
		}
	}
	if f.unheard("SendMessageBatch") {
		return nil, io.ErrUnexpectedEOF
	}
	out.Failed = append(out.Failed, failed...)
	return out, nil
}

func internalError(id *string) types.BatchResultErrorEntry {
	code, message := "InternalError", "broken on purpose"
	return types.BatchResultErrorEntry{Id: id, Code: &code, Message: &message}
}

// fails reports whether the next settlement fails.
func (f *faults) fails(u *string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.every == 0 || !isQueue(u, f.source) {
		return false
	}
	f.settled++
	return f.settled%f.every == 0
}

func (f *faults) DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, oo ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	if _, err := f.strike("DeleteMessageBatch", in.QueueUrl); err != nil {
		return nil, err
	}
	cut := *in
	cut.Entries = nil
	var failed []types.BatchResultErrorEntry
	for _, e := range in.Entries {
		if f.fails(in.QueueUrl) {
			failed = append(failed, internalError(e.Id))
			continue
		}
		cut.Entries = append(cut.Entries, e)
	}
	out := &sqs.DeleteMessageBatchOutput{}
	var err error
	if len(cut.Entries) > 0 {
		if out, err = f.Client.DeleteMessageBatch(ctx, &cut, oo...); err != nil {
			return nil, err
		}
	}
	if f.unheard("DeleteMessageBatch") {
		return nil, io.ErrUnexpectedEOF
	}
	out.Failed = append(out.Failed, failed...)
	return out, nil
}

func (f *faults) ChangeMessageVisibilityBatch(
	ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput, oo ...func(*sqs.Options),
) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	if _, err := f.strike("ChangeMessageVisibilityBatch", in.QueueUrl); err != nil {
		return nil, err
	}
	cut := *in
	cut.Entries = nil
	var failed []types.BatchResultErrorEntry
	for _, e := range in.Entries {
		if f.fails(in.QueueUrl) {
			failed = append(failed, internalError(e.Id))
			continue
		}
		cut.Entries = append(cut.Entries, e)
	}
	out := &sqs.ChangeMessageVisibilityBatchOutput{}
	var err error
	if len(cut.Entries) > 0 {
		if out, err = f.Client.ChangeMessageVisibilityBatch(ctx, &cut, oo...); err != nil {
			return nil, err
		}
	}
	out.Failed = append(out.Failed, failed...)
	return out, nil
}
