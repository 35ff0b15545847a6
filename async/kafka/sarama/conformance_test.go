package sarama_test

import (
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/async/kafka/sarama"
)

// shape is a way in which a consumer can be made, with the traits that it must claim.
type shape struct {
	traits  async.Traits
	options []sarama.OptionFunc
}

func shapes() map[string]shape {
	traits := async.Traits{
		Ordered: async.OrderedGroup, DeadLetters: true, StopWait: time.Second, ExactAttempts: true, SourceLanes: true, MaxDelay: 7 * 24 * time.Hour,
		DelaysOffLane: true,
	}
	keyed := traits
	keyed.SourceLanes = false
	return map[string]shape{
		"partitions": {traits: traits},
		"keys":       {traits: keyed, options: []sarama.OptionFunc{sarama.WithKeyLanes()}},
	}
}

func TestConsumerConformance(t *testing.T) {
	t.Parallel()
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.Run(t, s.traits, s.fake, asynctest.WithQuiet(200*time.Millisecond))
		})
	}
}

func TestProducerConformance(t *testing.T) {
	t.Parallel()
	s := shapes()["partitions"]
	asynctest.RunProducer(t, s.traits, s.fake, asynctest.WithQuiet(200*time.Millisecond))
}

func TestDeadLetterConformance(t *testing.T) {
	t.Parallel()
	s := shapes()["partitions"]
	asynctest.RunDeadLetters(t, s.traits, s.fake, asynctest.WithQuiet(200*time.Millisecond))
}
