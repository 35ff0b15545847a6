package asynctest

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

func TestSimulationsThatMakeNoSenseAreSaid(t *testing.T) {
	t.Parallel()
	good := func() App { return set{}.app() }
	for want, c := range map[string]struct {
		app func() App
		oo  []SimulationFunc
	}{
		"the function that makes the app is nil":                      {nil, nil},
		"want either App.Handler or App.Batch":                        {func() App { return App{} }, nil},
		"concurrency 0: want at least 1":                              {func() App { return set{}.app(async.WithConcurrency(0)) }, nil},
		"option 0 is nil":                                             {good, []SimulationFunc{nil}},
		"histories 0: want at least 1":                                {good, []SimulationFunc{WithHistories(0)}},
		"steps -1: want at least 1":                                   {good, []SimulationFunc{WithSteps(-1)}},
		"history -1: want at least 0":                                 {good, []SimulationFunc{WithHistory(-1)}},
		"0 messages: want 1 to 200":                                   {good, []SimulationFunc{WithMessages()}},
		"message 1 is nil":                                            {good, []SimulationFunc{WithMessages(&async.Message{}, nil)}},
		`message 1: ID "a" for the second time`:                       {good, []SimulationFunc{WithMessages(&async.Message{ID: "a"}, &async.Message{ID: "a"})}},
		"201 messages: want 1 to 200":                                 {good, []SimulationFunc{WithGenerator(201, anyMessage)}},
		"generator: function is nil":                                  {good, []SimulationFunc{WithGenerator(1, nil)}},
		"queue: a queue gives messages again: want Redelivers":        {good, []SimulationFunc{WithQueue(async.Traits{})}},
		"visibility 1ns: want an even number of milliseconds":         {good, []SimulationFunc{WithQueue(async.Traits{Redelivers: true, Visibility: 1})}},
		"volatile: what dies with its process cannot survive a death": {good, []SimulationFunc{WithQueue(async.Traits{Redelivers: true, Volatile: true})}},
		"9 receivers: want 0 to 8":                                    {good, []SimulationFunc{WithQueue(async.Traits{Redelivers: true, Receivers: 9})}},
		"log: 0 partitions: want 1 to 100":                            {good, []SimulationFunc{WithLog(0, offsetLog)}},
		"order none: want group":                                      {good, []SimulationFunc{WithLog(1, async.Traits{})}},
		"a log gives nothing again while its consumer lives":          {good, []SimulationFunc{WithLog(1, leaseQueue)}},
		"fault 200: want one of Faults or HandlerFaults":              {good, []SimulationFunc{WithFaults(200)}},
		"no faults: want at least one":                                {good, []SimulationFunc{WithFaults()}},
		"delays [1s]: they break the order of this source":            {func() App { return set{}.app(async.WithDelays(time.Second)) }, nil},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := newSimulation(1, c.app, c.oo)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "asynctest: simulation: ") {
				t.Errorf("got %v, want an error that says %q", err, want)
			}
		})
	}
}

func TestFaultsHaveNames(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, f := range append(Faults(), HandlerFaults()...) {
		if name := f.String(); seen[name] || strings.HasPrefix(name, "unknown") {
			t.Errorf("fault %d is named %q", f, name)
		}
		seen[f.String()] = true
	}
	if len(seen) != 13 || Fault(200).String() != "unknown fault" {
		t.Errorf("got %d faults and %s, want 13 and unknown fault", len(seen), Fault(200))
	}
}

func TestAHistoryIsRepeatedByItsNumber(t *testing.T) {
	t.Parallel()
	forgetful := func() App {
		total := 0
		return App{
			Handler: func() async.ProcessorFunc {
				return func(ctx context.Context, _ *async.Message) error {
					if err := Point(ctx, "count"); err != nil {
						return err
					}
					total++
					return nil
				}
			},
			State: func() any { return total },
		}
	}
	for seed := range uint64(3) {
		text := SimulationText(t, seed, forgetful)
		_, number, _ := strings.Cut(text, "history ")
		number, _, _ = strings.Cut(number, ",")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if again := SimulationText(t, seed, forgetful, WithHistory(n)); again != text {
			t.Errorf("history %d of seed %d is another one by itself: got\n%s\nwant\n%s", n, seed, again, text)
		}
	}
}

func TestAHandlerThatIsRandomIsSaidToBe(t *testing.T) {
	t.Parallel()
	runs := 0 // what no history knows
	text := SimulationText(t, 1, func() App {
		runs++
		total, odd := 0, runs
		return App{
			Handler: func() async.ProcessorFunc { return func(context.Context, *async.Message) error { total++; return nil } },
			State:   func() any { return odd },
		}
	})
	if !strings.Contains(text, "the state is another one") {
		t.Errorf("got %q, want it to say that the state is another one", text)
	}

	var first bool
	text = SimulationText(t, 1, func() App {
		odd := false
		return App{
			Handler: func() async.ProcessorFunc {
				return func(_ context.Context, m *async.Message) error {
					if !first && m.Deliveries > 1 {
						first, odd = true, true
					}
					return nil
				}
			},
			State: func() any { return odd },
		}
	})
	if !strings.Contains(text, "It does not fail when it is repeated") {
		t.Errorf("got %q, want it to say that it does not fail again", text)
	}
}

func TestPartialEffectsAreFound(t *testing.T) {
	t.Parallel()
	// Two effects, of which the first is not undone when the process dies before the second, and is not repeated either.
	text := SimulationText(t, 1, func() App {
		from, to := make(map[string]bool), make(map[string]bool)
		return App{
			Handler: func() async.ProcessorFunc {
				return func(ctx context.Context, m *async.Message) error {
					if from[m.ID] {
						return nil
					}
					if err := Point(ctx, "take"); err != nil {
						return err
					}
					from[m.ID] = true
					if err := Point(ctx, "give"); err != nil {
						return err
					}
					to[m.ID] = true
					return nil
				}
			},
			State: func() any { return []map[string]bool{from, to} },
		}
	})
	for _, part := range []string{"effects are those of a faultless run", "does take of m"} {
		if !strings.Contains(text, part) {
			t.Errorf("got %q, want it to say %q", text, part)
		}
	}
}

func TestAMessageThatIsDeadOnlyWithFaultsIsFound(t *testing.T) {
	t.Parallel()
	// The store refuses what it has already, as one with a unique index does, and the handler takes that for a failure.
	text := SimulationText(t, 1, func() App {
		rows := make(set)
		a := rows.app()
		a.Handler = func() async.ProcessorFunc {
			return func(ctx context.Context, m *async.Message) error {
				if rows[m.ID] {
					return reliability.Permanent(errPoison)
				}
				return rows.add(ctx, m)
			}
		}
		return a
	})
	if !strings.Contains(text, "is dead, but not without faults: poison") {
		t.Errorf("got %q, want it to say what is dead", text)
	}
}

func TestTheGeneratorDrawsFromItsSeed(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) string {
		var b strings.Builder
		r := rand.New(rand.NewPCG(seed, 0))
		for i := range 20 {
			b.Write(anyMessage(r, i).Key)
		}
		return b.String()
	}
	first, again, other := draw(1), draw(1), draw(2)
	if first != again || first == other {
		t.Errorf("got keys %q, %q and %q, want the first two alike", first, again, other)
	}
}
