package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"                //nolint:depguard // the tour makes its queues
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs" //nolint:depguard // the tour makes its queues
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"  //nolint:depguard // the tour makes its queues
	"github.com/beatlabs/patron/async/sqs"
)

// What the tour asks of SQS.
const (
	sqsVisibility = 10 * time.Second // so long the orders of a process that was killed take to come again
	sqsWait       = time.Second      // a stop takes so long
	sqsConns      = 32
)

// openSQS opens a FIFO queue, whose groups are the customers, and a queue for its dead letters.
func openSQS(address, name string) (*link, error) {
	client, idle := sqsClient(address)
	queue, dead := name+".fifo", name+"-dead"
	orders, err := sqs.New(client, queue, sqs.WithDeadLetterQueue(dead), sqs.WithVisibility(sqsVisibility), sqs.WithWait(sqsWait))
	if err != nil {
		return nil, err
	}
	producer, err := sqs.NewPublisher(client, queue)
	if err != nil {
		return nil, err
	}
	l := furnished(orders, producer, func(ctx context.Context) error {
		return errors.Join(makeQueue(ctx, client, queue, map[string]string{"FifoQueue": "true"}), makeQueue(ctx, client, dead, nil))
	})
	l.held = append(l.held, idle)
	return l, nil
}

// sqsClient returns a client of what speaks SQS at an address. Those that run on a machine of one's own take any credentials.
func sqsClient(address string) (*awssqs.Client, io.Closer) {
	transport := &http.Transport{MaxIdleConnsPerHost: sqsConns}
	return awssqs.New(awssqs.Options{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String("http://" + address),
		HTTPClient:   &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "orders", SecretAccessKey: "orders"}, nil
		}),
	}), idleConns{transport}
}

// idleConns are the connections of a transport that nobody uses.
type idleConns struct{ transport *http.Transport }

// Close implements io.Closer.
func (c idleConns) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// makeQueue makes a queue if it is missing.
func makeQueue(ctx context.Context, client *awssqs.Client, name string, attributes map[string]string) error {
	_, err := client.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if _, there := errors.AsType[*types.QueueNameExists](err); err != nil && !there {
		return fmt.Errorf("queue %s: make: %w", name, err)
	}
	return nil
}
