package sqs_test

import (
	"context"
	"fmt"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/sqs"
)

// account is a client with one queue, in place of the one that a program makes with sqs.NewFromConfig.
type account struct {
	sqs.Client // what the example does not call
	messages   chan types.Message
}

//nolint:revive // the SDK calls it so
func (a *account) GetQueueUrl(context.Context, *awssqs.GetQueueUrlInput, ...func(*awssqs.Options)) (*awssqs.GetQueueUrlOutput, error) {
	u := "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
	return &awssqs.GetQueueUrlOutput{QueueUrl: &u}, nil
}

func (a *account) GetQueueAttributes(
	context.Context, *awssqs.GetQueueAttributesInput, ...func(*awssqs.Options),
) (*awssqs.GetQueueAttributesOutput, error) {
	return &awssqs.GetQueueAttributesOutput{}, nil
}

func (a *account) SendMessageBatch(
	_ context.Context, in *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options),
) (*awssqs.SendMessageBatchOutput, error) {
	out := &awssqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		a.messages <- types.Message{MessageId: e.Id, ReceiptHandle: e.Id, Body: e.MessageBody, MessageAttributes: e.MessageAttributes}
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (a *account) ReceiveMessage(
	ctx context.Context, in *awssqs.ReceiveMessageInput, _ ...func(*awssqs.Options),
) (*awssqs.ReceiveMessageOutput, error) {
	wait, cancel := context.WithTimeout(ctx, time.Duration(in.WaitTimeSeconds)*time.Second)
	defer cancel()
	select {
	case m := <-a.messages:
		return &awssqs.ReceiveMessageOutput{Messages: []types.Message{m}}, nil
	case <-wait.Done():
		return &awssqs.ReceiveMessageOutput{}, ctx.Err()
	}
}

func (a *account) DeleteMessageBatch(
	_ context.Context, in *awssqs.DeleteMessageBatchInput, _ ...func(*awssqs.Options),
) (*awssqs.DeleteMessageBatchOutput, error) {
	out := &awssqs.DeleteMessageBatchOutput{}
	for _, e := range in.Entries {
		fmt.Println("deleted")
		out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

// A component takes orders from a queue, and deletes what its handler has done.
func Example() {
	type order struct{ Invoice string }
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	client := &account{messages: make(chan types.Message, 10)}

	orders, err := sqs.New(client, "orders", sqs.WithDeadLetterQueue("orders-dead"), sqs.WithReceivers(1), sqs.WithWait(time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := async.New("orders", orders, async.Handle(func(_ context.Context, o order) error {
		fmt.Println("processed", o.Invoice)
		stop() // a service does this when it is told to stop
		return nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	producer, err := sqs.NewPublisher(client, "orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := async.Publish(ctx, producer, "customer-17850", order{Invoice: "536365"}); err != nil {
		fmt.Println(err)
	}

	fmt.Println(c.Run(ctx))
	// Output:
	// processed 536365
	// deleted
	// <nil>
}

// Every fault of the options is said, before anything is connected.
func ExampleNew_faults() {
	_, err := sqs.New(&account{}, "orders", sqs.WithWait(time.Minute), sqs.WithVisibility(1500*time.Millisecond))
	fmt.Println(err)
	// Output:
	// sqs: wait 1m0s: want whole seconds, 1 s to 20s
	// visibility 1.5s: want whole seconds, 2 s to 12h0m0s
}

// The times of a message that SQS cannot keep are refused before anything is sent.
func ExampleNewPublisher() {
	client := &account{messages: make(chan types.Message, 10)}
	producer, err := sqs.NewPublisher(client, "https://sqs.eu-west-1.amazonaws.com/123456789012/orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	fmt.Println(async.Publish(ctx, producer, "", "reminder", async.WithDueIn(10*time.Minute)))
	err = async.Publish(ctx, producer, "", "reminder", async.WithDueAt(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)))
	fmt.Println(err != nil)
	fmt.Println(producer.Close(ctx))
	// Output:
	// <nil>
	// true
	// <nil>
}
