package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
)

const (
	// pollSlack is how much longer than its wait a receive call may take before its connection counts as dead.
	pollSlack = 3 * time.Second
	// callTimeout bounds every other call, with the client's own tries, for the same reason.
	callTimeout = 10 * time.Second
	// spare is how many deliveries beyond the attempts of the engine a redrive policy must allow: SQS counts what was given back, too.
	spare = 10
)

// factory makes consumers of one queue.
type factory struct {
	client Client
	queue  *queue
	config config
	plan   *async.Plan // nil: there is none yet
	memory *memory     // shared by the factories of all plans
	dead   *letters    // nil: there is no dead letter queue
}

var (
	_ async.ConsumerFactory  = (*factory)(nil)
	_ async.Planner          = (*factory)(nil)
	_ async.DeadLetterKeeper = (*factory)(nil)
)

// New returns a factory of consumers of queue, which is given by its URL, its name or its ARN. It connects to nothing; it returns every fault of its arguments
// and options, joined. A name that ends in .fifo means a FIFO queue: the messages of a group come in order, to one consumer at a time. All consumers of a queue
// share its messages.
//
// What consumers need of the policy is sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and, unless a URL is given, sqs:GetQueueUrl; with
// sqs:GetQueueAttributes they know the lag and check the redrive policy; a dead letter queue needs sqs:SendMessage, and to be listed the others, too.
func New(client Client, queue string, oo ...OptionFunc) (async.ConsumerFactory, error) {
	f := &factory{client: client, config: defaultConfig(), memory: new(memory)}
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	q, err := parseQueue(queue)
	errs = append(errs, err)
	f.queue = q
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&f.config))
	}
	if dead := f.config.dead; q != nil && dead != nil && dead.name == q.name && dead.owner == q.owner {
		errs = append(errs, fmt.Errorf("dead letter queue %q: want another queue than the source", dead.name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sqs: %w", err)
	}
	if f.config.dead != nil {
		f.dead = newLetters(client, f.config.dead)
	}
	return f, nil
}

// Traits implements async.ConsumerFactory.
func (f *factory) Traits() async.Traits {
	t := async.Traits{
		DeadLetters:      f.dead != nil,
		Receivers:        f.config.receivers,
		MaxBatch:         mostEntries,
		MaxDelay:         mostVisibility,
		StopWait:         f.config.wait + pollSlack,
		Visibility:       f.config.visibility,
		Redelivers:       true,
		CountsDeliveries: true,
		MaxPublishDelay:  mostDelay,
	}
	if f.queue.fifo {
		t.Ordered, t.MaxPublishDelay = async.OrderedGroup, 0
	}
	return t
}

// DeadLetters implements async.DeadLetterKeeper.
func (f *factory) DeadLetters() async.DeadLetters {
	if f.dead == nil {
		return nil
	}
	return f.dead
}

// Plan implements async.Planner. It refuses a handler that may run for longer than SQS lets a message be held. A message that fails for longer comes again.
func (f *factory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	if p.Timeout > mostVisibility {
		return nil, fmt.Errorf("sqs: queue %s: handler timeout %v: want at most %v, for which SQS lets a message be held", f.queue.name, p.Timeout, mostVisibility)
	}
	planned := *f
	planned.plan = &p
	return &planned, nil
}

// Create implements async.ConsumerFactory. It finds the queue and checks what it can of it. It refuses a wait that is longer than the grace period, since a
// stop cannot be faster than the receive calls that are under way: what they bring after it nobody could give back.
func (f *factory) Create(ctx context.Context) (async.Consumer, error) {
	if grace := component.Grace(ctx); f.config.wait > grace {
		return nil, refuse("sqs: queue %s: receive calls wait %v, longer than the grace period, %v: want a shorter WithWait, or a longer grace period",
			f.queue.name, f.config.wait, grace)
	}
	u, err := f.queue.url(ctx, f.client)
	if err != nil {
		return nil, err
	}
	if err := f.check(ctx, u); err != nil {
		return nil, err
	}
	c := &consumer{
		client: f.client, queue: f.queue, url: u, config: f.config, memory: f.memory, dead: f.dead, most: mostEntries,
		source: &async.Source{System: system, Name: f.queue.name, Partition: -1},
		held:   make(map[*async.Message]*delivery), byID: make(map[string]*delivery),
	}
	if f.plan != nil {
		c.unordered = f.plan.Unordered
		// What all receivers ask for at the same time is together not more than may be held.
		c.most = min(c.most, max(1, f.plan.MaxHeld/f.config.receivers))
	}
	return c, nil
}

// check asks whether the queue is there and what its redrive policy allows. Who may not ask goes on without an answer.
func (f *factory) check(ctx context.Context, u *string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := f.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: u, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameRedrivePolicy, types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		err = f.queue.errorf("look at", "GetQueueAttributes", err)
		if code, _ := codeOf(err); isDenied(code) {
			plog.Slog(ctx).WarnContext(ctx, "redrive policy not checked, lag unknown", "queue", f.queue.name, "error", err.Error())
			return nil
		}
		return err
	}
	return f.checkRedrive(out.Attributes[string(types.QueueAttributeNameRedrivePolicy)])
}

func isDenied(code string) bool {
	meaning, _ := hopeless(code)
	return meaning == denied
}

// checkRedrive compares the redrive policy with the plan: SQS must not move a message that the engine still means to try, and to write to the dead letter queue
// with its cause. Without a dead letter queue of ours the redrive policy is the plan.
func (f *factory) checkRedrive(policy string) error {
	if policy == "" || f.dead == nil || f.plan == nil {
		return nil
	}
	var redrive struct {
		MaxReceiveCount json.RawMessage `json:"maxReceiveCount"` // a number, or a string that is one
	}
	if err := json.Unmarshal([]byte(policy), &redrive); err != nil {
		return nil //nolint:nilerr // it is not ours to judge what SQS has accepted
	}
	text := string(redrive.MaxReceiveCount)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	most, err := strconv.Atoi(text)
	if least := f.plan.Attempts; err == nil && (most < spare || most-spare < least) {
		return reliability.Permanent(fmt.Errorf(
			"sqs: queue %s: its redrive policy moves a message after %d deliveries, component %s tries it %d times: want a maxReceiveCount of %d or more, "+
				"since SQS counts what was given back, too", f.queue.name, most, f.plan.Component, least, least+spare))
	}
	return nil
}
