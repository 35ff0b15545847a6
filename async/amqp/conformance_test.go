package amqp

import (
	"testing"

	"github.com/beatlabs/patron/async/asynctest"
)

func TestConsumerConformance(t *testing.T) {
	t.Parallel()
	onFake(t, asynctest.Run)
}

func TestProducerConformance(t *testing.T) {
	t.Parallel()
	onFake(t, asynctest.RunProducer)
}

func TestDeadLetterConformance(t *testing.T) {
	t.Parallel()
	onFake(t, asynctest.RunDeadLetters)
}

func onFake(t *testing.T, run suiteFunc) {
	t.Helper()
	for name, b := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, b.traits, func(tb testing.TB) asynctest.Harness {
				tb.Helper()
				return newHarness(tb, &fakeWorld{newFakeBroker()}, b.options...)
			}, asynctest.WithVirtualTime())
		})
	}
}
