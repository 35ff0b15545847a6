package async

import (
	"context"
	"errors"
	"fmt"

	"github.com/beatlabs/patron/reliability"
)

// NewForward returns a component that sends what it receives on with a producer: the relay of an outbox, which takes messages from a queue in the database,
// where they were published in the transaction of what they tell, to a broker. It connects in Run. It takes the options of [NewBatch], and returns every fault
// of its arguments and options, joined.
//
// A message goes on as it was published: ID, key, data, time, due time, expiry and headers are unchanged, so it stays in the trace and in the piece of business
// of its publisher; the spans of the relay have links to it. It may be sent twice, when the confirmation or the settlement is lost, and has the same ID then,
// by which a consumer knows it again (package async/inbox). One that came without an ID gets another one each time.
//
// The policy differs from that of [NewBatch] in one point: what may go away is tried without end, at the pauses of [WithBackoff], and [Component.Check] says so
// after five seconds, with the cause. Only what is refused for good (reliability.Classify: too large, a delay that the broker does not have) is a dead letter,
// or a case for the [Strategy]. [WithTries] sets an end, after which transient failures are dead letters, too.
//
// Order: of each key, in its lane, nothing is sent before what is ahead of it is confirmed, is a dead letter, or has expired; a producer may confirm a later
// message of a call although an earlier one failed. So a key goes at the pace of one confirmation after another, and a batch takes as many of them as its key
// with the most messages has; other keys share those. With [Unordered], and for messages without a lane, a batch is one call.
//
// To sets where they go. It is used by [WithConcurrency] goroutines and stays the caller's, who closes it when Run has returned. One queue for each destination
// keeps a destination that is down from holding up the others.
func NewForward(name string, cf ConsumerFactory, to Producer, oo ...OptionFunc) (*Component, error) {
	c := &Component{name: name, factory: cf, config: defaultConfig()}
	c.config.batch = true
	c.config.policy.tries = endlessTries
	var errs []error
	if to == nil {
		errs = append(errs, errors.New("producer is nil"))
	}
	if err := c.configure(oo, errs); err != nil {
		return nil, err
	}
	if c.config.policy.tries == endlessTries && len(c.config.policy.delays) > 0 {
		return nil, fmt.Errorf("async: component %q: delays %v: they are never reached, as the tries in place have no end: set one with WithTries", name,
			c.config.policy.delays)
	}
	f := &forwarder{to: to, lanesOff: c.config.lanesOff(c.traits)}
	c.batch = newGate(&c.config, c.traits).batch(f.forward)
	return c, nil
}

// forwarder sends batches on.
type forwarder struct {
	to       Producer
	lanesOff bool
}

// run is what must stay in order: the messages of a key in a lane.
type run struct {
	lane Lane
	key  string
}

// forward sends mm in waves, the first messages of all runs, then the second ones, and so on. A run ends for this time with its first failure.
func (f *forwarder) forward(ctx context.Context, mm []*Message) error {
	ctx = context.WithValue(ctx, forwardingKey{}, true)
	result := &BatchError{}
	broken := make(map[run]bool)
	for _, wave := range f.waves(mm) {
		indexes, out := wave[:0], make([]*Message, 0, len(wave))
		for _, i := range wave {
			if ctx.Err() != nil || broken[f.runOf(mm[i])] {
				result = result.Add(i, errUntouched)
				continue
			}
			indexes, out = append(indexes, i), append(out, copyOf(mm[i]))
		}
		if len(out) == 0 {
			continue
		}
		for n, err := range f.send(ctx, out) {
			if err == nil {
				continue
			}
			i := indexes[n]
			result = result.Add(i, err)
			if r := f.runOf(mm[i]); r != (run{}) {
				broken[r] = true
			}
		}
	}
	return result.Err()
}

// waves says which messages may be sent together, by index.
func (f *forwarder) waves(mm []*Message) [][]int {
	var waves [][]int
	before := make(map[run]int)
	for i, m := range mm {
		r := f.runOf(m)
		n := before[r]
		if r != (run{}) {
			before[r]++
		}
		if n == len(waves) {
			waves = append(waves, nil)
		}
		waves[n] = append(waves[n], i)
	}
	return waves
}

// runOf returns the run of m; the zero run if it has no order.
func (f *forwarder) runOf(m *Message) run {
	if f.lanesOff || m.Lane == (Lane{}) {
		return run{}
	}
	return run{lane: m.Lane, key: string(m.Key)}
}

// copyOf returns a message for a producer, which sets what is missing in it and changes neither key nor data. It must not be m: a try that failed leaves no
// trace in the next one.
func copyOf(m *Message) *Message {
	return &Message{
		ID: m.ID, Key: m.Key, Data: m.Data, Headers: append(make(Headers, 0, len(m.Headers)+1), m.Headers...),
		Time: m.Time, Due: m.Due, Expires: m.Expires,
	}
}

// send sends out and returns what became of each message. If all were refused for good it finds out which of them are to blame.
func (f *forwarder) send(ctx context.Context, out []*Message) []error {
	err := f.sendSome(ctx, out)
	_, named := errors.AsType[*BatchError](err)
	if named || len(out) == 1 || reliability.Classify(err) != reliability.ClassPermanent {
		return byMessage(err, len(out))
	}
	errs := make([]error, len(out))
	for i := range out {
		if errs[i] = errUntouched; ctx.Err() == nil {
			errs[i] = byMessage(f.sendSome(ctx, out[i:i+1]), 1)[0]
		}
	}
	return errs
}

// sendSome calls the producer. A panic of it is a failure of these messages, not of those that were confirmed before.
func (f *forwarder) sendSome(ctx context.Context, out []*Message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = reliability.Recovered(r)
		}
	}()
	return f.to.Send(ctx, out...)
}

type forwardingKey struct{}

// Forwarding reports whether ctx is that of a Send by [NewForward]: the messages have their ID, trace and correlation ID from who published them. A [Producer]
// that wraps another one, and otherwise writes into messages where they come from, asks for it; [Observed] does.
func Forwarding(ctx context.Context) bool {
	forwarding, _ := ctx.Value(forwardingKey{}).(bool)
	return forwarding
}
