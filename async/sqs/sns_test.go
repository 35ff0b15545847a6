package sqs

import (
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
)

// topicHarness sends to a queue through a topic.
type topicHarness struct {
	*fakeHarness
	raw bool
}

func (h *topicHarness) Producer() async.Producer {
	p, err := NewSNSPublisher(&fakeTopic{to: h.client, queue: h.queue, raw: h.raw}, topicARN+h.factory.queue.name, h.sends...)
	if err != nil {
		h.Fatal(err)
	}
	return p
}

// The queue is a FIFO queue, since a topic cannot hold messages back either.
func TestProducerConformanceThroughATopic(t *testing.T) {
	t.Parallel()
	d := doubles()["FIFO"]
	for name, raw := range map[string]bool{"raw": true, "in an envelope": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.RunProducer(t, d.traits, func(tb testing.TB) asynctest.Harness {
				tb.Helper()
				return &topicHarness{fakeHarness: d.harness(tb).(*fakeHarness), raw: raw}
			}, asynctest.WithVirtualTime())
		})
	}
}

func TestConsumerConformanceThroughATopic(t *testing.T) {
	t.Parallel()
	d := doubles()["FIFO"]
	for name, raw := range map[string]bool{"raw": true, "in an envelope": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.Run(t, d.traits, func(tb testing.TB) asynctest.Harness {
				tb.Helper()
				return &topicHarness{fakeHarness: d.harness(tb).(*fakeHarness), raw: raw}
			}, asynctest.WithVirtualTime())
		})
	}
}
