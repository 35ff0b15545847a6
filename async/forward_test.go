package async_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/cloudevents"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/baggage"
)

func newForward(t *testing.T, b *memory.Broker, to async.Producer, oo ...async.OptionFunc) *async.Component {
	t.Helper()
	c, err := async.NewForward("relay", b.Consumer("q"), to, oo...)
	if err != nil {
		t.Fatalf("NewForward: %v", err)
	}
	return c
}

// target is a producer to a broker that keeps what arrives, and does as it is told.
type target struct {
	mu      sync.Mutex
	arrived []*async.Message
	sends   int
	do      func(mm []*async.Message) (stored []bool, err error) // nil: all are stored and confirmed
}

func (p *target) Send(ctx context.Context, mm ...*async.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	time.Sleep(time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sends++
	stored, err := make([]bool, len(mm)), error(nil)
	if p.do != nil {
		stored, err = p.do(mm)
	}
	for i, m := range mm {
		if p.do == nil || stored[i] {
			p.arrived = append(p.arrived, m.Clone())
		}
	}
	return err
}

func (p *target) Close(context.Context) error { return nil }

// set changes what the target does.
func (p *target) set(do func([]*async.Message) ([]bool, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.do = do
}

func (p *target) calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sends
}

func (p *target) ids() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for _, m := range p.arrived {
		ids = append(ids, m.ID)
	}
	return ids
}

// Whatever the producer confirms, loses or leaves open, and in whatever combination: of each key the next message arrives only after the one ahead was
// confirmed, and one comes again only if nobody knew whether it had arrived.
func TestForwardKeepsTheOrderOfAKeyWithAProducerThatFailsAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		for _, concurrency := range []int{1, 4} {
			t.Run(fmt.Sprintf("%d of %d", seed, concurrency), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					const keys, each = 6, 30
					random := rand.New(rand.NewPCG(seed, 1))
					b := newBroker(t)
					confirmed := make(map[string]int)  // key → how many, in order
					open := make(map[string]bool)      // ID → it may have arrived
					failing := errors.New("try again") // transient
					to := &target{}
					note := func(m *async.Message, stored, sure bool) {
						n, err := strconv.Atoi(strings.TrimPrefix(m.ID, string(m.Key)))
						if err != nil {
							t.Error(err)
						}
						if stored && n != confirmed[string(m.Key)] {
							t.Errorf("%s arrives when %d of its key are confirmed (left open before: %t)", m.ID, confirmed[string(m.Key)], open[m.ID])
						}
						if sure {
							confirmed[string(m.Key)] = n + 1
						}
						open[m.ID] = !sure
					}
					to.do = func(mm []*async.Message) ([]bool, error) {
						stored := make([]bool, len(mm))
						whole := random.IntN(6)
						result := &async.BatchError{}
						for i := range mm {
							one := random.IntN(10)
							switch {
							case whole == 0: // nothing arrived
								note(mm[i], false, false)
							case whole == 1: // nobody knows
								stored[i] = one < 5
								note(mm[i], stored[i], false)
							case one == 0:
								note(mm[i], false, false)
								result = result.Add(i, failing)
							case one == 1:
								stored[i] = random.IntN(2) == 0
								note(mm[i], stored[i], false)
								result = result.Add(i, fmt.Errorf("%w: %w", async.ErrUnknown, failing))
							default:
								stored[i] = true
								note(mm[i], true, true)
							}
						}
						switch {
						case whole == 0:
							return stored, failing
						case whole == 1 && random.IntN(2) == 0:
							panic("the client is broken")
						case whole == 1:
							return stored, async.ErrUnknown
						default:
							return stored, result.Err()
						}
					}
					r := start(t, b, newForward(t, b, to, async.WithConcurrency(concurrency), async.WithBatchSize(1+int(seed)%50)), time.Minute)
					for i := range each {
						for k := range keys {
							key := string(rune('a' + k))
							r.send(keyed(key+strconv.Itoa(i), key))
						}
					}
					time.Sleep(time.Hour)

					if err := r.end(); err != nil {
						t.Fatalf("Run: %v", err)
					}
					for key, n := range confirmed {
						if n != each {
							t.Errorf("key %s: %d confirmed, want %d", key, n, each)
						}
					}
					if n := len(b.DeadLetters("q")); n != 0 || len(confirmed) != keys {
						t.Errorf("got %d dead letters and %d keys, want 0 and %d", n, len(confirmed), keys)
					}
				})
			})
		}
	}
}

