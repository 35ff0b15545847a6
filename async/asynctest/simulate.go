package asynctest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest/internal/simtest"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
)

// App is a service in one history of [Simulate], over a store that survives the deaths of its processes. Either Handler or Batch is set.
type App struct {
	// Handler makes the handler of one process, as the start of the service does. What it closes over is the store; what it makes dies with the process.
	Handler func() async.ProcessorFunc
	// Batch does the same for a component of async.NewBatch.
	Batch func() async.BatchFunc
	// Options are those of the component.
	Options []async.OptionFunc
	// State returns what the service has done in the end: the contents of the store, as any value that reflect.DeepEqual can compare and that is printed
	// with %+v. It must not depend on the order of what has no order, and hold no IDs or times that differ from run to run. Without it effects are not
	// compared.
	State func() any
}

// Simulate plays random histories of a service: the real engine with its options, and the user's handler, over a simulated broker in virtual time. Messages
// are delivered again, claims are revoked and lost, settlements fail or are carried out without an answer, connections break, handlers are slow, the process
// is stopped, and dies: between any two of receive, effect, dead letter and settlement, and in the middle of the handler at each [Point].
//
// After and during each history it checks that
//
//   - nothing is lost: each message was processed, or is a dead letter, or is kept as the strategy says;
//   - a message is settled after its effect;
//   - the messages of a key are handed out in the order in which they were published, one at a time, where the source is ordered;
//   - no message is handed out or settled after its claim ended;
//   - attempts are counted, and those that are given back are not;
//   - effects are those of a faultless run: App.State is what it is when the same messages are processed without faults;
//   - the service goes on, and ends when it is stopped.
//
// A handler does not fail unless it fails by itself: the simulation only adds such failures if [WithFaults] names them. A message that is a dead letter
// because of them is left out of the faultless run it is compared with; one that is a dead letter because of what the handler said must be one in the
// faultless run, too.
//
// app is called for each history, and again for its faultless run, and makes a store of its own. The test fails with the shortest failing history that was
// found: the seed, its number, what happened step by step, and which property did not hold. The same seed gives the same histories, if the handler does
// nothing that is random: it should draw nothing from the machine's clock (within the history time.Now is virtual), start no goroutines that call Point
// at the same time, and end when its context does.
//
// Simulate runs its histories in bubbles of testing/synctest, so it cannot be called within one.
func Simulate(t *testing.T, seed uint64, app func() App, oo ...SimulationFunc) {
	t.Helper()
	s, err := newSimulation(seed, app, oo)
	if err != nil {
		t.Fatal(err)
	}
	r := s.run(t)
	if r.Failure != "" {
		t.Fatal("asynctest: simulation: " + r.Failure)
	}
	t.Logf("simulated %d histories of %d steps, with %s", r.Histories, r.Steps, faultCounts(r.Faults))
}

// Point is a place between two effects of a handler, at which its process may die, its claim end, or its store fail. Call it just before each effect on what
// survives the process, best in the fake of the store, and name the effect:
//
//	func (l *ledger) Add(ctx context.Context, account string, amount int) error {
//		if err := asynctest.Point(ctx, "add"); err != nil {
//			return err
//		}
//		l.balances[account] += amount
//		return nil
//	}
//
// In a process that dies Point does not return before the history is judged. An error says that the effect must not happen: the context has ended, or the
// store fails, which it only does if [WithFaults] asked for it. Without a simulation it returns nil, or the cause of the end of ctx.
//
// ctx is that of the handler, or of the function of async.WithOnDead. Before and after the handler there are points in any case.
func Point(ctx context.Context, name string) error { return simtest.Point(ctx, name) }

// SimulationFunc sets one option of a simulation. It checks its value.
type SimulationFunc func(*simulation) error

type simulation struct {
	config    simtest.Config
	first     int
	histories int
	steps     int
}

// WithHistories sets how many histories are played. The default is 200.
func WithHistories(n int) SimulationFunc {
	return func(s *simulation) error {
		if n < 1 {
			return fmt.Errorf("histories %d: want at least 1", n)
		}
		s.histories = n
		return nil
	}
}

// WithSteps makes the simulation go on until so many steps of the broker and of handlers were made, even if that takes more histories.
func WithSteps(n int) SimulationFunc {
	return func(s *simulation) error {
		if n < 1 {
			return fmt.Errorf("steps %d: want at least 1", n)
		}
		s.steps = n
		return nil
	}
}

