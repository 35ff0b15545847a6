package kafka_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// realBrokers returns the brokers that the environment names.
func realBrokers(tb testing.TB) []string {
	tb.Helper()
	brokers := os.Getenv("PATRON_TEST_KAFKA")
	if brokers == "" {
		tb.Skip("PATRON_TEST_KAFKA is not set: make test starts the brokers")
	}
	return strings.Split(brokers, ",")
}

// real returns a harness on real brokers, with topics and a group of its own.
func (s shape) real(tb testing.TB) asynctest.Harness {
	tb.Helper()
	return s.onReal(tb)
}

func (s shape) onReal(tb testing.TB) *realHarness {
	tb.Helper()
	topic := "patron-" + rand.Text()
	h := &realHarness{s.harness(tb, realBrokers(tb), topic, "g-"+topic)}
	h.close = h.clean
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h.make(ctx, topic)
	return h
}

// make makes a topic, unless it is there, and waits until the brokers know it.
func (h *realHarness) make(ctx context.Context, topic string) {
	most := "4194304"
	_, err := h.admin.CreateTopic(ctx, partitions, 1, map[string]*string{"max.message.bytes": &most}, topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		h.tb.Error(err)
		return
	}
	for {
		topics, err := h.admin.ListTopics(ctx, topic)
		if err != nil {
			h.tb.Error(err)
			return
		}
		if topics.Error() == nil && len(topics[topic].Partitions) == partitions {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Broadcast makes the topic for it, which few cases need.
func (h *realHarness) Broadcast() (async.ConsumerFactory, async.Producer) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h.make(ctx, h.topic+".news")
	return h.harness.Broadcast()
}

type realHarness struct{ *harness }

// clean deletes the topics and the group.
func (h *realHarness) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	topics, err := h.admin.ListTopics(ctx)
	if err != nil {
		h.tb.Errorf("list topics: %v", err)
		return
	}
	var ours []string
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, h.topic) {
			ours = append(ours, name)
		}
	}
	if _, err := h.admin.DeleteTopics(ctx, ours...); err != nil {
		h.tb.Errorf("delete topics: %v", err)
	}
	if _, err := h.admin.DeleteGroups(ctx, h.group); err != nil {
		h.tb.Logf("delete group: %v", err)
	}
}

// BreakDeadLetters makes the topic take no letter.
func (h *realHarness) BreakDeadLetters() { h.limit("100") }

// MendDeadLetters makes it take them again.
func (h *realHarness) MendDeadLetters() { h.limit("4194304") }

func (h *realHarness) limit(bytes string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	topic := h.topic + "." + h.group + ".dead"
	if _, err := h.admin.CreateTopic(ctx, 1, 1, nil, topic); err != nil && !strings.Contains(err.Error(), kerr.TopicAlreadyExists.Message) {
		h.tb.Errorf("create %s: %v", topic, err)
	}
	if _, err := h.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &bytes}}, topic); err != nil {
		h.tb.Errorf("alter %s: %v", topic, err)
	}
	time.Sleep(200 * time.Millisecond) // the broker takes note when it pleases
}

func (h *realHarness) Lose() { h.lose() }

func TestConsumerConformanceOnRealKafka(t *testing.T) {
	t.Parallel()
	realBrokers(t)
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.Run(t, s.traits, s.real, asynctest.WithPatience(time.Minute))
		})
	}
}

func TestProducerConformanceOnRealKafka(t *testing.T) {
	t.Parallel()
	realBrokers(t)
	s := shapes()["partitions"]
	asynctest.RunProducer(t, s.traits, s.real, asynctest.WithPatience(time.Minute))
}

func TestDeadLetterConformanceOnRealKafka(t *testing.T) {
	t.Parallel()
	realBrokers(t)
	s := shapes()["partitions"]
	asynctest.RunDeadLetters(t, s.traits, s.real, asynctest.WithPatience(time.Minute))
}

func TestMembersThatComeAndGoLoseAndOvertakeNothingOnRealKafka(t *testing.T) {
	t.Parallel()
	realBrokers(t)
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storm(t, s.onReal(t).harness, 20*time.Second, 500*time.Millisecond)
		})
	}
}
