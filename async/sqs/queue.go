package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/beatlabs/patron/reliability"
)

// system is what spans and metrics call SQS.
const system = "aws_sqs"

// fifoSuffix ends the names of FIFO queues and topics: AWS wants it so, which tells their kind without asking.
const fifoSuffix = ".fifo"

// queue is a queue that was named by its URL, its name or its ARN.
type queue struct {
	name  string // the last part of all three
	owner string // account, of an ARN
	fifo  bool
	found atomic.Pointer[string] // its URL
}

// parseQueue checks what the user gave. It asks nobody.
func parseQueue(text string) (*queue, error) {
	switch {
	case text == "":
		return nil, errors.New("queue is empty: want its URL, name or ARN")
	case strings.Contains(text, "://"):
		return parseURL(text)
	case strings.HasPrefix(text, "arn:"):
		part := strings.Split(text, ":")
		if len(part) != 6 || part[2] != "sqs" || part[4] == "" {
			return nil, fmt.Errorf("queue %q: want an ARN such as arn:aws:sqs:eu-west-1:123456789012:orders", text)
		}
		return named(part[5], part[4])
	default:
		return named(text, "")
	}
}

func parseURL(text string) (*queue, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("queue URL cannot be read") // the error of net/url repeats it, and what is in it
	}
	if u.User != nil {
		return nil, fmt.Errorf("queue URL with user name or password, of host %q: want one without, credentials belong to the client", u.Host)
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return nil, fmt.Errorf("queue URL %q: want http or https and a host", text)
	}
	path := strings.TrimRight(u.Path, "/")
	q, err := named(path[strings.LastIndexByte(path, '/')+1:], "")
	if err != nil {
		return nil, fmt.Errorf("queue URL %q: %w", text, err)
	}
	q.found.Store(&text)
	return q, nil
}

// named checks the name of a queue as SQS does.
func named(name, owner string) (*queue, error) {
	const most = 80
	base, fifo := strings.CutSuffix(name, fifoSuffix)
	if base == "" || len(name) > most {
		return nil, fmt.Errorf("queue name %q: want 1 to %d characters", name, most)
	}
	for i := range len(base) {
		if c := base[i]; !alphanumeric(c) && c != '-' && c != '_' {
			return nil, fmt.Errorf("queue name %q: want letters, digits, - and _, and %s at the end of a FIFO queue", name, fifoSuffix)
		}
	}
	return &queue{name: name, owner: owner, fifo: fifo}, nil
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// url returns the URL of q. It asks SQS once if it was not given, and again after a failure.
func (q *queue) url(ctx context.Context, client Sender) (*string, error) {
	if u := q.found.Load(); u != nil {
		return u, nil
	}
	in := &sqs.GetQueueUrlInput{QueueName: &q.name}
	if q.owner != "" {
		in.QueueOwnerAWSAccountId = &q.owner
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := client.GetQueueUrl(ctx, in)
	switch {
	case err != nil:
		return nil, q.errorf("find the URL of", "GetQueueUrl", err)
	case out.QueueUrl == nil || *out.QueueUrl == "":
		return nil, q.errorf("find the URL of", "GetQueueUrl", errors.New("the answer has none"))
	}
	q.found.Store(out.QueueUrl)
	return out.QueueUrl, nil
}

// errorf says what was done to q, and whether it makes sense to do it again. Action is the permission that it takes.
func (q *queue) errorf(operation, action string, err error) error {
	return judged(fmt.Sprintf("sqs: %s %s", operation, q.name), "sqs:"+action, err)
}

// refuse is an error of the caller's own making, which trying again does not mend.
func refuse(format string, args ...any) error {
	return reliability.Permanent(fmt.Errorf(format, args...))
}
