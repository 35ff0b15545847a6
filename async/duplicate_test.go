package async_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace/tracetest"
)

const outcomes = "patron_consumer_messages_total"

// drained runs c on what is there, and returns what was recorded.
func drained(t *testing.T, c *async.Component) *tracetest.Recorder {
	t.Helper()
	rec := tracetest.New()
	ctx, stop := context.WithCancel(rec.Context(t.Context()))
	stop()
	if err := c.Run(ctx); err != nil {
		t.Fatalf("Run: %v", err)
	}
	return rec
}

func TestADuplicateIsTakenOffAndCounted(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"as it is":                  async.ErrDuplicate,
		"wrapped":                   fmt.Errorf("inbox: %w", async.ErrDuplicate),
		"marked as permanent":       reliability.Permanent(async.ErrDuplicate),
		"beside a failed roll-back": errors.Join(async.ErrDuplicate, errBroken),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			c := newComponent(t, b, func(context.Context, *async.Message) error { return err })
			if err := b.Producer("q").Send(t.Context(), keyed("1", "a")); err != nil {
				t.Fatal(err)
			}

			rec := drained(t, c)

			if n := b.Len("q") + len(b.DeadLetters("q")); n != 0 {
				t.Errorf("%d messages or dead letters are left, want none", n)
			}
			for outcome, want := range map[string]float64{"duplicate": 1, "processed": 0, "failed": 0, "dead": 0} {
				if got := rec.Metric(outcomes, "patron_outcome", outcome); got != want {
					t.Errorf("%s: got %v, want %v", outcome, got, want)
				}
			}
		})
	}
}

func TestADuplicateOfABatchIsTheOneThatIsNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err       error
		dead      []string
		duplicate float64
	}{
		"named":               {async.FailAt(1, async.ErrDuplicate), nil, 1},
		"of a whole batch":    {async.ErrDuplicate, []string{"1", "2", "3"}, 0}, // else new messages would be lost
		"wrapped, and of all": {fmt.Errorf("insert: %w", async.ErrDuplicate), []string{"1", "2", "3"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			c, err := async.NewBatch("test", b.Consumer("q"), func(context.Context, []*async.Message) error { return tc.err }, async.WithTries(1))
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Producer("q").Send(t.Context(), keyed("1", "a"), keyed("2", "a"), keyed("3", "b")); err != nil {
				t.Fatal(err)
			}

			rec := drained(t, c)

			var dead []string
			for _, m := range b.DeadLetters("q") {
				dead = append(dead, m.ID)
			}
			slices.Sort(dead)
			if got := rec.Metric(outcomes, "patron_outcome", "duplicate"); !slices.Equal(dead, tc.dead) || got != tc.duplicate {
				t.Errorf("got dead %v and %v duplicates, want %v and %v", dead, got, tc.dead, tc.duplicate)
			}
		})
	}
}

func TestAPostponedMessageWaitsInItsLaneWithoutSpendingAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		elsewhere := errors.New("in flight elsewhere")
		var free atomic.Bool
		b := newBroker(t)
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			if m.ID == "a1" && !free.Load() {
				return fmt.Errorf("inbox: %w", &async.PostponedError{After: time.Second, Err: reliability.Permanent(elsewhere)})
			}
			j.addf("%s attempt %d", m.ID, m.Attempt)
			return nil
		}, async.WithTries(1), async.WithConcurrency(2))
		r := start(t, b, c, time.Second)
		r.send(keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"))

		time.Sleep(time.Minute + time.Millisecond)
		j.want(t, "b1 attempt 1")
		err := c.Check(t.Context())
		if !errors.Is(err, elsewhere) || !strings.Contains(err.Error(), `message "a1" of q (key "a") failed for 1m0s`) {
			t.Errorf("Check: got %v, want it to say that a1 is postponed", err)
		}
		free.Store(true)
		time.Sleep(time.Second)
		j.want(t, "b1 attempt 1", "a1 attempt 1", "a2 attempt 1")
		if err := errors.Join(c.Check(t.Context()), r.end()); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if n := len(b.DeadLetters("q")); n != 0 {
			t.Errorf("got %d dead letters, want 0", n)
		}
	})
}

