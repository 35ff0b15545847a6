package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/inbox"
	"github.com/beatlabs/patron/async/memory"
	psql "github.com/beatlabs/patron/async/sql"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace/tracetest"
)

func newGuard(t *testing.T, store inbox.Store, oo ...inbox.OptionFunc) *inbox.Guard {
	t.Helper()
	g, err := inbox.NewGuard("orders", store, oo...)
	if err != nil {
		t.Fatalf("NewGuard: %v", err)
	}
	return g
}

// rig runs components on one queue of a broker that outlives them.
type rig struct {
	t      *testing.T
	broker *memory.Broker
	rec    *tracetest.Recorder
}

func newRig(t *testing.T, oo ...memory.OptionFunc) *rig {
	t.Helper()
	b, err := memory.New(append(oo, memory.WithoutDrain())...)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, broker: b, rec: tracetest.New()}
}

// run starts a component, and returns it and what ends it.
func (r *rig) run(g async.Deduplicator, proc async.ProcessorFunc, oo ...async.OptionFunc) (*async.Component, func()) {
	r.t.Helper()
	c, err := async.New("orders", r.broker.Consumer("q"), proc, append(oo, async.WithDeduplication(g))...)
	if err != nil {
		r.t.Fatalf("New: %v", err)
	}
	ctx, stop := context.WithCancel(component.WithGrace(r.rec.Context(r.t.Context()), time.Second, nil))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return c, func() {
		stop()
		if err := <-done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}
}

func (r *rig) send(ids ...string) {
	r.t.Helper()
	for _, id := range ids { // keys apart: copies of one message in one lane would wait for each other anyway
		m := &async.Message{ID: id, Key: []byte(strconv.Itoa(rand.Int())), Data: []byte(id)}
		if err := r.broker.Producer("q").Send(r.t.Context(), m); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) wants(outcome string, want float64) {
	r.t.Helper()
	if got := r.rec.Metric("patron_consumer_messages_total", "patron_outcome", outcome); got != want {
		r.t.Errorf("%s: got %v, want %v", outcome, got, want)
	}
}

func (r *rig) empty() {
	r.t.Helper()
	if n, dead := r.broker.Len("q"), len(r.broker.DeadLetters("q")); n != 0 || dead != 0 {
		r.t.Errorf("%d messages and %d dead letters are left, want none", n, dead)
	}
}

func TestACopyOfWhatIsDoneIsTakenOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		effects := 0
		_, stop := r.run(newGuard(t, newMemory(t, 10)), func(context.Context, *async.Message) error { effects++; return nil })
		r.send("1", "1", "2", "1")
		time.Sleep(time.Second)
		stop()
		if effects != 2 {
			t.Errorf("got %d effects, want 2", effects)
		}
		r.wants("processed", 2)
		r.wants("duplicate", 2)
		r.empty()
	})
}

func TestAMessageWithoutAnIDIsADeadLetterAndNoGuess(t *testing.T) {
	t.Parallel()
	sqlInbox, err := inbox.New("orders", psql.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]async.Deduplicator{"guard": newGuard(t, newMemory(t, 10)), "inbox": sqlInbox} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			middleware, err := d.Deduplicate(async.Plan{})
			if err != nil {
				t.Fatal(err)
			}
			err = middleware(func(context.Context, *async.Message) error {
				t.Error("the handler was started")
				return nil
			})(t.Context(), &async.Message{Data: []byte("x"), Source: &async.Source{Name: "q", Partition: -1}})
			if !errors.Is(err, inbox.ErrNoID) || err.Error() != "inbox: message without an ID of q: its publisher must give it one" {
				t.Errorf("got %v, want ErrNoID", err)
			}
		})
	}
}

