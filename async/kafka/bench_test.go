package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// filled returns the brokers of a cluster in the process with n messages of 200 bytes in one topic.
func filled(b *testing.B, n int) []string {
	b.Helper()
	cluster := newCluster(b, kfake.SeedTopics(4, "orders"))
	b.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	data := bytes.Repeat([]byte("x"), 200)
	for i := range n {
		client.Produce(context.Background(), &kgo.Record{
			Key: fmt.Append(nil, "k", i%100), Value: data, Headers: []kgo.RecordHeader{{Key: async.HeaderID, Value: fmt.Append(nil, i)}},
		}, nil)
	}
	if err := client.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	return cluster.ListenAddrs()
}

// BenchmarkConsume is a message through the engine, BenchmarkConsumeRaw one by the client alone that commits after each poll.
func BenchmarkConsume(b *testing.B) {
	brokers := filled(b, b.N)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	consume(b, ctx, func(cf async.ConsumerFactory) (*async.Component, error) {
		return async.New("bench", cf, func(context.Context, *async.Message) error {
			if n++; n == b.N {
				cancel()
			}
			return nil
		})
	}, brokers)
}

func BenchmarkConsumeBatch(b *testing.B) {
	brokers := filled(b, b.N)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	consume(b, ctx, func(cf async.ConsumerFactory) (*async.Component, error) {
		return async.NewBatch("bench", cf, func(_ context.Context, mm []*async.Message) error {
			if n += len(mm); n >= b.N {
				cancel()
			}
			return nil
		}, async.WithBatchSize(100))
	}, brokers)
}

func consume(b *testing.B, ctx context.Context, newComponent func(async.ConsumerFactory) (*async.Component, error), brokers []string) {
	b.Helper()
	cf, err := kafka.New(brokers, "g", []string{"orders"})
	if err != nil {
		b.Fatal(err)
	}
	c, err := newComponent(cf)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := c.Run(ctx); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkConsumeRaw(b *testing.B) {
	brokers := filled(b, b.N)
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		fetches := client.PollRecords(ctx, 256)
		for r := range fetches.RecordsAll() {
			if len(r.Value) == 200 {
				n++
			}
		}
		if err := client.CommitUncommittedOffsets(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
