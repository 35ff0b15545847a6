package kafka

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

const (
	maxDelay = 7 * 24 * time.Hour // of a retry: what waits in a retry topic must outlast it by far
	stopWait = time.Second
)

// factory makes consumers of topics, for a group or as broadcasts.
type factory struct {
	config   config
	group    string // "": a broadcast
	topics   []string
	patterns []*regexp.Regexp // of the topics, if they are regular expressions
	delays   []time.Duration  // of the retry topics, the shortest first
	letters  *letters         // nil: there are none
	orphans  *orphans         // of a broadcast: what consumers left that lost the connection
}

var (
	_ async.ConsumerFactory  = (*factory)(nil)
	_ async.DeadLetterKeeper = (*factory)(nil)
	_ async.Planner          = (*factory)(nil)
)

// New returns a factory of consumers that are members of group and share the messages of topics: each message goes to one of them. Brokers are named
// host:port; some of the cluster are enough. It returns every fault of its arguments and options, joined. It does not connect; Create does.
func New(brokers []string, group string, topics []string, oo ...OptionFunc) (async.ConsumerFactory, error) {
	var errs []error
	if group == "" {
		errs = append(errs, errors.New("group is empty"))
	}
	f, err := newFactory(ofGroup, brokers, group, topics, oo)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("kafka: consumer of group %q: %w", group, err)
	}
	return f, nil
}

// NewBroadcast returns a factory of consumers each of which gets every message of topics, beginning with what is sent after its Create has returned (see
// [WithStart]). There is no group, and no position but in the process: after a restart a consumer begins where an option says. One that lost the connection
// goes on where the one before it was.
//
// What it holds dies with the process, so a stop takes what was sent before the stop, and finishes it. What it rejects goes to the dead-letter topic,
// which outlives it.
func NewBroadcast(brokers, topics []string, oo ...OptionFunc) (async.ConsumerFactory, error) {
	f, err := newFactory(ofBroadcast, brokers, "", topics, oo)
	if err != nil {
		return nil, fmt.Errorf("kafka: broadcast consumer: %w", err)
	}
	f.orphans = &orphans{}
	return f, nil
}

func newFactory(r role, brokers []string, group string, topics []string, oo []OptionFunc) (*factory, error) {
	c, err := newConfig(r, brokers, oo)
	f := &factory{config: c, group: group, topics: slices.Compact(slices.Sorted(slices.Values(topics)))}
	errs := []error{err}
	if len(topics) == 0 {
		errs = append(errs, errors.New("no topics: want at least one"))
	}
	for _, t := range f.topics {
		switch {
		case t == "":
			errs = append(errs, errors.New("a topic is empty"))
		case c.regex:
			p, err := regexp.Compile(`\A(?:` + t + `)\z`)
			if err != nil {
				errs = append(errs, fmt.Errorf("topic pattern %q: %w", t, err))
			}
			f.patterns = append(f.patterns, p)
		case t == c.dead:
			errs = append(errs, fmt.Errorf("topic %q is its own dead-letter topic", t))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if !c.noDead {
		f.letters = &letters{factory: f}
	}
	return f, nil
}

// Traits implements async.ConsumerFactory.
func (f *factory) Traits() async.Traits {
	t := async.Traits{
		Ordered: async.OrderedGroup, DeadLetters: f.letters != nil, StopWait: stopWait, ExactAttempts: true, SourceLanes: !f.config.keyLanes,
		MaxDelay: maxDelay, DelaysOffLane: true, Broadcasts: true,
	}
	if f.group == "" {
		t.Ordered, t.Volatile, t.MaxDelay, t.DelaysOffLane = async.OrderedProcess, true, 0, false
	}
	return t
}

// Plan implements async.Planner: each delay has a retry topic.
func (f *factory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	g := *f
	g.delays = slices.Compact(slices.Sorted(slices.Values(p.Delays)))
	if len(g.delays) > 0 && g.group == "" {
		return nil, fmt.Errorf("kafka: broadcast consumer: delays %v: want none, a broadcast has no retry topics", g.delays)
	}
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

// errorf names what the factory consumes.
func (f *factory) errorf(format string, args ...any) error {
	what := "broadcast consumer"
	if f.group != "" {
		what = fmt.Sprintf("consumer of group %q", f.group)
	}
	return fmt.Errorf("kafka: %s: %w", what, fmt.Errorf(format, args...))
}

// Create implements async.ConsumerFactory.
func (f *factory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.create(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}