// While one process works on it, the copy in another one is neither processed nor taken off; when the first one fails, the copy has its turn.
func TestACopyWaitsWhileTheFirstIsInFlight(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"and is taken off when that is done": false, "and is processed when that failed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				store := newMemory(t, 10)
				var running, effects, starts atomic.Int64
				process := func(context.Context, *async.Message) error {
					if running.Add(1) > 1 {
						t.Error("both are processed at the same time")
					}
					defer running.Add(-1)
					time.Sleep(5 * time.Minute) // many leases
					if starts.Add(1) == 1 && fails {
						return errors.New("failed")
					}
					effects.Add(1)
					return nil
				}
				_, stop1 := r.run(newGuard(t, store), process, async.WithTries(1), async.WithMaxHeld(1))
				_, stop2 := r.run(newGuard(t, store), process, async.WithTries(1), async.WithMaxHeld(1))
				r.send("1", "1")
				time.Sleep(time.Hour)
				stop1()
				stop2()
				if effects.Load() != 1 {
					t.Errorf("got %d effects, want 1", effects.Load())
				}
				if got := len(r.broker.DeadLetters("q")); fails && got != 1 || !fails && got != 0 {
					t.Errorf("got %d dead letters, with a failure: %t", got, fails)
				}
				r.wants("failed", map[bool]float64{false: 0, true: 1}[fails])
				if r.rec.Metric("patron_consumer_messages_total", "patron_outcome", "postponed") < 250 {
					t.Error("the copy was not asked again each second")
				}
			})
		})
	}
}

func TestAFailedMessageIsTriedAgainAtOnceAndADeadOneCanBeReplayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var fixed atomic.Bool
		var starts atomic.Int64
		c, stop := r.run(newGuard(t, newMemory(t, 10)), func(context.Context, *async.Message) error {
			starts.Add(1)
			if !fixed.Load() {
				if starts.Load() == 2 {
					panic("panics let go, too")
				}
				return errors.New("broken")
			}
			return nil
		})
		r.send("1")
		time.Sleep(time.Second)
		if got := len(r.broker.DeadLetters("q")); got != 1 || starts.Load() != 3 {
			t.Fatalf("got %d dead letters after %d starts, want 1 after 3", got, starts.Load())
		}
		fixed.Store(true)
		letters, _ := c.DeadLetters()
		for range 2 { // one that was interrupted and run again
			if _, err := async.Replay(t.Context(), letters, r.broker.Producer("q")); err != nil {
				t.Fatal(err)
			}
		}
		r.send("1")
		time.Sleep(time.Second)
		stop()
		if starts.Load() != 4 {
			t.Errorf("got %d starts, want one more", starts.Load())
		}
		r.wants("duplicate", 1)
		r.wants("postponed", 0)
		r.empty()
	})
}

func TestAStoreThatIsDownLosesNothingAndSpendsNoAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var down atomic.Bool
		down.Store(true)
		fail := func() error {
			if down.Load() {
				return errDown
			}
			return nil
		}
		var effects atomic.Int64
		c, stop := r.run(newGuard(t, &broken{Store: newMemory(t, 10), begin: fail}), func(_ context.Context, m *async.Message) error {
			effects.Add(1)
			if m.Attempt != 1 {
				t.Errorf("attempt %d, want 1", m.Attempt)
			}
			return nil
		})
		r.send("1", "2")
		time.Sleep(10 * time.Minute)
		if err := c.Check(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("Check: got %v, want it to say that the store is down", err)
		}
		down.Store(false)
		time.Sleep(2 * time.Second)
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("Check afterwards: got %v", err)
		}
		stop()
		if effects.Load() != 2 {
			t.Errorf("got %d effects, want 2", effects.Load())
		}
		r.empty()
	})
}

