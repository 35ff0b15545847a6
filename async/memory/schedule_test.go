package memory_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
)

// later returns a message that is due in d.
func later(id, key string, d time.Duration) *async.Message {
	m := &async.Message{ID: id, Key: []byte(key), Due: time.Now().Add(d)}
	if key == "" {
		m.Key = nil
	}
	return m
}

func messageIDs(mm []*async.Message) []string {
	var ids []string
	for _, m := range mm {
		ids = append(ids, m.ID)
	}
	return ids
}

func sendTo(t *testing.T, p async.Producer, mm ...*async.Message) {
	t.Helper()
	if err := p.Send(t.Context(), mm...); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func consumeFrom(t *testing.T, f async.ConsumerFactory) async.Consumer {
	t.Helper()
	c, err := f.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// take returns what one Receive gives, for which it waits.
func take(t *testing.T, c async.Consumer, limit int) []*async.Message {
	t.Helper()
	mm, err := c.Receive(t.Context(), limit)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return slices.Clone(mm)
}

func TestWhatIsHeldBackComesInWhenItIsDueBehindWhatWasThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		p := b.Producer(queue)
		sendTo(t, p, later("third", "k", 3*time.Second), later("second", "k", 2*time.Second), later("also second", "", 2*time.Second), later("now", "k", 0))
		want(t, "messages as they were sent", messageIDs(b.Messages(queue)), []string{"third", "second", "also second", "now"})

		time.Sleep(2500 * time.Millisecond)
		sendTo(t, p, &async.Message{ID: "late", Key: []byte("k")})

		want(t, "messages after two are due", messageIDs(b.Messages(queue)), []string{"third", "now", "second", "also second", "late"})
		c := consume(t, b)
		want(t, "received", messageIDs(take(t, c, 10)), []string{"now", "second", "late", "also second"})
		want(t, "Len", b.Len(queue), 5)
	})
}

func TestAReceiveThatWaitsWakesWhenSomethingIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		c1, c2 := consume(t, b), consume(t, b)
		got := make(chan string, 2)
		for _, c := range []async.Consumer{c1, c2} {
			go func() {
				mm, err := c.Receive(t.Context(), 1)
				if err != nil {
					t.Error(err)
					return
				}
				got <- mm[0].ID + " after " + time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).String()
			}()
		}
		synctest.Wait()
		sendTo(t, b.Producer(queue), later("2", "b", time.Hour), later("1", "a", time.Minute))

		want(t, "first", <-got, "1 after 1m0s")
		want(t, "second", <-got, "2 after 1h0m0s")
	})
}

func TestADrainLeavesWhatIsNotDueToWhoeverComesNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		sendTo(t, b.Producer(queue), later("1", "k", time.Hour))
		c := consume(t, b)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if mm, err := c.Receive(ended, 1); err != io.EOF { //nolint:errorlint // it must be io.EOF itself
			t.Fatalf("drain: got %v, %v, want io.EOF", mm, err)
		}
		lags, err := c.(async.Lagger).Lag(t.Context())
		if err != nil || lags[0].Messages != 0 || lags[0].NotDue != 1 || lags[0].Oldest != 0 {
			t.Errorf("lag after the drain: got %+v, %v, want one that is not due", lags, err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}

		c = consume(t, b)
		want(t, "received by the next consumer", messageIDs(take(t, c, 1)), []string{"1"})
		want(t, "the time", time.Now(), time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC))
	})
}

// Something that is due woke a consumer again and again while its claim was being revoked: this test did not end.
func TestAConsumerWhoseClaimIsRevokedSleepsAlthoughSomethingIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain(), memory.WithClaims())
		var mu sync.Mutex
		var got []string
		c, err := async.New("test", b.Consumer(queue), func(_ context.Context, m *async.Message) error {
			mu.Lock()
			got = append(got, m.ID+" at "+time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).String())
			mu.Unlock()
			time.Sleep(10 * time.Second)
			return nil
		}, async.WithConcurrency(2))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		send(t, b, later("due", "a", time.Second), &async.Message{ID: "runs"})
		synctest.Wait()

		b.Revoke(t.Context(), queue)
		time.Sleep(time.Minute)

		mu.Lock()
		defer mu.Unlock()
		want(t, "starts", got, []string{"runs at 0s", "due at 10s"})
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestADelayAboveTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	err := b.Producer(queue).Send(t.Context(), later("1", "k", 366*24*time.Hour))
	if !errors.Is(err, errors.ErrUnsupported) || b.Len(queue) != 0 {
		t.Errorf("got %v and %d messages, want ErrUnsupported and none", err, b.Len(queue))
	}
}

func TestWhatIsHeldBackTakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithCapacity(1))
		sendTo(t, b.Producer(queue), later("1", "k", time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Producer(queue).Send(ctx, &async.Message{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want it to wait for room", err)
		}
	})
}
