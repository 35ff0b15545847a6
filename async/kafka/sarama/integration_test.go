package sarama_test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	ibm "github.com/IBM/sarama"
	"github.com/beatlabs/patron/async/asynctest"
)

// brokers returns the addresses of a real Kafka.
func brokers(t *testing.T) []string {
	t.Helper()
	addrs := os.Getenv("PATRON_TEST_KAFKA")
	if addrs == "" {
		t.Skip("PATRON_TEST_KAFKA is not set: make test starts the brokers")
	}
	return strings.Split(addrs, ",")
}

// real returns a harness on a real Kafka, with a topic of its own.
func (s shape) real(addrs []string) func(testing.TB) asynctest.Harness {
	return func(tb testing.TB) asynctest.Harness {
		tb.Helper()
		config := ibm.NewConfig()
		config.Version = ibm.V2_8_0_0
		admin, err := ibm.NewClusterAdmin(addrs, config)
		if err != nil {
			tb.Fatal(err)
		}
		topic, limit := "sarama-"+strings.ToLower(rand.Text()), "4194304"
		if err := admin.CreateTopic(topic, &ibm.TopicDetail{
			NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": &limit},
		}, false); err != nil {
			tb.Fatal(err)
		}
		for found := false; !found; { // it takes a moment to get around
			topics, err := admin.DescribeTopics([]string{topic})
			found = err == nil && len(topics) == 1 && topics[0].Err == ibm.ErrNoError && len(topics[0].Partitions) == partitions
		}
		return s.harness(tb, addrs, topic, "g-"+topic, func() {
			topics, err := admin.ListTopics()
			if err != nil {
				tb.Errorf("list topics: %v", err)
			}
			for name := range topics {
				if strings.HasPrefix(name, topic) {
					if err := admin.DeleteTopic(name); err != nil {
						tb.Errorf("delete topic %q: %v", name, err)
					}
				}
			}
			_ = admin.DeleteConsumerGroup("g-" + topic) // it may be gone, or never was
			if err := admin.Close(); err != nil {
				tb.Errorf("close: %v", err)
			}
		})
	}
}

func TestConsumerConformanceOnRealKafka(t *testing.T) {
	t.Parallel()
	s := shapes()["partitions"]
	asynctest.Run(t, s.traits, s.real(brokers(t)), asynctest.WithQuiet(300*time.Millisecond))
}

func TestProducerConformanceOnRealKafka(t *testing.T) {
	t.Parallel()
	s := shapes()["partitions"]
	asynctest.RunProducer(t, s.traits, s.real(brokers(t)), asynctest.WithQuiet(300*time.Millisecond))
}

func TestDeadLetterConformanceOnRealKafka(t *testing.T) {
	t.Parallel()
	s := shapes()["partitions"]
	asynctest.RunDeadLetters(t, s.traits, s.real(brokers(t)), asynctest.WithQuiet(300*time.Millisecond))
}
