package async_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
)

// scriptedConsumer gives one batch, refuses to extend one message of it, and notes what becomes of each.
type scriptedConsumer struct {
	batch  []*async.Message
	refuse string

	mu       sync.Mutex // guards everything below
	given    bool
	verdicts []string
}

func (c *scriptedConsumer) Create(context.Context) (async.Consumer, error) { return c, nil }

func (c *scriptedConsumer) Traits() async.Traits {
	return async.Traits{Ordered: async.OrderedGroup, Redelivers: true, Visibility: 10 * time.Second}
}

func (c *scriptedConsumer) Receive(ctx context.Context, _ int) ([]*async.Message, error) {
	c.mu.Lock()
	first := !c.given
	c.given = true
	c.mu.Unlock()
	if first {
		return c.batch, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (c *scriptedConsumer) Settle(_ context.Context, ss []async.Settlement) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range ss {
		c.verdicts = append(c.verdicts, ss[i].Verdict.String()+" "+ss[i].Message.ID)
	}
	return nil
}

func (c *scriptedConsumer) Extend(_ context.Context, mm []*async.Message) error {
	var batch *async.BatchError
	for i, m := range mm {
		if m.ID == c.refuse {
			batch = async.FailAt(i, async.ErrLost)
		}
	}
	return batch.Err()
}

func (c *scriptedConsumer) Close(context.Context) error { return nil }

// TestWhatWaitsBehindALostMessageIsGivenBack has a lane of which one message is lost while it waits. Its followers have leases of their own, so they would
// overtake it.
func TestWhatWaitsBehindALostMessageIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, oo := range map[string][]async.OptionFunc{
		"inline":      nil,
		"concurrency": {async.WithConcurrency(2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := &async.Source{System: "scripted", Name: "q", Partition: -1}
				c := &scriptedConsumer{refuse: "a2"}
				for _, id := range []string{"a1", "a2", "a3", "b1", "a4"} {
					m := keyed(id, id[:1])
					m.Source, m.Lane = source, async.LaneOf(source, m.Key)
					c.batch = append(c.batch, m)
				}
				var mu sync.Mutex
				var started []string
				comp, err := async.New("test", c, func(_ context.Context, m *async.Message) error {
					mu.Lock()
					started = append(started, m.ID)
					mu.Unlock()
					if m.ID == "a1" {
						time.Sleep(20 * time.Second)
					}
					return nil
				}, oo...)
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(component.WithGrace(t.Context(), time.Second, nil))
				done := make(chan error, 1)
				go func() { done <- comp.Run(ctx) }()

				time.Sleep(time.Minute)
				stop()
				if err := <-done; err != nil {
					t.Errorf("Run: %v", err)
				}

				slices.Sort(started)
				if want := []string{"a1", "b1"}; !slices.Equal(started, want) {
					t.Errorf("started %v, want %v", started, want)
				}
				slices.Sort(c.verdicts)
				if want := []string{"ack a1", "ack b1", "release a3", "release a4"}; !slices.Equal(c.verdicts, want) {
					t.Errorf("settled %v, want %v", c.verdicts, want)
				}
			})
		})
	}
}