// The store is lost while the handler runs: its lease cannot be kept, so it ends, and is started again when the store is back.
func TestALeaseThatCannotBeKeptEndsTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var down atomic.Bool
		fail := func() error {
			if down.Load() {
				return errDown
			}
			return nil
		}
		var starts, effects atomic.Int64
		_, stop := r.run(newGuard(t, &broken{Store: newMemory(t, 10), begin: fail, extend: fail, abandon: fail}), func(ctx context.Context, m *async.Message) error {
			if m.Attempt != 1 {
				t.Errorf("attempt %d, want 1", m.Attempt)
			}
			if starts.Add(1) == 1 {
				down.Store(true)
				began := time.Now()
				<-ctx.Done()
				if took := time.Since(began); !errors.Is(context.Cause(ctx), async.ErrLost) || took > inbox.DefaultLease {
					t.Errorf("after %v: got cause %v, want ErrLost by %v", took, context.Cause(ctx), inbox.DefaultLease)
				}
				return ctx.Err()
			}
			effects.Add(1)
			return nil
		}, async.WithTries(1))
		r.send("1")
		time.Sleep(time.Hour)
		down.Store(false)
		time.Sleep(time.Minute)
		stop()
		if effects.Load() != 1 {
			t.Errorf("got %d effects, want 1", effects.Load())
		}
		r.empty()
	})
}

// To process it again would be sure to have the effect twice.
func TestWhatCannotBeNotedAsDoneIsDoneAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		tries := 0
		var effects atomic.Int64
		store := &broken{Store: newMemory(t, 10), done: func() error { tries++; return errDown }}
		_, stop := r.run(newGuard(t, store), func(context.Context, *async.Message) error { effects.Add(1); return nil })
		r.send("1")
		time.Sleep(time.Hour)
		stop()
		if effects.Load() != 1 || tries != 3 {
			t.Errorf("got %d effects and %d tries to note it, want 1 and 3", effects.Load(), tries)
		}
		r.wants("processed", 1)
		r.empty()
	})
}

func TestAStopInFlightLetsTheNextOneBeginAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		store := newMemory(t, 10)
		_, stop := r.run(newGuard(t, store), func(ctx context.Context, _ *async.Message) error { <-ctx.Done(); return ctx.Err() })
		r.send("1")
		time.Sleep(time.Second)
		stop()
		began := time.Now()
		done := make(chan time.Duration, 1)
		_, stop = r.run(newGuard(t, store), func(_ context.Context, m *async.Message) error {
			done <- time.Since(began)
			if m.Attempt != 1 {
				t.Errorf("attempt %d, want 1", m.Attempt)
			}
			return nil
		})
		if took := <-done; took > time.Second {
			t.Errorf("the next one began after %v", took)
		}
		stop()
	})
}

// Messages come again, claims are lost, handlers fail at random, on three processes: an effect that was completed is never repeated.
func TestEffectsHappenOnceUnderEverythingThatIsNoCrash(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const messages = 60
				r := newRig(t, memory.WithVisibility(10*time.Second))
				if err := r.broker.Inject(memory.Fault{Op: memory.OpSettleOne, Every: 4, Err: errDown, Unheard: seed%2 == 0},
					memory.Fault{Op: memory.OpExtend, Every: 3, Err: async.ErrLost}); err != nil {
					t.Fatal(err)
				}
				store := newMemory(t, 1000)
				var mu sync.Mutex
				random := rand.New(rand.NewPCG(seed, 2))
				effects := make(map[string]int)
				process := func(ctx context.Context, m *async.Message) error {
					mu.Lock()
					wait, fails := time.Duration(random.IntN(20))*time.Second, random.IntN(3) == 0
					mu.Unlock()
					select {
					case <-time.After(wait):
					case <-ctx.Done():
						return ctx.Err()
					}
					if fails {
						return errors.New("failed")
					}
					mu.Lock()
					defer mu.Unlock()
					effects[m.ID]++
					return nil
				}
				var stops []func()
				for range 3 {
					_, stop := r.run(newGuard(t, store), process, async.WithTries(20), async.WithConcurrency(4))
					stops = append(stops, stop)
				}
				for i := range messages {
					r.send(strconv.Itoa(i), strconv.Itoa(i))
				}
				time.Sleep(2 * time.Hour)
				r.broker.Heal()
				time.Sleep(time.Hour)
				for _, stop := range stops {
					stop()
				}
				for i := range messages {
					if n := effects[strconv.Itoa(i)]; n != 1 {
						t.Errorf("message %d: got %d effects, want 1", i, n)
					}
				}
				r.empty()
			})
		})
	}
}

