package consume_test

import (
	"context"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/async/memory"
)

// snippet: conformance

// source is one source of a broker, made for a case of the suite. It also says how to read dead letters, how to take the broker away and how to broadcast; the
// suite finds that by assertion.
type source struct{ broker *memory.Broker }

func newSource(tb testing.TB) asynctest.Harness {
	tb.Helper()
	b, err := memory.New()
	if err != nil {
		tb.Fatal(err)
	}
	return source{broker: b}
}

func (s source) Factory() async.ConsumerFactory { return s.broker.Consumer("orders") }
func (s source) Producer() async.Producer       { return s.broker.Producer("orders") }
func (s source) Close()                         {}
func (s source) Down()                          { s.broker.Down() }
func (s source) Up()                            { s.broker.Up() }

func (s source) DeadLetters(context.Context) ([]*async.Message, error) {
	return s.broker.DeadLetters("orders"), nil
}

func (s source) Broadcast() (async.ConsumerFactory, async.Producer) {
	return s.broker.Broadcast("prices"), s.broker.BroadcastProducer("prices")
}

// The traits stand here a second time, so that a driver cannot lower one silently: each switches cases on.
var traits = async.Traits{
	Ordered: async.OrderedGroup, Volatile: true, DeadLetters: true, MaxDelay: 365 * 24 * time.Hour, StopWait: 50 * time.Millisecond,
	Redelivers: true, CountsDeliveries: true, ExactAttempts: true, MaxPublishDelay: 365 * 24 * time.Hour, Broadcasts: true,
}

func TestDriver(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, traits, newSource, asynctest.WithVirtualTime())
}

func TestDriverProduces(t *testing.T) {
	t.Parallel()
	asynctest.RunProducer(t, traits, newSource, asynctest.WithVirtualTime())
}

func TestDriverKeepsDeadLetters(t *testing.T) {
	t.Parallel()
	asynctest.RunDeadLetters(t, traits, newSource, asynctest.WithVirtualTime())
}

// end snippet
