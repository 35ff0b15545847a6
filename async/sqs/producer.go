package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
)

// PublisherOptionFunc sets one option of a publisher. It checks its value; the constructor joins what it says.
type PublisherOptionFunc func(*publisherConfig) error

type publisherConfig struct {
	linger   time.Duration
	xray     bool
	distinct bool
}

// WithLinger sets how long a message waits at most for others to share its request, while another request is under way; a message that is sent when none is
// does not wait, nor does a batch that is full. The default is 5 ms; 0 makes none wait.
func WithLinger(d time.Duration) PublisherOptionFunc {
	return func(c *publisherConfig) error {
		if d < 0 || d > time.Second {
			return fmt.Errorf("linger %v: want 0 to 1 s", d)
		}
		c.linger = d
		return nil
	}
}

// WithXRay sends the trace in the system attribute AWSTraceHeader as well, for what AWS itself puts between queues and X-Ray. SQS does not count it among the
// ten attributes. SNS has no such attribute, so [NewSNSPublisher] refuses the option. Consumers read it always, where there is no traceparent.
func WithXRay() PublisherOptionFunc {
	return func(c *publisherConfig) error {
		c.xray = true
		return nil
	}
}

// WithoutDeduplication makes every Send to a FIFO queue or topic a message of its own, so that what is sent twice with the same ID is there twice. Without it
// SQS confirms the second one, if it comes within five minutes of the first, and drops it. A replay of dead letters is never dropped because its message was
// sent a little before it died.
func WithoutDeduplication() PublisherOptionFunc {
	return func(c *publisherConfig) error {
		c.distinct = true
		return nil
	}
}

// NewPublisher returns a producer of queue, which is given by its URL, its name or its ARN; it is found by the first Send. It returns every fault of its
// arguments and options, joined. What it needs of the policy is sqs:SendMessage and, unless a URL is given, sqs:GetQueueUrl.
//
// Messages that are sent at the same time share requests, of ten messages or 1 MiB. In a FIFO queue (.fifo) the key is the message group, the ID the
// deduplication ID: a message that is sent again with its ID within five minutes is confirmed, and there once; of a group nothing of the same Send goes out
// behind a batch that was not confirmed. A standard queue can hold a message back for up to 15 minutes, a FIFO queue cannot.
//
// A message that is too large, more than 1 MiB with its attributes, is refused with a permanent error. An error that wraps async.ErrUnknown says that the
// answer did not come.
func NewPublisher(client Sender, queue string, oo ...PublisherOptionFunc) (async.Producer, error) {
	c, errs := publisherOf(oo)
	if client == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	q, err := parseQueue(queue)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sqs: publisher: %w", err)
	}
	p := &producer{
		service: "sqs", name: q.name, fifo: q.fifo, xray: c.xray, distinct: c.distinct,
		batcher: batcher{target: &queueTarget{client: client, queue: q}, most: mostBytes, linger: c.linger},
	}
	if q.fifo {
		return async.Observed(system, q.name, p), nil
	}
	return async.Observed(system, q.name, &scheduler{p}), nil
}

// NewSNSPublisher returns a producer of an SNS topic. It returns every fault of its arguments and options, joined. What it needs of the policy is sns:Publish.
//
// In all else it is [NewPublisher], but that a topic cannot hold messages back. With raw message delivery a subscribed queue gets what NewPublisher would have
// sent; without, consumers of this package take it out of the envelope. In a FIFO topic (.fifo) the key is the message group.
func NewSNSPublisher(client SNSClient, topicARN string, oo ...PublisherOptionFunc) (async.Producer, error) {
	c, errs := publisherOf(oo)
	if client == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	if c.xray {
		errs = append(errs, errors.New("X-Ray: SNS takes no trace header with a message"))
	}
	part := strings.Split(topicARN, ":")
	if len(part) != 6 || part[0] != "arn" || part[2] != "sns" || part[5] == "" {
		errs = append(errs, fmt.Errorf("topic %q: want an ARN such as arn:aws:sns:eu-west-1:123456789012:orders", topicARN))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sns: publisher: %w", err)
	}
	name := part[5]
	return async.Observed("aws.sns", name, &producer{
		service: "sns", name: name, fifo: strings.HasSuffix(name, fifoSuffix), keepKey: true, distinct: c.distinct,
		batcher: batcher{target: &topicTarget{client: client, arn: topicARN, name: name}, most: mostTopicBytes, linger: c.linger},
	}), nil
}

func publisherOf(oo []PublisherOptionFunc) (publisherConfig, []error) {
	c := publisherConfig{linger: 5 * time.Millisecond}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	return c, errs
}

// producer sends to one queue or topic.
type producer struct {
	service  string // sqs or sns
	name     string
	fifo     bool
	keepKey  bool
	xray     bool
	distinct bool
	batcher  batcher
}

// scheduler is the producer of a queue that can hold messages back.
type scheduler struct{ *producer }

var (
	_ async.Producer  = (*producer)(nil)
	_ async.Scheduler = (*scheduler)(nil)
)

// MaxPublishDelay implements async.Scheduler.
func (*scheduler) MaxPublishDelay() time.Duration { return mostDelay }

// Send implements async.Producer.
func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	if err := ctx.Err(); err != nil {
		return p.errorf(err)
	}
	errs := make(map[int]error)
	blocked := make(map[string]error) // groups of a FIFO queue in which something was not confirmed, and why
	parcels := make([]*parcel, 0, len(mm))
	now := time.Now()
	for i, m := range mm {
		e, err := encode(m, p.fifo, p.keepKey)
		if err != nil {
			err = p.errorf(err)
			errs[i], blocked[e.group] = err, err
			continue
		}
		switch {
		case !p.fifo:
			e.delay = delayOf(m, now)
		case p.distinct:
			e.dedup = correlation.New()
		}
		if p.xray {
			e.trace = xray(m.Headers.Get(headerTraceparent))
		}
		parcels = append(parcels, &parcel{entry: e, place: i, done: make(chan struct{})})
	}
	// A FIFO queue keeps the order in which it is sent to, and batches that are on their way together have none: so one batch after another.
	step := max(1, len(parcels))
	if p.fifo {
		step = mostEntries
	}
	for part := range slices.Chunk(parcels, step) {
		p.sendSome(ctx, part, blocked, errs)
	}
	if len(errs) == 0 {
		return nil
	}
	return &async.BatchError{Errors: errs}
}

// sendSome sends parcels together, and waits for what comes of them. In a FIFO queue none goes out behind one of its group that was not confirmed.
func (p *producer) sendSome(ctx context.Context, parcels []*parcel, blocked map[string]error, errs map[int]error) {
	if p.fifo {
		parcels = slices.DeleteFunc(parcels, func(one *parcel) bool {
			err := blocked[one.entry.group]
			if err != nil {
				errs[one.place] = p.errorf(withheld(err))
			}
			return err != nil
		})
	}
	if !p.batcher.add(parcels) {
		for _, one := range parcels {
			errs[one.place] = p.errorf(async.ErrClosed)
		}
		return
	}
	for _, one := range parcels {
		if err := p.batcher.await(ctx, one); err != nil {
			errs[one.place], blocked[one.entry.group] = err, err
		}
	}
}

func (p *producer) errorf(err error) error {
	return fmt.Errorf("%s: send to %s: %w", p.service, p.name, err)
}

// Close implements async.Producer.
func (p *producer) Close(ctx context.Context) error {
	if err := p.batcher.close(ctx); err != nil {
		return fmt.Errorf("%s: close publisher of %s: %w", p.service, p.name, err)
	}
	return nil
}