// What the broker takes off late comes again: then a key begins anew at a message that was confirmed before, and never skips one.
func TestForwardNeverSkipsWhenItsSourceFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const keys, each = 4, 50
		b := newBroker(t)
		if err := b.Inject(memory.Fault{Op: memory.OpSettle, Every: 7, Err: errBroken}, memory.Fault{Op: memory.OpReceive, Every: 11, Err: errBroken}); err != nil {
			t.Fatal(err)
		}
		to := &target{}
		r := start(t, b, newForward(t, b, to, async.WithBatchSize(9), async.WithConcurrency(3)), time.Minute)
		for i := range each {
			for k := range keys {
				key := string(rune('a' + k))
				r.send(keyed(key+strconv.Itoa(i), key))
			}
		}
		time.Sleep(time.Hour)
		b.Heal()
		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		most := make(map[byte]int)
		for _, id := range to.ids() {
			n, err := strconv.Atoi(id[1:])
			if err != nil {
				t.Fatal(err)
			}
			if n > most[id[0]] {
				t.Errorf("%s arrived before %c%d", id, id[0], most[id[0]])
			}
			most[id[0]] = max(most[id[0]], n+1)
		}
		for key, n := range most {
			if n != each {
				t.Errorf("key %c: %d arrived, want %d", key, n, each)
			}
		}
	})
}

func TestForwardTriesForEverAndCheckSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		to := &target{}
		down := errors.New("connection refused")
		to.set(func(mm []*async.Message) ([]bool, error) { return make([]bool, len(mm)), down })
		c := newForward(t, b, to)
		r := start(t, b, c, time.Second)
		r.send(keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"))

		time.Sleep(4 * time.Second)
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("Check after 4s: got %v, want nil", err)
		}
		time.Sleep(10 * time.Minute)
		err := c.Check(t.Context())
		want := `async: component "relay": message "a1" of q (key "a") and 1 more failed for 10m4s, and is tried again: message "a1": connection refused`
		if !errors.Is(err, down) || err.Error() != want {
			t.Errorf("Check:\ngot  %v\nwant %s", err, want)
		}
		if n := len(b.DeadLetters("q")); n != 0 {
			t.Errorf("got %d dead letters, want 0", n)
		}

		to.set(nil)
		time.Sleep(5 * time.Second)
		if got, want := slices.Sorted(slices.Values(to.ids())), []string{"a1", "a2", "b1"}; !slices.Equal(got, want) {
			t.Errorf("5s after the broker is back: got %v, want %v", got, want)
		}
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("Check afterwards: got %v, want nil", err)
		}
		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
	})
}

func TestForwardMakesADeadLetterOnlyOfWhatIsRefusedForGood(t *testing.T) {
	t.Parallel()
	tooLarge := reliability.Permanent(errors.New("too large"))
	for name, do := range map[string]func(mm []*async.Message) ([]bool, error){
		"named": func(mm []*async.Message) ([]bool, error) {
			stored, result := make([]bool, len(mm)), &async.BatchError{}
			for i, m := range mm {
				if stored[i] = m.ID != "a2"; !stored[i] {
					result = result.Add(i, tooLarge)
				}
			}
			return stored, result.Err()
		},
		"all of a call because of one": func(mm []*async.Message) ([]bool, error) {
			stored := make([]bool, len(mm))
			if slices.ContainsFunc(mm, func(m *async.Message) bool { return m.ID == "a2" }) {
				return stored, tooLarge
			}
			for i := range stored {
				stored[i] = true
			}
			return stored, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				to := &target{do: do}
				r := start(t, b, newForward(t, b, to, async.WithBatchWait(time.Second)), time.Second)
				r.send(keyed("a1", "a"), keyed("a2", "a"), keyed("a3", "a"), keyed("b1", "b"), keyed("b2", "b"))
				time.Sleep(time.Minute)

				if err := r.end(); err != nil {
					t.Fatalf("Run: %v", err)
				}
				if got, want := slices.Sorted(slices.Values(to.ids())), []string{"a1", "a3", "b1", "b2"}; !slices.Equal(got, want) {
					t.Errorf("arrived: got %v, want %v", got, want)
				}
				dead := b.DeadLetters("q")
				if len(dead) != 1 || dead[0].ID != "a2" || !strings.Contains(dead[0].Headers.Get(async.HeaderDeadCause), "too large") {
					t.Errorf("dead letters: got %v, want a2 because it is too large", dead)
				}
			})
		})
	}
}

