package kafka_test

import (
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/async/kafka"
)

// shapes are the ways in which a consumer can be made, with the traits that each must claim.
func shapes() map[string]shape {
	traits := async.Traits{
		Ordered: async.OrderedGroup, DeadLetters: true, StopWait: time.Second, ExactAttempts: true, SourceLanes: true, MaxDelay: 7 * 24 * time.Hour,
		DelaysOffLane: true, Broadcasts: true,
	}
	keyed := traits
	keyed.SourceLanes = false
	return map[string]shape{
		"partitions":        {traits: traits},
		"keys":              {traits: keyed, options: []kafka.OptionFunc{kafka.WithKeyLanes()}},
		"consumer protocol": {traits: traits, options: []kafka.OptionFunc{kafka.WithConsumerProtocol()}, serverSide: true},
	}
}

type shape struct {
	traits     async.Traits
	options    []kafka.OptionFunc
	serverSide bool
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
