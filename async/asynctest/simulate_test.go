package asynctest

import (
	"context"
	goflag "flag"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
)

// steps is how many steps the real engine is simulated for, over all configurations: make simulate asks for more.
var steps = goflag.Int("steps", 200_000, "steps of the simulation of the engine")

// set is a store of message IDs: adding one twice is adding it once.
type set map[string]bool

func (s set) add(ctx context.Context, m *async.Message) error {
	if err := Point(ctx, "add"); err != nil {
		return err
	}
	s[m.ID] = true
	return nil
}

func (s set) app(oo ...async.OptionFunc) App {
	return App{
		Handler: func() async.ProcessorFunc { return s.add },
		Options: oo,
		State:   func() any { return s },
	}
}

// batches is the same in batches.
func (s set) batches(handle func(context.Context, []*async.Message) error, oo ...async.OptionFunc) App {
	return App{Batch: func() async.BatchFunc { return handle }, Options: oo, State: func() any { return s }}
}

// addAll stops at the first message that fails.
func (s set) addAll(ctx context.Context, mm []*async.Message) error {
	for i, m := range mm {
		if err := s.add(ctx, m); err != nil {
			return async.StopAt(i, err)
		}
	}
	return nil
}

// addEach goes on after a message that fails.
func (s set) addEach(ctx context.Context, mm []*async.Message) error {
	failed := &async.BatchError{}
	for i, m := range mm {
		failed.Add(i, s.add(ctx, m))
	}
	return failed.Err()
}

// poisoned fails for good for every seventh message, and for some time for others.
func (s set) poisoned(ctx context.Context, m *async.Message) error {
	n, err := strconv.Atoi(strings.TrimPrefix(m.ID, "m"))
	switch {
	case err != nil:
		return err
	case n%7 == 0:
		return errPoison
	case n%5 == 0 && m.Attempt < 2:
		return errFlaky
	}
	return s.add(ctx, m)
}

// The brokers of the matrix, as the drivers are.
var (
	leaseQueue = async.Traits{ // SQL, SQS FIFO, memory
		Ordered: async.OrderedGroup, Redelivers: true, DeadLetters: true, CountsDeliveries: true, Visibility: 10 * time.Second, MaxDelay: time.Hour,
	}
	receiptQueue = async.Traits{ // SQS
		Redelivers: true, DeadLetters: true, CountsDeliveries: true, Visibility: 30 * time.Second, MaxDelay: time.Hour, MaxBatch: 10, Receivers: 3,
	}
	channelQueue = async.Traits{Ordered: async.OrderedProcess, Redelivers: true, DeadLetters: true, MaxDelay: time.Minute} // AMQP
	sessionQueue = async.Traits{Ordered: async.OrderedGroup, Redelivers: true, MaxDelay: time.Minute}
	offsetLog    = async.Traits{Ordered: async.OrderedGroup, DeadLetters: true} // Kafka
	bareLog      = async.Traits{Ordered: async.OrderedGroup}
)

// brokers are the simulated ones.
func brokers() map[string]SimulationFunc {
	return map[string]SimulationFunc{
		"leases":   WithQueue(leaseQueue),
		"receipts": WithQueue(receiptQueue),
		"channel":  WithQueue(channelQueue),
		"sessions": WithQueue(sessionQueue),
		"log":      WithLog(3, offsetLog),
		"bare log": WithLog(1, bareLog),
	}
}

// apps are configurations of the engine that every broker can serve.
func apps() map[string]func() App {
	return map[string]func() App{
		"one by one": func() App { return set{}.app() },
		"concurrent": func() App { return set{}.app(async.WithConcurrency(4), async.WithMaxHeld(8)) },
		"hardly any": func() App { return set{}.app(async.WithConcurrency(2), async.WithMaxHeld(2)) },
		"unordered":  func() App { return set{}.app(async.WithConcurrency(8), async.Unordered()) },
		"timeout": func() App {
			return set{}.app(async.WithConcurrency(3), async.WithHandlerTimeout(time.Second), async.WithTries(5))
		},
		"batches": func() App { s := set{}; return s.batches(s.addAll, async.WithBatchSize(4), async.WithConcurrency(2)) },
		"slow batches": func() App {
			s := set{}
			return s.batches(s.addEach, async.WithBatchSize(3), async.WithBatchWait(20*time.Millisecond), async.WithConcurrency(3))
		},
		"failing": func() App {
			s := set{}
			a := s.app(async.WithConcurrency(3), async.WithBackoff(time.Millisecond, 200*time.Millisecond), async.WithFailureStrategy(async.AckStrategy))
			a.Handler = func() async.ProcessorFunc { return s.poisoned }
			return a
		},
		"one try": func() App { return set{}.app(async.WithTries(1), async.WithConcurrency(2)) },
	}
}

