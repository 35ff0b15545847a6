package async_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/reliability"
)

// What follows was found by asynctest.Simulate.

// noted is a consumer that gives one batch and notes what is done with it.
type noted struct {
	traits async.Traits
	batch  []*async.Message
	answer func(line string) error // to one settlement

	mu    sync.Mutex // guards lines
	lines []string
}

func (j *noted) note(words ...string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	line := strings.Join(words, " ")
	j.lines = append(j.lines, line)
	return line
}

func (j *noted) Create(context.Context) (async.Consumer, error) { return j, nil }
func (j *noted) Traits() async.Traits                           { return j.traits }
func (j *noted) Close(context.Context) error                    { return nil }

func (j *noted) Receive(ctx context.Context, _ int) ([]*async.Message, error) {
	if mm := j.batch; mm != nil {
		j.batch = nil
		return mm, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (j *noted) Settle(_ context.Context, ss []async.Settlement) error {
	for i := range ss {
		line := ss[i].Verdict.String() + " " + ss[i].Message.ID
		if j.answer != nil {
			ss[i].Err = j.answer(line)
		}
		j.note(line)
	}
	return nil
}

// give makes messages of one source, whose keys are the first letters of their IDs.
func (j *noted) give(claim *async.Claim, ids ...string) {
	source := &async.Source{System: "noted", Name: "q", Partition: -1}
	if len(j.batch) > 0 {
		source = j.batch[0].Source
	}
	for _, id := range ids {
		m := keyed(id, id[:1])
		m.Source, m.Lane, m.Claim = source, async.LaneOf(source, m.Key), claim
		j.batch = append(j.batch, m)
	}
}

// run runs c for an hour and returns what was noted.
func (j *noted) run(t *testing.T, c *async.Component, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(component.WithGrace(t.Context(), time.Second, nil))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	time.Sleep(time.Hour)
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	return j.lines
}

func TestAClaimThatIsLostWhileItIsRevokedSettlesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &noted{traits: async.Traits{Ordered: async.OrderedGroup, Redelivers: true}}
		claim := async.NewClaim()
		j.give(claim, "a1")
		c, err := async.New("test", j, func(context.Context, *async.Message) error {
			time.Sleep(10 * time.Second) // it does not heed its context
			return nil
		})
		time.AfterFunc(time.Second, func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			claim.Revoke(ctx)
		})
		time.AfterFunc(2*time.Second, func() { claim.Lose(nil) })

		if lines := j.run(t, c, err); len(lines) > 0 {
			t.Errorf("got %v, want nothing settled", lines)
		}
	})
}

func TestAVerdictThatWaitsIsNotSettledWhenItsClaimIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &noted{traits: async.Traits{Ordered: async.OrderedGroup, Redelivers: true}, answer: func(string) error {
			time.Sleep(10 * time.Second)
			return nil
		}}
		claim := async.NewClaim()
		j.give(nil, "a1")
		j.give(claim, "b1")
		c, err := async.New("test", j, func(_ context.Context, m *async.Message) error {
			if m.ID == "b1" {
				time.Sleep(time.Second)
			}
			return nil
		}, async.WithConcurrency(2))
		time.AfterFunc(5*time.Second, func() { claim.Lose(nil) }) // while the settlement of a1 is under way

		if lines, want := j.run(t, c, err), []string{"ack a1"}; !slices.Equal(lines, want) {
			t.Errorf("got %v, want %v", lines, want)
		}
	})
}

func TestTheDeadlineOfARevocationPassesOverWhatCameAfterTheLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &noted{traits: async.Traits{Ordered: async.OrderedGroup, Redelivers: true}}
		first := async.NewClaim()
		j.give(first, "a1")
		j.give(async.NewClaim(), "a1", "a2") // the broker gives it again as soon as the first claim is lost
		again := j.batch[1:]
		j.batch = j.batch[:1]
		c, err := async.New("test", &twoBatches{noted: j, second: again, after: 3 * time.Second}, func(context.Context, *async.Message) error {
			time.Sleep(10 * time.Second)
			return nil
		}, async.WithConcurrency(2))
		time.AfterFunc(time.Second, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			first.Revoke(ctx)
		})
		time.AfterFunc(2*time.Second, func() { first.Lose(nil) })

		if lines, want := j.run(t, c, err), []string{"ack a1", "ack a2"}; !slices.Equal(lines, want) {
			t.Errorf("got %v, want %v", lines, want)
		}
	})
}

// twoBatches gives a second batch later.
type twoBatches struct {
	*noted
	second []*async.Message
	after  time.Duration
}

func (c *twoBatches) Create(context.Context) (async.Consumer, error) { return c, nil }

func (c *twoBatches) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if c.batch == nil && c.second != nil {
		time.Sleep(c.after)
		c.batch, c.second = c.second, nil
	}
	return c.noted.Receive(ctx, limit)
}

func TestARefusedSettlementGivesNothingBackThatWouldNotCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &noted{traits: async.Traits{Ordered: async.OrderedGroup}, answer: func(line string) error { // as of a log
			if line == "ack a1" {
				return async.ErrLost // it was carried out before, and the answer was lost
			}
			return nil
		}}
		j.give(async.NewClaim(), "a1", "a2", "a3")
		c, err := async.New("test", j, func(_ context.Context, m *async.Message) error {
			if m.ID == "a2" {
				time.Sleep(time.Minute)
			}
			return nil
		}, async.WithConcurrency(2))

		if lines, want := j.run(t, c, err), []string{"ack a1", "ack a2", "ack a3"}; !slices.Equal(lines, want) {
			t.Errorf("got %v, want %v", lines, want)
		}
	})
}

func TestABatchWaitsForTheDeadLetterBeforeItsFollowers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &noted{traits: async.Traits{Ordered: async.OrderedGroup, Redelivers: true, DeadLetters: true}, answer: func(string) error {
			time.Sleep(10 * time.Second)
			return nil
		}}
		j.give(nil, "a1", "a2", "a3")
		c, err := async.NewBatch("test", j, func(_ context.Context, mm []*async.Message) error {
			if mm[0].ID == "a1" {
				return async.StopAt(0, reliability.Permanent(errBroken))
			}
			for _, m := range mm {
				j.note("handler of", m.ID)
			}
			return nil
		}, async.WithConcurrency(2), async.WithBatchSize(2))

		want := []string{"reject a1", "handler of a2", "handler of a3", "ack a2", "ack a3"}
		if lines := j.run(t, c, err); !slices.Equal(lines, want) {
			t.Errorf("got %v, want %v", lines, want)
		}
	})
}
