package async_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/google/go-cmp/cmp"
)

// planningFactory keeps the plan it is given.
type planningFactory struct {
	async.ConsumerFactory
	plan *async.Plan
	err  error
}

func (f planningFactory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	*f.plan = p
	return f.ConsumerFactory, f.err
}

func TestAPlannerIsToldWhatTheOptionsSay(t *testing.T) {
	t.Parallel()
	nop := func(context.Context, *async.Message) error { return nil }
	for name, c := range map[string]struct {
		options []async.OptionFunc
		want    async.Plan
	}{
		"defaults": {
			nil,
			async.Plan{Component: "test", MaxHeld: 256, Concurrency: 1, Attempts: 3, Pauses: 300 * time.Millisecond},
		},
		"all": {
			[]async.OptionFunc{
				async.WithConcurrency(3), async.WithMaxHeld(9), async.WithTries(5), async.WithBackoff(time.Second, 3*time.Second), async.Unordered(),
				async.WithDelays(time.Minute, time.Hour), async.WithHandlerTimeout(time.Second),
			},
			async.Plan{
				Component: "test", MaxHeld: 9, Concurrency: 3, Attempts: 7, Delays: []time.Duration{time.Minute, time.Hour}, Unordered: true,
				Pauses: 11 * time.Second, Timeout: time.Second,
			},
		},
		"for ever": {
			[]async.OptionFunc{async.WithTries(math.MaxInt), async.WithDelays(time.Minute), async.Unordered()},
			async.Plan{
				Component: "test", MaxHeld: 256, Concurrency: 1, Attempts: math.MaxInt, Delays: []time.Duration{time.Minute}, Unordered: true,
				Pauses: math.MaxInt64,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got async.Plan
			if _, err := async.New("test", planningFactory{newBroker(t).Consumer("q"), &got, nil}, nop, c.options...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPlanThatCannotBeIsAnErrorOfNew(t *testing.T) {
	t.Parallel()
	refused := errors.New("lease of 1s: want above the pauses")
	_, err := async.New("test", planningFactory{newBroker(t).Consumer("q"), new(async.Plan), refused}, func(context.Context, *async.Message) error { return nil })
	if !errors.Is(err, refused) || !strings.HasPrefix(err.Error(), `async: component "test": `) {
		t.Errorf("New: got %v, want what the factory says, with the name of the component", err)
	}
}

// started returns a message that was started n times before.
func started(id string, n int) *async.Message {
	m := keyed(id, "k")
	m.Headers.Set("starts", string(rune('0'+n)))
	return m
}

// startsFactory makes the header of started the attempt of a message.
type startsFactory struct {
	async.ConsumerFactory
	change func(*async.Traits)
}

func (f startsFactory) Traits() async.Traits {
	t := f.ConsumerFactory.Traits()
	f.change(&t)
	return t
}

func (f startsFactory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.ConsumerFactory.Create(ctx)
	return &startsConsumer{Consumer: c}, err
}

type startsConsumer struct{ async.Consumer }

func (c *startsConsumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	mm, err := c.Consumer.Receive(ctx, limit)
	for _, m := range mm {
		if s := m.Headers.Get("starts"); s != "" {
			m.Attempt = int(s[0] - '0')
		}
	}
	return mm, err
}

func TestAMessageThatTakesItsProcessDownIsDeadAfterTheAttemptsOfThePolicy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*async.Traits)
		starts int
		want   []string
		option async.OptionFunc
	}{
		"one start is left":            {func(*async.Traits) {}, 2, []string{"handled"}, nil},
		"no start is left":             {func(*async.Traits) {}, 3, []string{"dead after 3"}, nil},
		"deliveries are taken as well": {func(t *async.Traits) { t.ExactAttempts = false }, 3, []string{"handled"}, nil},
		"it is kept without letters":   {func(t *async.Traits) { t.DeadLetters = false }, 9, []string{"handled"}, nil},
		"it is discarded": {
			func(t *async.Traits) { t.DeadLetters = false }, 3, nil, async.WithFailureStrategy(async.AckStrategy),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, memory.WithoutDrain())
				j := &journal{}
				cf := startsFactory{b.Consumer("q"), c.change}
				options := []async.OptionFunc{async.WithTries(3)}
				if c.option != nil {
					options = append(options, c.option)
				}
				if cf.Traits().DeadLetters {
					options = append(options, async.WithOnDead(func(_ context.Context, m *async.Message, cause error) error {
						j.addf("dead after %d", m.Attempt)
						if !errors.Is(cause, async.ErrExhausted) {
							t.Errorf("cause: got %v, want ErrExhausted", cause)
						}
						return nil
					}))
				}
				component, err := async.New("test", cf, func(context.Context, *async.Message) error {
					j.addf("handled")
					return nil
				}, options...)
				if err != nil {
					t.Fatal(err)
				}
				r := start(t, b, component, time.Minute)
				r.send(started("1", c.starts))
				time.Sleep(time.Minute)

				j.want(t, c.want...)
				if n := b.Len("q"); n != 0 {
					t.Errorf("got %d messages left, want none", n)
				}
				if err := r.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