// special are configurations that only some brokers can serve.
func special() map[string]struct {
	broker SimulationFunc
	app    func() App
} {
	type pair = struct {
		broker SimulationFunc
		app    func() App
	}
	failing := func(oo ...async.OptionFunc) App {
		s := set{}
		a := s.app(oo...)
		a.Handler = func() async.ProcessorFunc { return s.poisoned }
		return a
	}
	return map[string]pair{
		"delays": {WithQueue(channelQueue), func() App {
			return failing(async.WithDelays(time.Second, 5*time.Second), async.Unordered(), async.WithConcurrency(3))
		}},
		"delayed receipts": {WithQueue(receiptQueue), func() App { return failing(async.WithDelays(time.Second), async.WithTries(1)) }},
		"lanes stop":       {WithQueue(leaseQueue), func() App { return failing(async.StopLaneOnDead(), async.WithConcurrency(3)) }},
		"lanes of a log stop": {WithLog(2, offsetLog), func() App {
			return failing(async.StopLaneOnDead(), async.WithConcurrency(3))
		}},
		"nack":        {WithQueue(sessionQueue), func() App { return failing(async.WithFailureStrategy(async.NackStrategy), async.WithConcurrency(2)) }},
		"nack a log":  {WithLog(2, bareLog), func() App { return failing(async.WithFailureStrategy(async.NackStrategy), async.WithConcurrency(2)) }},
		"exit":        {WithQueue(sessionQueue), func() App { return failing(async.WithConcurrency(2)) }},
		"exit at log": {WithLog(2, bareLog), func() App { return failing(async.WithConcurrency(4)) }},
		"on dead": {WithQueue(leaseQueue), func() App {
			s := set{}
			a := failing(async.WithConcurrency(2), async.WithOnDead(func(ctx context.Context, m *async.Message, _ error) error {
				if err := Point(ctx, "tell"); err != nil {
					return err
				}
				s["dead "+m.ID] = true
				return nil
			}))
			a.State = func() any { return s }
			return a
		}},
	}
}

// TestTheEngineKeepsItsPromises simulates the real engine in all its configurations, over all brokers, with every fault there is.
func TestTheEngineKeepsItsPromises(t *testing.T) {
	t.Parallel()
	n := *steps
	switch {
	case testing.Short():
		n = min(n, 20_000)
	case raceDetector:
		n /= 5 // scripts/test makes all of them without it
	}
	everything := WithFaults(append(Faults(), HandlerFaults()...)...)
	each := n / (len(brokers())*len(apps()) + len(special()))
	for broker, with := range brokers() {
		for name, app := range apps() {
			t.Run(broker+"/"+name, func(t *testing.T) {
				t.Parallel()
				Simulate(t, 1, app, with, everything, WithGenerator(20, anyMessage), WithHistories(1), WithSteps(each))
			})
		}
	}
	for name, pair := range special() {
		t.Run("special/"+name, func(t *testing.T) {
			t.Parallel()
			with := everything
			if name == "on dead" {
				with = WithFaults(Faults()...) // else more is dead than without faults, and told of
			}
			Simulate(t, 1, pair.app, pair.broker, with, WithGenerator(20, anyMessage), WithHistories(1), WithSteps(each))
		})
	}
}

func TestTheSameSeedGivesTheSameHistory(t *testing.T) {
	t.Parallel()
	everything := WithFaults(append(Faults(), HandlerFaults()...)...)
	histories := 8
	if testing.Short() || raceDetector {
		histories = 2
	}
	for broker, with := range brokers() {
		for name, app := range apps() {
			t.Run(broker+"/"+name, func(t *testing.T) {
				t.Parallel()
				var digests []uint64
				for _, seed := range []uint64{7, 7, 8} {
					s, err := newSimulation(seed, app, []SimulationFunc{with, everything, WithGenerator(20, anyMessage), WithHistories(histories)})
					if err != nil {
						t.Fatal(err)
					}
					digests = append(digests, s.run(t).Digest)
				}
				if digests[0] != digests[1] {
					t.Errorf("seed 7 gave two histories: digests %x and %x", digests[0], digests[1])
				}
				if digests[0] == digests[2] {
					t.Errorf("seeds 7 and 8 gave one history: digest %x", digests[0])
				}
			})
		}
	}
}