func TestForwardSendsNothingBehindADeadLetterThatIsNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		if err := b.Inject(memory.Fault{Op: memory.OpDeadLetter, Err: errBroken}); err != nil {
			t.Fatal(err)
		}
		to := &target{}
		to.set(func(mm []*async.Message) ([]bool, error) {
			stored, result := make([]bool, len(mm)), &async.BatchError{}
			for i, m := range mm {
				if stored[i] = m.ID != "a1"; !stored[i] {
					result = result.Add(i, reliability.Permanent(errBroken))
				}
			}
			return stored, result.Err()
		})
		r := start(t, b, newForward(t, b, to), time.Second)
		r.send(keyed("a1", "a"), keyed("a2", "a"))
		time.Sleep(time.Minute)
		if got := to.ids(); len(got) != 0 {
			t.Errorf("while the dead letter of a1 is not written: %v arrived", got)
		}
		b.Heal()
		time.Sleep(time.Minute)
		if got := to.ids(); !slices.Equal(got, []string{"a2"}) {
			t.Errorf("afterwards: got %v, want a2", got)
		}
		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
	})
}

// A stop gives back what is not confirmed, in its order, and settles what is.
func TestForwardIsStoppedBetweenTwoMessagesOfAKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		to := &target{}
		to.set(func(mm []*async.Message) ([]bool, error) {
			time.Sleep(time.Second)
			return slices.Repeat([]bool{true}, len(mm)), nil
		})
		r := start(t, b, newForward(t, b, to), 1500*time.Millisecond)
		r.send(keyed("a1", "a"), keyed("a2", "a"), keyed("a3", "a"), keyed("b1", "b"))
		synctest.Wait()
		if err := r.end(); err != nil {
			t.Fatalf("Run: %v", err)
		}
		first := to.ids()
		var left []string
		for _, m := range b.Messages("q") {
			left = append(left, m.ID)
			if m.Attempt > 1 {
				t.Errorf("%s: got attempt %d, want none spent", m.ID, m.Attempt)
			}
		}
		all := slices.Concat(first, left)
		slices.Sort(all)
		if len(left) == 0 || len(slices.Compact(all)) != 4 || !slices.IsSorted(left) {
			t.Errorf("arrived %v, left %v: want all four, some of them left, in their order", first, left)
		}
	})
}

func TestADrainThatCannotForwardEndsWithTheGracePeriodAndDoesNotSpin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		to := &target{}
		to.set(func(mm []*async.Message) ([]bool, error) { return make([]bool, len(mm)), errBroken })
		r := start(t, b, newForward(t, b, to), 10*time.Second)
		r.send(keyed("a1", "a"), keyed("b1", "b"))
		time.Sleep(time.Minute)
		before := to.calls()
		err := r.end()
		if err == nil || !strings.Contains(err.Error(), "2 messages left") {
			t.Errorf("Run: got %v, want it to say that 2 messages are left", err)
		}
		if n := to.calls() - before; n > 300 {
			t.Errorf("%d sends in 10s of drain", n)
		}
	})
}