// A stop empties a source in memory: what is postponed is asked again until the grace period is over, and not as fast as the processor can.
func TestAPostponedMessageDoesNotMakeADrainSpin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts atomic.Int64
		b := newBroker(t)
		c := newComponent(t, b, func(context.Context, *async.Message) error {
			starts.Add(1)
			return &async.PostponedError{}
		})
		r := start(t, b, c, time.Minute)
		r.send(keyed("a1", "a"))
		time.Sleep(time.Second)
		if n := starts.Swap(0); n > 110 {
			t.Errorf("%d starts in a second, want at most one in 10 ms", n)
		}
		if err := r.end(); err == nil || !strings.Contains(err.Error(), "1 messages left") {
			t.Errorf("Run: got %v, want it to count the message that is left", err)
		}
		if n := starts.Load(); n > 6100 {
			t.Errorf("%d starts in a minute of drain", n)
		}
	})
}

// deduplicator notes what it is told and what passes it.
type deduplicator struct {
	plan async.Plan
	err  error
	j    *journal
}

func (d *deduplicator) Deduplicate(p async.Plan) (async.MiddlewareFunc, error) {
	d.plan = p
	if d.err != nil || d.j == nil {
		return nil, d.err
	}
	return func(next async.ProcessorFunc) async.ProcessorFunc {
		return func(ctx context.Context, m *async.Message) error {
			d.j.addf("deduplication")
			return next(ctx, m)
		}
	}, nil
}

func TestDeduplicationStandsOutsideTheMiddlewaresAndKnowsThePlan(t *testing.T) {
	t.Parallel()
	var j journal
	b := newBroker(t)
	d := &deduplicator{j: &j}
	c := newComponent(t, b, func(context.Context, *async.Message) error { j.addf("handler"); return nil },
		async.WithMiddlewares(func(next async.ProcessorFunc) async.ProcessorFunc {
			return func(ctx context.Context, m *async.Message) error {
				j.addf("middleware")
				return next(ctx, m)
			}
		}), async.WithDeduplication(d), async.WithTries(7), async.Unordered(), async.WithDelays(time.Hour))
	if err := b.Producer("q").Send(t.Context(), keyed("1", "a")); err != nil {
		t.Fatal(err)
	}

	drained(t, c)

	j.want(t, "deduplication", "middleware", "handler")
	if d.plan.Component != "test" || d.plan.Attempts != 8 || !slices.Equal(d.plan.Delays, []time.Duration{time.Hour}) {
		t.Errorf("plan: got %+v", d.plan)
	}
}

func TestDeduplicationThatCannotBeIsAnErrorOfNew(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	for name, tc := range map[string]struct {
		oo   []async.OptionFunc
		want string
	}{
		"none":     {[]async.OptionFunc{async.WithDeduplication(nil)}, "deduplication: deduplicator is nil"},
		"twice":    {[]async.OptionFunc{async.WithDeduplication(&deduplicator{}), async.WithDeduplication(&deduplicator{})}, "deduplication: given twice"},
		"nothing":  {[]async.OptionFunc{async.WithDeduplication(&deduplicator{})}, "neither a middleware nor an error"},
		"refusing": {[]async.OptionFunc{async.WithDeduplication(&deduplicator{err: errBroken})}, `component "test": deduplication: broken`},
	} {
		if _, err := async.New("test", b.Consumer("q"), func(context.Context, *async.Message) error { return nil }, tc.oo...); err == nil ||
			!strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tc.want)
		}
	}
	_, err := async.NewBatch("test", b.Consumer("q"), func(context.Context, []*async.Message) error { return nil },
		async.WithDeduplication(&deduplicator{}))
	if err == nil || !strings.Contains(err.Error(), "a batch handler takes none") {
		t.Errorf("of a batch: got error %v", err)
	}
}
