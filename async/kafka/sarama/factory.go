package sarama

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

const (
	system   = "kafka"            // what the spans and metrics of this broker are called
	maxDelay = 7 * 24 * time.Hour // of a retry: what waits in a retry topic must outlast it by far
	stopWait = time.Second
)

// factory makes consumers that are members of a group.
type factory struct {
	config  config
	group   string
	topics  []string
	delays  []time.Duration // of the retry topics, the shortest first
	letters *letters        // nil: there are none
}

var (
	_ async.ConsumerFactory  = (*factory)(nil)
	_ async.DeadLetterKeeper = (*factory)(nil)
	_ async.Planner          = (*factory)(nil)
)

// New returns a factory of consumers that are members of group and share the messages of topics: each message goes to one of them. Brokers are named host:port;
// some of the cluster are enough. It returns every fault of its arguments and options, joined. It does not connect; Create does.
func New(brokers []string, group string, topics []string, oo ...OptionFunc) (async.ConsumerFactory, error) {
	c, err := newConfig(ofGroup, brokers, oo)
	f := &factory{config: c, group: group, topics: slices.Compact(slices.Sorted(slices.Values(topics)))}
	errs := []error{err}
	if group == "" {
		errs = append(errs, errors.New("group is empty"))
	}
	if len(topics) == 0 {
		errs = append(errs, errors.New("no topics: want at least one"))
	}
	for _, t := range f.topics {
		switch t {
		case "":
			errs = append(errs, errors.New("a topic is empty"))
		case c.dead:
			errs = append(errs, fmt.Errorf("topic %q is its own dead-letter topic", t))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, f.errorf("%w", err)
	}
	if !c.noDead {
		f.letters = &letters{factory: f}
	}
	return f, nil
}

// Traits implements async.ConsumerFactory.
func (f *factory) Traits() async.Traits {
	return async.Traits{
		Ordered: async.OrderedGroup, DeadLetters: f.letters != nil, StopWait: stopWait, ExactAttempts: true, SourceLanes: !f.config.keyLanes,
		MaxDelay: maxDelay, DelaysOffLane: true,
	}
}

// Plan implements async.Planner: each delay has a retry topic.
func (f *factory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	g := *f
	g.delays = slices.Compact(slices.Sorted(slices.Values(p.Delays)))
	if g.letters != nil {
		g.letters = &letters{factory: &g}
	}
	return &g, nil
}

// DeadLetters implements async.DeadLetterKeeper.
func (f *factory) DeadLetters() async.DeadLetters {
	if f.letters == nil {
		return nil
	}
	return f.letters
}

// Create implements async.ConsumerFactory. It returns when the group is joined.
func (f *factory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.create(ctx)
	if err != nil {
		return nil, f.errorf("%w", err)
	}
	return c, nil
}

// errorf names what the factory consumes.
func (f *factory) errorf(format string, args ...any) error {
	return fmt.Errorf("sarama: consumer of group %q: %w", f.group, fmt.Errorf(format, args...))
}