func TestATTLBelowWhatCanComeLateIsRefused(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	proc := func(context.Context, *async.Message) error { return nil }
	b, err := memory.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		oo   []inbox.OptionFunc
		plan []async.OptionFunc
		want string // "": it may be
	}{
		"defaults":            {nil, nil, ""},
		"below the retention": {[]inbox.OptionFunc{inbox.WithTTL(day)}, nil, "TTL 24h0m0s: want at least 336h0m0s"},
		"no replays":          {[]inbox.OptionFunc{inbox.WithTTL(day), inbox.WithDeadLetterRetention(0)}, nil, ""},
		"delays beyond it": {
			[]inbox.OptionFunc{inbox.WithTTL(15 * day)},
			[]async.OptionFunc{async.Unordered(), async.WithDelays(day, day)},
			"48h0m0.3s of tries",
		},
		"handlers that may take long":   {nil, []async.OptionFunc{async.WithTries(17), async.WithHandlerTimeout(day)}, "of tries"},
		"tries without end, nearly":     {nil, []async.OptionFunc{async.WithTries(1 << 62), async.WithHandlerTimeout(day)}, "of tries"},
		"delays within it":              {nil, []async.OptionFunc{async.Unordered(), async.WithDelays(day, day)}, ""},
		"a TTL of nothing":              {[]inbox.OptionFunc{inbox.WithTTL(0)}, nil, "TTL 0s: want above 0"},
		"a retention of less than that": {[]inbox.OptionFunc{inbox.WithDeadLetterRetention(-1)}, nil, "dead letter retention -1ns: want at least 0"},
		"a nil option":                  {[]inbox.OptionFunc{nil}, nil, "option 0 is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard, err1 := inbox.NewGuard("orders", newMemory(t, 1), tc.oo...)
			in, err2 := inbox.New("orders", psql.PostgreSQL, tc.oo...)
			if (err1 == nil) != (err2 == nil) {
				t.Fatalf("NewGuard: %v, New: %v", err1, err2)
			}
			if err1 == nil {
				_, err1 = async.New("orders", b.Consumer("q"), proc, append(tc.plan, async.WithDeduplication(guard))...)
				_, err2 = async.New("orders", b.Consumer("q"), proc, append(tc.plan, async.WithDeduplication(in))...)
			}
			for _, err := range []error{err1, err2} {
				if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
					t.Errorf("got error %v, want one with %q", err, tc.want)
				}
			}
		})
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 201)
	for want, attempt := range map[string]func() error{
		`consumer "": want a name`:              func() error { _, err := inbox.New("", psql.SQLite); return err },
		`consumer "\xff": want`:                 func() error { _, err := inbox.New("\xff", psql.SQLite); return err },
		`consumer "` + long:                     func() error { _, err := inbox.NewGuard(long, newMemory(t, 1)); return err },
		"store is nil":                          func() error { _, err := inbox.NewGuard("c", nil); return err },
		"dialect unknown dialect 0":             func() error { _, err := inbox.New("c", 0); return err },
		`table "a;b": want letters`:             func() error { _, err := inbox.New("c", psql.MySQL, inbox.WithTable("a;b")); return err },
		`table "": want letters`:                func() error { _, err := inbox.New("c", psql.MySQL, inbox.WithTable("")); return err },
		`table "a.b": SQLite has no schemas`:    func() error { _, err := inbox.New("c", psql.SQLite, inbox.WithTable("a.b")); return err },
		"lease: an inbox in a transaction":      func() error { _, err := inbox.New("c", psql.SQLite, inbox.WithLease(1)); return err },
		"recheck: an inbox in a transaction":    func() error { _, err := inbox.New("c", psql.SQLite, inbox.WithRecheck(1)); return err },
		"table: only for an inbox":              func() error { _, err := inbox.NewGuard("c", newMemory(t, 1), inbox.WithTable("t")); return err },
		"clean interval: only for an inbox":     func() error { _, err := inbox.NewGuard("c", newMemory(t, 1), inbox.WithCleanInterval(1)); return err },
		"clean interval -1ns: want above 0":     func() error { _, err := inbox.New("c", psql.SQLite, inbox.WithCleanInterval(-1)); return err },
		"lease 0s: want above 0":                func() error { _, err := inbox.NewGuard("c", newMemory(t, 1), inbox.WithLease(0)); return err },
		"recheck 0s: want above 0":              func() error { _, err := inbox.NewGuard("c", newMemory(t, 1), inbox.WithRecheck(0)); return err },
		"inbox: cleaner: database is nil":       func() error { return cleanerOfNothing(t) },
		`note message "1" of consumer "c": the`: func() error { return onceOfNothing(t) },
		"*sql.DB is no transaction":             func() error { return newInbox(t).Once(t.Context(), &sql.DB{}, &async.Message{ID: "1"}) },
	} {
		if err := attempt(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func newInbox(t *testing.T) *inbox.Inbox {
	t.Helper()
	in, err := inbox.New("c", psql.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func cleanerOfNothing(t *testing.T) error {
	t.Helper()
	_, err := newInbox(t).Cleaner(nil)
	return err
}

func onceOfNothing(t *testing.T) error {
	t.Helper()
	if err := newInbox(t).Once(t.Context(), nil, &async.Message{}); !errors.Is(err, inbox.ErrNoID) {
		t.Errorf("Once without an ID: got %v, want ErrNoID", err)
	}
	if err := newInbox(t).Once(t.Context(), (*sql.Tx)(nil), &async.Message{ID: "1"}); reliability.Classify(err) != reliability.ClassPermanent {
		t.Errorf("Once in a transaction that is nil: got %v, want a permanent error", err)
	}
	return newInbox(t).Once(t.Context(), nil, &async.Message{ID: "1"})
}

func TestTheSchemaIsText(t *testing.T) {
	t.Parallel()
	for _, d := range []psql.Dialect{psql.PostgreSQL, psql.MySQL, psql.SQLite} {
		in, err := inbox.New("c", d, inbox.WithTable("mine"))
		if err != nil {
			t.Fatal(err)
		}
		text := in.Schema()
		if !strings.HasPrefix(text, "CREATE TABLE IF NOT EXISTS mine (consumer ") || !strings.Contains(text, "mine_version") ||
			!strings.Contains(text, "mine_done_at") || strings.Contains(text, "%!") {
			t.Errorf("%v: got\n%s", d, text)
		}
	}
}

func ExampleNewGuard() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	store, err := inbox.NewMemory(100_000)
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := inbox.NewGuard("mails", store)
	if err != nil {
		fmt.Println(err)
		return
	}
	mails, err := async.New("mails", broker.Consumer("orders"), func(_ context.Context, msg *async.Message) error {
		fmt.Println("mail for order", msg.ID)
		return nil
	}, async.WithDeduplication(guard))
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	for _, id := range []string{"536365", "536366", "536365"} {
		if err := async.Publish(ctx, broker.Producer("orders"), "17850", "an order", async.WithID(id)); err != nil {
			fmt.Println(err)
		}
	}
	stop() // a service does it; the component finishes what is there
	fmt.Println(mails.Run(ctx))
	// Output:
	// mail for order 536365
	// mail for order 536366
	// <nil>
}

func ExampleInbox_Schema() {
	in, err := inbox.New("orders", psql.PostgreSQL)
	if err != nil {
		fmt.Println(err)
		return
	}
	create, _, _ := strings.Cut(in.Schema(), "\n")
	fmt.Println(create)
	// Output:
	// CREATE TABLE IF NOT EXISTS patron_inbox (consumer TEXT NOT NULL, id BYTEA NOT NULL, done_at BIGINT NOT NULL, PRIMARY KEY (consumer, id));
}
