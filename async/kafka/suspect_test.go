package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
)

// After a crash the first message is given alone. What is fetched meanwhile waits, and the partition is paused; it must not stay so when nothing waits any
// more.
func TestAPartitionGoesOnWhenNothingWaitsBehindASuspect(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t, kfake.SeedTopics(1, "orders"))
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	producer, err := kafka.NewProducer(cluster.ListenAddrs(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close(context.Background())
	send := func(text string) {
		t.Helper()
		if err := async.Publish(ctx, producer, text, text); err != nil {
			t.Fatal(err)
		}
	}
	create := func() async.Consumer {
		t.Helper()
		cf, err := kafka.New(cluster.ListenAddrs(), "billing", []string{"orders"}, kafka.WithInstanceID("one"), kafka.WithKeyLanes())
		if err != nil {
			t.Fatal(err)
		}
		c, err := cf.Create(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	send("suspect")
	first := create()
	if mm, err := first.Receive(ctx, 10); err != nil || len(mm) != 1 {
		t.Fatalf("received %d messages, %v, want 1", len(mm), err)
	}
	kafka.MemberOf(first).Kill(ctx)
	defer first.Close(context.Background())

	second := create()
	defer second.Close(context.Background())
	received := make(chan *async.Message, 10)
	receiving, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			mm, err := second.Receive(receiving, 10)
			for _, m := range mm {
				received <- m
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		stop()
		<-done
	}()
	take := func() *async.Message {
		t.Helper()
		select {
		case m := <-received:
			return m
		case <-ctx.Done():
			t.Fatal("no message comes")
			return nil
		}
	}
	ack := func(m *async.Message) {
		t.Helper()
		ss := []async.Settlement{{Message: m, Verdict: async.Ack}}
		if err := second.Settle(ctx, ss); err != nil || ss[0].Err != nil {
			t.Fatalf("settle: %v, %v", err, ss[0].Err)
		}
	}
	suspect := take()
	send("behind it")
	for kafka.MemberOf(second).Stashed() == 0 {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatal("what was sent behind the suspect is not fetched")
		}
	}

	ack(suspect)

	ack(take())
	send("later")
	ack(take())
}
