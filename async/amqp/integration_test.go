package amqp

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/internal/faultnet"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// realURL returns the URL of the broker for tests, or skips the test.
func realURL(tb testing.TB) string {
	tb.Helper()
	url := os.Getenv("PATRON_TEST_AMQP_URL")
	if url == "" {
		tb.Skip("PATRON_TEST_AMQP_URL is not set: make test starts the brokers")
	}
	return url
}

// realWorld is a RabbitMQ behind a network that can be broken.
type realWorld struct {
	url     string
	network *faultnet.Network
	janitor *janitor
}

func newRealWorld(tb testing.TB, j *janitor) *realWorld {
	tb.Helper()
	return &realWorld{url: realURL(tb), network: faultnet.New(), janitor: j}
}

// janitor clears up when a whole test is over, and not before: RabbitMQ 3.10 loses the process that moves dead letters of quorum queues, for good and for all
// queues, if two of them are deleted while they are being made.
type janitor struct {
	mu                sync.Mutex
	queues, exchanges []string
}

// newJanitor returns one that works when t ends.
func newJanitor(t *testing.T) *janitor {
	t.Helper()
	j := new(janitor)
	url := realURL(t)
	t.Cleanup(func() {
		if len(j.queues) > 0 {
			time.Sleep(time.Second)
			clearReal(t, url, j.queues, j.exchanges)
		}
	})
	return j
}

func (j *janitor) add(queues, exchanges []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queues, j.exchanges = append(j.queues, queues...), append(j.exchanges, exchanges...)
}

// at replaces the URL that was given.
func at(url string) OptionFunc {
	return func(c *config) error {
		c.endpoints = nil
		return c.addURLs([]string{url})
	}
}

func (w *realWorld) options() []OptionFunc {
	return []OptionFunc{at(w.url), WithDial(w.network.DialContext)}
}

func (w *realWorld) absent() []OptionFunc {
	n := faultnet.New()
	n.Down()
	return []OptionFunc{at(w.url), WithDial(n.DialContext)}
}

func (w *realWorld) down() { w.network.Down() }
func (w *realWorld) up()   { w.network.Up() }

func (w *realWorld) clear(queues, exchanges []string) { w.janitor.add(queues, exchanges) }

// clearReal deletes queues and exchanges; one that is not there is nothing.
func clearReal(tb testing.TB, url string, queues, exchanges []string) {
	tb.Helper()
	conn, err := amqp091.Dial(url)
	if err != nil {
		tb.Errorf("clear: %v", err)
		return
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		tb.Errorf("clear: %v", err)
		return
	}
	for _, q := range queues {
		if _, err := ch.QueueDelete(q, false, false, false); err != nil {
			tb.Errorf("clear queue %s: %v", q, err)
		}
	}
	for _, e := range exchanges {
		if err := ch.ExchangeDelete(e, false, false); err != nil {
			tb.Errorf("clear exchange %s: %v", e, err)
		}
	}
}

// brokers are the ways in which a queue can be consumed, with the traits that each must claim.
func kinds() map[string]broker {
	base := async.Traits{
		Ordered: async.OrderedProcess, DeadLetters: true, MaxDelay: 49 * 24 * time.Hour, DelaysOffLane: true, ExactAttempts: true, Broadcasts: true,
	}
	unordered, quorum, single := base, base, base
	unordered.Ordered, unordered.Redelivers = async.OrderedNone, true
	quorum.CountsDeliveries, quorum.ExactAttempts = true, false
	single.Ordered = async.OrderedGroup
	both := quorum
	both.Ordered, both.Redelivers = async.OrderedNone, true
	return map[string]broker{
		"classic":                {base, nil},
		"classic without order":  {unordered, []OptionFunc{WithoutOrder()}},
		"quorum":                 {quorum, []OptionFunc{WithQuorum()}},
		"quorum without order":   {both, []OptionFunc{WithQuorum(), WithoutOrder()}},
		"single active consumer": {single, []OptionFunc{WithSingleActiveConsumer()}},
	}
}

type broker struct {
	traits  async.Traits
	options []OptionFunc
}

func TestConsumerConformanceOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	onReal(t, asynctest.Run)
}

func TestProducerConformanceOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	onReal(t, asynctest.RunProducer)
}

func TestDeadLetterConformanceOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	onReal(t, asynctest.RunDeadLetters)
}

type suiteFunc func(*testing.T, async.Traits, func(testing.TB) asynctest.Harness, ...asynctest.OptionFunc)

func onReal(t *testing.T, run suiteFunc) {
	t.Helper()
	j := newJanitor(t)
	for name, b := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, b.traits, func(tb testing.TB) asynctest.Harness {
				tb.Helper()
				return newHarness(tb, newRealWorld(tb, j), b.options...)
			})
		})
	}
}
