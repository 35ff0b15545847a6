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

// janitor clears up, but only what is old enough: RabbitMQ loses the processes that move dead letters of quorum queues, for good and for all queues, if a few
// such queues are deleted while their processes are being started (https://github.com/rabbitmq/rabbitmq-server/issues/16652; with 3.10 two are enough).
type janitor struct {
	tb   testing.TB
	conn *amqp091.Connection

	mu   sync.Mutex // guards what is left; one at a time clears
	left []litter
}

// litter is what a case leaves behind.
type litter struct {
	queues, exchanges []string
	since             time.Time // when the case ended: its queues are older
}

// settled is how old a queue is whose process was surely started, also where the processor is busy: it is started with the queue.
const settled = 5 * time.Second

// newJanitor returns one that has cleared everything when t has ended.
func newJanitor(t *testing.T) *janitor {
	t.Helper()
	conn, err := amqp091.Dial(realURL(t))
	if err != nil {
		t.Fatal(err)
	}
	j := &janitor{tb: t, conn: conn}
	t.Cleanup(func() {
		if n := len(j.left); n > 0 {
			time.Sleep(time.Until(j.left[n-1].since.Add(settled)))
		}
		j.clear()
		if err := conn.Close(); err != nil {
			t.Errorf("clear: %v", err)
		}
	})
	return j
}

// add takes note of what is to be cleared, and clears what is old enough.
func (j *janitor) add(queues, exchanges []string) {
	j.mu.Lock()
	j.left = append(j.left, litter{queues: queues, exchanges: exchanges, since: time.Now()})
	j.mu.Unlock()
	j.clear()
}

func (j *janitor) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.left) > 0 && time.Since(j.left[0].since) >= settled {
		clearReal(j.tb, j.conn, j.left[0].queues, j.left[0].exchanges)
		j.left = j.left[1:]
	}
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
func clearReal(tb testing.TB, conn *amqp091.Connection, queues, exchanges []string) {
	tb.Helper()
	ch, err := conn.Channel()
	if err != nil {
		tb.Errorf("clear: %v", err)
		return
	}
	defer func() { _ = ch.Close() }()
	for _, q := range queues {
		if _, err := ch.QueueDelete(q, false, false, false); err != nil {
			tb.Errorf("clear queue %s: %v", q, err)
			return
		}
	}
	for _, e := range exchanges {
		if err := ch.ExchangeDelete(e, false, false); err != nil {
			tb.Errorf("clear exchange %s: %v", e, err)
			return
		}
	}
}

// kinds are the ways in which a queue can be consumed, with the traits that each must claim.
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
	onReal(t, asynctest.Run, "classic", "quorum", "quorum without order", "single active consumer") // the double has the fifth
}

func TestProducerConformanceOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	onReal(t, asynctest.RunProducer, "classic", "quorum") // how a queue is consumed is nothing to whoever publishes
}

func TestDeadLetterConformanceOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	onReal(t, asynctest.RunDeadLetters, "classic", "quorum") // the queues of dead letters are of these two types
}

type suiteFunc func(*testing.T, async.Traits, func(testing.TB) asynctest.Harness, ...asynctest.OptionFunc)

func onReal(t *testing.T, run suiteFunc, names ...string) {
	t.Helper()
	j := newJanitor(t)
	for _, name := range names {
		b, ok := kinds()[name]
		if !ok {
			t.Fatalf("there is no kind %q", name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, b.traits, func(tb testing.TB) asynctest.Harness {
				tb.Helper()
				return newHarness(tb, newRealWorld(tb, j), b.options...)
			}, asynctest.WithPatience(time.Minute))
		})
	}
}
