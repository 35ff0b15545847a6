package sqs

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Client is what consumers and dead letters need of SQS; a [*sqs.Client] has it. Its HTTP client, credentials, endpoint and retries are the user's. It must be
// safe for concurrent use.
type Client interface {
	Sender
	// ReceiveMessage waits for messages; it is never cancelled by a stop, and has a deadline of its own.
	ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, oo ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	// DeleteMessageBatch takes off what is done.
	DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, oo ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	// ChangeMessageVisibilityBatch keeps what is held, and gives it back.
	ChangeMessageVisibilityBatch(
		ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput, oo ...func(*sqs.Options),
	) (*sqs.ChangeMessageVisibilityBatchOutput, error)
	// GetQueueAttributes tells the redrive policy and how much waits.
	GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput, oo ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Sender is what a publisher needs of SQS; a [*sqs.Client] has it. It must be safe for concurrent use.
type Sender interface {
	// GetQueueUrl is called once for a queue that is given by its name or ARN.
	GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput, oo ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	// SendMessageBatch sends messages and dead letters.
	SendMessageBatch(ctx context.Context, in *sqs.SendMessageBatchInput, oo ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// SNSClient is what a publisher needs of SNS; a [*sns.Client] has it. It must be safe for concurrent use.
type SNSClient interface {
	// PublishBatch sends messages to a topic.
	PublishBatch(ctx context.Context, in *sns.PublishBatchInput, oo ...func(*sns.Options)) (*sns.PublishBatchOutput, error)
}

var (
	_ Client    = (*sqs.Client)(nil)
	_ SNSClient = (*sns.Client)(nil)
)