func TestForwardChangesNothing(t *testing.T) {
	t.Parallel()
	for name, events := range map[string]bool{"a message": false, "a CloudEvent": true, "a message that becomes a CloudEvent on the way": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rec := tracetest.New()
				b := newBroker(t)
				publish, to := b.Producer("q"), b.Producer("out")
				wrap := func(p async.Producer) async.Producer {
					w, err := cloudevents.Wrap(p, "/shop", cloudevents.WithDefaultType("order"))
					if err != nil {
						t.Fatal(err)
					}
					return w
				}
				if events {
					publish = wrap(publish)
				}
				if events || strings.Contains(name, "becomes") {
					to = wrap(to)
				}
				c := newForward(t, b, to)
				member, err := baggage.NewMember("tenant", "shop")
				if err != nil {
					t.Fatal(err)
				}
				bag, err := baggage.New(member)
				if err != nil {
					t.Fatal(err)
				}
				ctx := baggage.ContextWithBaggage(correlation.ContextWithID(rec.Context(t.Context()), "case-1"), bag)
				ctx, span := trace.Start(ctx, "order")
				err = async.Publish(ctx, publish, "17850", "order", async.WithID("id-1"), async.WithType("order"), async.WithHeader("X-Own", "1"),
					async.WithExpiresIn(time.Hour))
				span.End(err)
				if err != nil {
					t.Fatal(err)
				}
				sent := b.Messages("q")[0]

				done, stop := context.WithCancel(rec.Context(t.Context()))
				stop() // what is there is drained
				if err := c.Run(done); err != nil {
					t.Fatalf("Run: %v", err)
				}

				got := b.Messages("out")[0]
				if got.ID != "id-1" || string(got.Key) != "17850" || string(got.Data) != string(sent.Data) || !got.Time.Equal(sent.Time) ||
					!got.Due.Equal(sent.Due) || !got.Expires.Equal(sent.Expires) {
					t.Errorf("got %+v, want %+v", got, sent)
				}
				for _, h := range sent.Headers {
					if got.Headers.Get(h.Key) != h.Value {
						t.Errorf("header %s: got %q, want %q", h.Key, got.Headers.Get(h.Key), h.Value)
					}
				}
				if !strings.Contains(name, "becomes") {
					byKey := func(a, b async.Header) int { return strings.Compare(a.Key, b.Key) } // an event is written anew
					slices.SortFunc(sent.Headers, byKey)
					slices.SortFunc(got.Headers, byKey)
					if diff := cmp.Diff(sent.Headers, got.Headers); diff != "" {
						t.Errorf("headers (-sent +got):\n%s", diff)
					}
				}
				if got.Headers.Get(correlation.HeaderID) != "case-1" || got.Headers.Get("baggage") != "tenant=shop" || got.Headers.Get("ce_traceparent") !=
					sent.Headers.Get("ce_traceparent") {
					t.Errorf("headers: got %v", got.Headers)
				}
				origin := strings.Split(sent.Headers.Get("traceparent"), "-")[2] // the span of the publish
				links := make(map[string]bool)
				for _, s := range rec.Spans() {
					for _, l := range s.Links {
						if l.SpanID == origin {
							links[s.Name] = true
						}
					}
				}
				if want := map[string]bool{"process q": true, "send out": true}; !cmp.Equal(links, want) {
					t.Errorf("spans with a link to the publish: got %v, want %v", links, want)
				}
			})
		})
	}
}

func TestForwardRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	for name, tc := range map[string]struct {
		to   async.Producer
		oo   []async.OptionFunc
		want string
	}{
		"no producer":   {nil, nil, "producer is nil"},
		"bad option":    {b.Producer("out"), []async.OptionFunc{async.WithBatchSize(0)}, "batch size 0"},
		"delays for no": {b.Producer("out"), []async.OptionFunc{async.Unordered(), async.WithDelays(time.Second)}, "delays [1s]: they are never reached"},
		"middlewares": {
			b.Producer("out"),
			[]async.OptionFunc{async.WithMiddlewares(func(next async.ProcessorFunc) async.ProcessorFunc { return next })},
			"middlewares: a batch handler takes none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := async.NewForward("relay", b.Consumer("q"), tc.to, tc.oo...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewForward: got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// A queue in memory stands for the one in the database, and another one for the broker.
func ExampleNewForward() {
	database, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	relay, err := async.NewForward("relay", database.Consumer("outbox"), broker.Producer("orders"))
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	if err := async.Publish(ctx, database.Producer("outbox"), "17850", "an order", async.WithID("536365")); err != nil {
		fmt.Println(err)
	}
	stop() // a service does it; the component finishes what is there
	fmt.Println(relay.Run(ctx))
	for _, m := range broker.Messages("orders") {
		fmt.Println(m.ID, string(m.Key), string(m.Data))
	}
	// Output:
	// <nil>
	// 536365 17850 "an order"
}