// WithHistory plays history n of the seed and no other, as the report of a failure says.
func WithHistory(n int) SimulationFunc {
	return func(s *simulation) error {
		if n < 0 {
			return fmt.Errorf("history %d: want at least 0", n)
		}
		s.first, s.histories, s.steps = n, 1, 0
		return nil
	}
}

// WithMessages makes each history one of the first of these messages, one to all of them. They are published in this order. An empty ID becomes m1, m2 and
// so on.
func WithMessages(mm ...*async.Message) SimulationFunc {
	return func(s *simulation) error {
		ids := make(map[string]bool)
		for i, m := range mm {
			switch {
			case m == nil:
				return fmt.Errorf("message %d is nil", i)
			case m.ID != "" && ids[m.ID]:
				return fmt.Errorf("message %d: ID %q for the second time", i, m.ID)
			}
			ids[m.ID] = true
		}
		return s.generate(len(mm), func(_ *rand.Rand, i int) *async.Message { return mm[i].Clone() })
	}
}

// WithGenerator makes each history one of one to most messages, message i of them by generate, which draws from r alone. An empty ID becomes m1, m2 and so on.
// The default is up to 12 messages with the keys a, b and c, and none, and JSON data {"n":i}.
func WithGenerator(most int, generate func(r *rand.Rand, i int) *async.Message) SimulationFunc {
	return func(s *simulation) error {
		if generate == nil {
			return errors.New("generator: function is nil")
		}
		return s.generate(most, generate)
	}
}

func (s *simulation) generate(most int, generate func(r *rand.Rand, i int) *async.Message) error {
	if most < 1 || most > simtest.MaxMessages {
		return fmt.Errorf("%d messages: want 1 to %d", most, simtest.MaxMessages)
	}
	s.config.Most, s.config.Message = most, generate
	return nil
}

// WithQueue simulates a queue that gives messages again (Redelivers): its claims are leases of messages or runs of a key where it has a Visibility or
// order among consumers, else they belong to the connection. The default is one with order among consumers, a visibility of 30 s and dead letters.
func WithQueue(t async.Traits) SimulationFunc {
	return func(s *simulation) error {
		var errs []error
		if !t.Redelivers {
			errs = append(errs, errors.New("a queue gives messages again: want Redelivers"))
		}
		if t.Visibility < 0 || t.Visibility%(2*time.Millisecond) != 0 {
			errs = append(errs, fmt.Errorf("visibility %v: want an even number of milliseconds", t.Visibility))
		}
		s.config.Traits, s.config.Partitions = t, 0
		return prefixed("queue", append(errs, checkTraits(t)))
	}
}

// WithLog simulates a log with offsets, which are committed as far as everything before them is settled, and with claims that are partitions in an epoch:
// what is not settled is given again when the claim has ended. It is ordered among consumers.
func WithLog(partitions int, t async.Traits) SimulationFunc {
	return func(s *simulation) error {
		var errs []error
		if partitions < 1 || partitions > 100 {
			errs = append(errs, fmt.Errorf("%d partitions: want 1 to 100", partitions))
		}
		if t.Ordered != async.OrderedGroup {
			errs = append(errs, fmt.Errorf("order %s: want %s", t.Ordered, async.OrderedGroup))
		}
		if t.Redelivers || t.Visibility != 0 || t.MaxDelay != 0 {
			errs = append(errs, errors.New("a log gives nothing again while its consumer lives, and has neither visibility nor delay"))
		}
		s.config.Traits, s.config.Partitions = t, partitions
		return prefixed("log", append(errs, checkTraits(t)))
	}
}

func checkTraits(t async.Traits) error {
	var errs []error
	if t.Volatile {
		errs = append(errs, errors.New("volatile: what dies with its process cannot survive a death"))
	}
	if t.Ordered > async.OrderedGroup {
		errs = append(errs, fmt.Errorf("order %d: want OrderedNone, OrderedProcess or OrderedGroup", t.Ordered))
	}
	if t.Receivers < 0 || t.Receivers > simtest.MaxReceivers {
		errs = append(errs, fmt.Errorf("%d receivers: want 0 to %d", t.Receivers, simtest.MaxReceivers))
	}
	return errors.Join(errs...)
}

