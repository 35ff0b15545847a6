package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// fakeTopic is an SNS topic to which one queue is subscribed.
type fakeTopic struct {
	to    *faults
	queue string // URL
	raw   bool   // raw message delivery
}

const topicARN = "arn:aws:sns:eu-west-1:000000000000:"

func (t *fakeTopic) PublishBatch(ctx context.Context, in *sns.PublishBatchInput, _ ...func(*sns.Options)) (*sns.PublishBatchOutput, error) {
	send := &sqs.SendMessageBatchInput{QueueUrl: &t.queue}
	for i := range in.PublishBatchRequestEntries {
		e := &in.PublishBatchRequestEntries[i]
		to := types.SendMessageBatchRequestEntry{Id: e.Id, MessageGroupId: e.MessageGroupId, MessageDeduplicationId: e.MessageDeduplicationId}
		if t.raw {
			to.MessageBody, to.MessageAttributes = e.Message, make(map[string]types.MessageAttributeValue)
			for name, v := range e.MessageAttributes {
				to.MessageAttributes[name] = types.MessageAttributeValue{DataType: v.DataType, StringValue: v.StringValue, BinaryValue: v.BinaryValue}
			}
		} else {
			body := envelopeOf(*in.TopicArn, e)
			to.MessageBody = &body
		}
		send.Entries = append(send.Entries, to)
	}
	sent, err := t.to.SendMessageBatch(ctx, send)
	if err != nil {
		return nil, err
	}
	out := &sns.PublishBatchOutput{}
	for _, e := range sent.Successful {
		out.Successful = append(out.Successful, snstypes.PublishBatchResultEntry{Id: e.Id})
	}
	for _, e := range sent.Failed {
		out.Failed = append(out.Failed, snstypes.BatchResultErrorEntry{Id: e.Id, Code: e.Code, Message: e.Message, SenderFault: e.SenderFault})
	}
	return out, nil
}

// envelopeOf writes what SNS does.
func envelopeOf(topic string, e *snstypes.PublishBatchRequestEntry) string {
	attributes := make(map[string]map[string]string)
	for name, v := range e.MessageAttributes {
		value := text(v.StringValue)
		if *v.DataType == "Binary" {
			value = base64.StdEncoding.EncodeToString(v.BinaryValue)
		}
		attributes[name] = map[string]string{"Type": *v.DataType, "Value": value}
	}
	body, err := json.MarshalIndent(map[string]any{
		"Type": "Notification", "MessageId": "00000000-0000-0000-0000-000000000001", "TopicArn": topic, "Message": *e.Message,
		"Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "1", "Signature": "AAAA", "MessageAttributes": attributes,
		"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/cert.pem", "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
	}, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(body)
}
