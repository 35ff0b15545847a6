package sarama_test

import (
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/sarama"
)

func TestNewNamesEveryFaultOfItsArgumentsAndOptions(t *testing.T) {
	t.Parallel()
	_, err := sarama.New([]string{"nowhere"}, "", []string{"a", ""}, nil,
		sarama.WithStart(async.Offset("a/1", 3)), sarama.WithSession(time.Second), sarama.WithHeartbeat(time.Second), sarama.WithMaxUncommitted(0),
		sarama.WithPlain("alice", ""), sarama.WithTLS(nil), sarama.WithDialer(nil), sarama.WithClientConfig(nil), sarama.WithMaxMessageBytes(1000),
		sarama.WithDeadLetterTopic("a"), sarama.WithRack(""), sarama.WithFetchBytes(0), sarama.WithReplicationFactor(0),
		sarama.WithDeadLetterRetention(0), sarama.WithInstanceID(""), sarama.WithRebalanceTimeout(0), sarama.WithClientID(""),
	)
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		`broker "nowhere": want host:port`, "group is empty", "a topic is empty", "option 0 is nil", "start: offset 3 of a/1",
		"heartbeat 1s: want less than the session, 1s", "uncommitted messages: 0: want at least 1", "SASL PLAIN: want a user and a password",
		"TLS: is empty", "dialer: is empty", "client configuration: is empty", "message bytes: has no meaning for New",
		`topic "a" is its own dead-letter topic`, "rack: is empty", "fetch bytes: 0", "replication factor: 0", "dead-letter retention: 0s",
		"instance ID: is empty", "rebalance time-out: 0s", "client ID: is empty",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %q", want, err)
		}
	}
}

func TestNewProducerNamesEveryFaultOfItsArgumentsAndOptions(t *testing.T) {
	t.Parallel()
	_, err := sarama.NewProducer(nil, "", sarama.WithKeyLanes(), sarama.WithMaxMessageBytes(1), sarama.WithSCRAM512("", "secret"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Fatalf("got %v, want an error without the password", err)
	}
	for _, want := range []string{
		"no brokers", "topic is empty", "key lanes: has no meaning for NewProducer", "message bytes: 1: want at least 512",
		"SASL SCRAM-SHA-512: want a user and a password",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %q", want, err)
		}
	}
}

func TestWithoutDeadLettersTheStrategyDecides(t *testing.T) {
	t.Parallel()
	f, err := sarama.New([]string{"localhost:9092"}, "g", []string{"a"}, sarama.WithoutDeadLetters())
	if err != nil {
		t.Fatal(err)
	}
	if f.Traits().DeadLetters || f.(async.DeadLetterKeeper).DeadLetters() != nil {
		t.Error("there are dead letters")
	}
}
