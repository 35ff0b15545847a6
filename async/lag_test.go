package async_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
)

// twoSources is a consumer that loses one of its two sources.
type twoSources struct {
	sources []*async.Source
	lost    atomic.Bool
}

func (c *twoSources) Create(context.Context) (async.Consumer, error) { return c, nil }
func (c *twoSources) Traits() async.Traits                           { return async.Traits{} }

func (c *twoSources) Receive(ctx context.Context, _ int) ([]*async.Message, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (c *twoSources) Settle(context.Context, []async.Settlement) error { return nil }
func (c *twoSources) Close(context.Context) error                      { return nil }

func (c *twoSources) Lag(context.Context) ([]async.Lag, error) {
	lags := []async.Lag{{Source: c.sources[0], Messages: 1}, {Source: c.sources[1], Messages: 2}}
	if c.lost.Load() {
		return lags[:1], nil
	}
	return lags, nil
}

func TestTheLagOfASourceThatIsGoneIsToldNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := metric.NewRegistry()
		told := func() string {
			var text []string
			families, err := registry.Gatherer().Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if f.GetName() != "patron_consumer_lag_messages" {
					continue
				}
				for _, m := range f.GetMetric() {
					for _, l := range m.GetLabel() {
						if l.GetName() == "partition" {
							text = append(text, l.GetValue())
						}
					}
				}
			}
			return strings.Join(text, " ")
		}
		cf := &twoSources{sources: []*async.Source{{System: "log", Name: "orders", Partition: 0}, {System: "log", Name: "orders", Partition: 1}}}
		c, err := async.New("test", cf, func(context.Context, *async.Message) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(trace.WithTelemetry(t.Context(), trace.NewTelemetry(nil, nil, registry)))
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()

		time.Sleep(6 * time.Second)
		if got := told(); got != "0 1" {
			t.Errorf("partitions with a lag: got %q, want both", got)
		}
		cf.lost.Store(true)
		time.Sleep(6 * time.Second)
		if got := told(); got != "0" {
			t.Errorf("partitions with a lag after one went: got %q, want the other one", got)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := told(); got != "" {
			t.Errorf("partitions with a lag after the stop: got %q, want none", got)
		}
	})
}
