package async_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
)

// expiring returns a message that expires in d.
func expiring(id, key string, d time.Duration) *async.Message {
	m := keyed(id, key)
	m.Expires = time.Now().Add(d)
	return m
}

func TestWhatExpiredBeforeItWasStartedIsADeadLetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		j := &journal{}
		var cause error
		r := start(t, b, newComponent(t, b, func(_ context.Context, m *async.Message) error {
			j.addf("%s", m.ID)
			time.Sleep(time.Minute)
			return nil
		}, async.WithOnDead(func(_ context.Context, m *async.Message, err error) error {
			j.addf("dead %s after %d", m.ID, m.Attempt)
			cause = err
			return nil
		})), time.Hour)
		r.send(expiring("1", "k", time.Second), expiring("2", "k", time.Minute), expiring("3", "k", 2*time.Minute))
		time.Sleep(time.Hour)

		j.want(t, "1", "dead 2 after 0", "3")
		if !errors.Is(cause, async.ErrExpired) || reliability.Classify(cause) != reliability.ClassPermanent {
			t.Errorf("cause: got %v, want ErrExpired, which is permanent", cause)
		}
		letters := b.DeadLetters("q")
		if len(letters) != 1 || letters[0].Headers.Get(async.HeaderDeadAttempt) != "0" ||
			letters[0].Headers.Get(async.HeaderDeadCause) != "async: message expired at 2000-01-01T00:01:00Z" {
			t.Errorf("dead letters: got %+v, want message 2 with its cause and no attempt", letters)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatWasStartedInTimeIsTriedLikeAnyOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		j := &journal{}
		r := start(t, b, newComponent(t, b, func(_ context.Context, m *async.Message) error {
			j.addf("%d", m.Attempt)
			if m.Attempt < 3 {
				return errBroken
			}
			return nil
		}, async.WithBackoff(time.Minute, time.Minute)), time.Hour)
		r.send(expiring("1", "k", time.Second))
		time.Sleep(time.Hour)

		j.want(t, "1", "2", "3")
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestInABatchOnlyWhatExpiredIsDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		j := &journal{}
		c, err := async.NewBatch("test", b.Consumer("q"), func(_ context.Context, mm []*async.Message) error {
			for _, m := range mm {
				j.addf("%s attempt %d", m.ID, m.Attempt)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		mm := []*async.Message{keyed("1", "k"), expiring("2", "k", time.Second), keyed("3", "k"), expiring("4", "", time.Second), expiring("5", "", time.Hour)}
		if err := b.Producer("q").Send(t.Context(), mm...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		r := start(t, b, c, time.Hour)
		time.Sleep(time.Minute)

		j.mu.Lock()
		got := fmt.Sprint(j.lines)
		j.mu.Unlock()
		if got != "[1 attempt 1 3 attempt 1 5 attempt 1]" && got != "[5 attempt 1 1 attempt 1 3 attempt 1]" {
			t.Errorf("got %v, want 1, 3 and 5, each at its first attempt", got)
		}
		if letters := b.DeadLetters("q"); len(letters) != 2 {
			t.Errorf("dead letters: got %d, want 2", len(letters))
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutADeadLetterTheStrategyDecidesWhatExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		c, err := async.New("test", deadless{b.Consumer("q")}, func(context.Context, *async.Message) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Producer("q").Send(t.Context(), expiring("1", "k", time.Second)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		r := start(t, b, c, time.Minute)
		if err := <-r.done; !errors.Is(err, async.ErrExpired) {
			t.Errorf("Run: got %v, want ErrExpired", err)
		}
		if n := b.Len("q"); n != 1 {
			t.Errorf("got %d messages, want the one that expired kept", n)
		}
	})
}

// deadless hides the dead letters of a broker.
type deadless struct{ async.ConsumerFactory }

func (f deadless) Traits() async.Traits {
	t := f.ConsumerFactory.Traits()
	t.DeadLetters = false
	return t
}

func TestExpiredMessagesAreCountedAndNotAsFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := metric.NewRegistry()
		ctx, stop := context.WithCancel(trace.WithTelemetry(t.Context(), trace.NewTelemetry(nil, nil, registry)))
		b := newBroker(t)
		c := newComponent(t, b, func(context.Context, *async.Message) error { return nil })
		if err := b.Producer("q").Send(t.Context(), expiring("1", "k", time.Second)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stop()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		counts := outcomesOf(t, registry)
		if counts["expired"] != 1 || counts["dead"] != 1 || counts["failed"] != 0 {
			t.Errorf("got %v, want one expired and dead, none failed", counts)
		}
	})
}

// outcomesOf returns how many messages had each outcome.
func outcomesOf(t *testing.T, registry *metric.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != "patron_consumer_messages_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "patron_outcome" {
					counts[l.GetValue()] += m.GetCounter().GetValue()
				}
			}
		}
	}
	return counts
}