func prefixed(what string, errs []error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// WithFaults chooses what goes wrong. The default is [Faults].
func WithFaults(ff ...Fault) SimulationFunc {
	return func(s *simulation) error {
		s.config.Faults = nil
		for _, f := range ff {
			if !simtest.Fault(f).Valid() {
				return fmt.Errorf("fault %d: want one of Faults or HandlerFaults", f)
			}
			s.config.Faults = append(s.config.Faults, simtest.Fault(f))
		}
		if len(ff) == 0 {
			return errors.New("no faults: want at least one")
		}
		return nil
	}
}

func newSimulation(seed uint64, app func() App, oo []SimulationFunc) (*simulation, error) {
	if app == nil {
		return nil, errors.New("asynctest: simulation: the function that makes the app is nil")
	}
	s := &simulation{histories: 200, config: simtest.Config{
		Seed: seed, Most: 12, Message: anyMessage, Faults: simtest.Faults(false), Context: background(),
		Traits: async.Traits{
			Ordered: async.OrderedGroup, Redelivers: true, DeadLetters: true, CountsDeliveries: true,
			Visibility: 30 * time.Second, MaxDelay: time.Hour, StopWait: 100 * time.Millisecond,
		},
	}}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(s))
	}
	first := app()
	if (first.Handler == nil) == (first.Batch == nil) {
		errs = append(errs, errors.New("want either App.Handler or App.Batch"))
	}
	s.config.App = func() simtest.App { return simtest.App(app()) }
	if len(errs) == 0 || errors.Join(errs...) == nil {
		errs = append(errs, s.config.Check())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("asynctest: simulation: %w", err)
	}
	return s, nil
}

func (s *simulation) run(t *testing.T) simtest.Report {
	t.Helper()
	return s.config.Run(t, s.first, s.histories, s.steps)
}

// background returns what makes the context of a process: its telemetry and log go nowhere.
func background() func() context.Context {
	ctx := trace.WithTelemetry(context.Background(), trace.NewTelemetry(nil, nil, metric.NewRegistry()))
	ctx = plog.WithContext(ctx, plog.New(plog.JSON(io.Discard, nil)))
	return func() context.Context { return ctx }
}

// anyMessage is the default generator.
func anyMessage(r *rand.Rand, i int) *async.Message {
	m := &async.Message{Data: fmt.Appendf(nil, `{"n":%d}`, i)}
	if key := r.IntN(4); key > 0 {
		m.Key = []byte{"abc"[key-1]}
	}
	return m
}

func faultCounts(counts map[simtest.Fault]int) string {
	var parts []string
	for _, f := range simtest.Faults(true) {
		if n := counts[f]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", f, n))
		}
	}
	if len(parts) == 0 {
		return "no faults"
	}
	return strings.Join(parts, ", ")
}

// Fault is what goes wrong in a simulation.
type Fault uint8

// The faults of broker, network and machine.
const (
	Death           = Fault(simtest.Death)           // the process ends without another word
	Stop            = Fault(simtest.Stop)            // it is stopped in good order, and started again
	Disconnect      = Fault(simtest.Disconnect)      // the connection to the broker is lost, or does not come about
	Revoke          = Fault(simtest.Revoke)          // a claim is taken away in good order, with a deadline
	Lose            = Fault(simtest.Lose)            // a claim is gone without notice
	Expire          = Fault(simtest.Expire)          // the visibility of a message runs out while it is worked on
	SettleFails     = Fault(simtest.SettleFails)     // one settlement fails
	AnswerLost      = Fault(simtest.AnswerLost)      // one settlement is carried out, and said to have failed
	DeadLetterFails = Fault(simtest.DeadLetterFails) // a dead letter cannot be written
	Slow            = Fault(simtest.Slow)            // a handler takes up to a minute and a half
)

// The failures of handlers, for [WithFaults]. They come before the handler or at a [Point], so that what comes before them has happened.
const (
	FailTransient = Fault(simtest.FailTransient) // an error that might not come again
	FailPermanent = Fault(simtest.FailPermanent) // one that would
	Panic         = Fault(simtest.Panic)         // before the handler
)

// String returns the name in lower case.
func (f Fault) String() string { return simtest.Fault(f).String() }

// Faults returns those of broker, network and machine, which are the default of [WithFaults].
func Faults() []Fault { return faultsOf(simtest.Faults(false)) }

// HandlerFaults returns the failures of handlers: WithFaults(append(Faults(), HandlerFaults()...)...) is everything.
func HandlerFaults() []Fault {
	return slices.DeleteFunc(faultsOf(simtest.Faults(true)), func(f Fault) bool { return slices.Contains(Faults(), f) })
}

func faultsOf(ff []simtest.Fault) []Fault {
	out := make([]Fault, len(ff))
	for i, f := range ff {
		out[i] = Fault(f)
	}
	return out
}
