package broker_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/beatlabs/patron/tests/broker"
)

// A test that kills one of three nodes.
func ExampleStart() {
	ctx := context.Background()
	b, err := broker.Start(ctx, broker.Spec{Kind: broker.Kafka, Nodes: 3})
	if err != nil {
		slog.Error("it did not start", "error", err) // what is missing, or the end of its log
		return
	}
	defer func() { _ = b.Remove(ctx) }()

	addresses := b.Env()[broker.Kafka.Variable()] // the same over all restarts
	slog.Info("up", "version", b.Version(), "addresses", addresses)

	second := b.Nodes()[1]
	_ = second.Kill(ctx)  // SIGKILL; returns when it is gone
	_ = second.Start(ctx) // on its data; returns when it answers
}

func ExampleKind_Value() {
	for _, k := range broker.Kinds() {
		fmt.Printf("%s=%s\n", k.Variable(), k.Value("127.0.0.1:1"))
	}
	// Output:
	// PATRON_TEST_KAFKA=127.0.0.1:1
	// PATRON_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:1/
	// PATRON_TEST_SQS_ENDPOINT=http://127.0.0.1:1
	// PATRON_TEST_SNS_ENDPOINT=http://127.0.0.1:1
	// PATRON_TEST_REDIS=127.0.0.1:1
	// PATRON_TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:1/patron?sslmode=disable
	// PATRON_TEST_MYSQL_DSN=root@tcp(127.0.0.1:1)/patron?parseTime=true
}
