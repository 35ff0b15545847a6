package memory_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newBroker(tb testing.TB, oo ...memory.OptionFunc) *memory.Broker {
	tb.Helper()
	b, err := memory.New(oo...)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func consume(tb testing.TB, b *memory.Broker) async.Consumer {
	tb.Helper()
	c, err := b.Consumer(queue).Create(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func send(t *testing.T, b *memory.Broker, mm ...*async.Message) {
	t.Helper()
	if err := b.Producer(queue).Send(t.Context(), mm...); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// keyed returns messages of the form key/ID, as in "a/1"; "/1" has no key.
func keyed(names ...string) []*async.Message {
	mm := make([]*async.Message, len(names))
	for i, name := range names {
		key, id, _ := strings.Cut(name, "/")
		mm[i] = &async.Message{ID: id, Key: []byte(key)}
	}
	return mm
}

// receive returns the IDs and messages of one Receive, which must not block.
func receive(t *testing.T, c async.Consumer, limit int) ([]string, []*async.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	mm, err := c.Receive(ctx, limit)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("receive: %v", err)
	}
	mm = slices.Clone(mm)
	var ids []string
	for _, m := range mm {
		ids = append(ids, m.ID)
	}
	return ids, mm
}

func settle(t *testing.T, c async.Consumer, v async.Verdict, mm ...*async.Message) []error {
	t.Helper()
	ss := make([]async.Settlement, len(mm))
	for i, m := range mm {
		ss[i] = async.Settlement{Message: m, Verdict: v}
	}
	if err := c.Settle(t.Context(), ss); err != nil {
		t.Fatalf("settle: %v", err)
	}
	errs := make([]error, len(ss))
	for i := range ss {
		errs[i] = ss[i].Err
	}
	return errs
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestNewSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := memory.New(memory.WithCapacity(0), nil, memory.WithDeadCapacity(-1), memory.WithPerKey(0), memory.WithVisibility(0),
		memory.WithStopWait(-time.Second))
	if err == nil {
		t.Fatal("New: got nil, want an error")
	}
	for _, part := range []string{
		"memory: ", "capacity 0: want at least 1", "option 1 is nil", "dead capacity -1: want at least 1", "per key 0: want at least 1",
		"visibility 0s: want above 0", "stop wait -1s: want above 0",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("New: got %q, want it to say %q", err, part)
		}
	}
}

func TestAQueueNeedsAName(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	if _, err := b.Consumer("").Create(t.Context()); err == nil || !strings.Contains(err.Error(), "queue name is empty") {
		t.Errorf("Create: got %v", err)
	}
	if err := b.Producer("").Send(t.Context(), &async.Message{}); err == nil || !strings.Contains(err.Error(), "queue name is empty") {
		t.Errorf("Send: got %v", err)
	}
}

func TestReceiveWantsALimit(t *testing.T) {
	t.Parallel()
	if _, err := consume(t, newBroker(t)).Receive(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "limit below 1") {
		t.Errorf("Receive with limit 0: got %v", err)
	}
}

func TestTheOldestIsServedFirstWhateverItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		c := consume(t, b)
		send(t, b, keyed("a/1", "/2", "b/3", "a/4", "/5", "b/6")...)

		first, mm := receive(t, c, 4)
		want(t, "the first four, a key in one run", first, []string{"1", "4", "2", "3"})

		settle(t, c, async.Release, mm[2], mm[0], mm[1])
		again, _ := receive(t, c, 10)
		want(t, "what was released before what came later, but for the key in flight", again, []string{"1", "4", "2", "5"})
	})
}

func TestAKeyHasABoundedRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithPerKey(2))
		c := consume(t, b)
		send(t, b, keyed("a/1", "a/2", "a/3", "a/4", "b/5")...)

		ids, mm := receive(t, c, 10)
		want(t, "a run of the key and the others", ids, []string{"1", "2", "5"})
		ids, _ = receive(t, c, 10)
		want(t, "while the run is full", ids, []string(nil))

		settle(t, c, async.Ack, mm[0])
		ids, _ = receive(t, c, 10)
		want(t, "while any of it is in flight", ids, []string(nil))
		settle(t, c, async.Ack, mm[1])
		ids, _ = receive(t, c, 10)
		want(t, "the next run", ids, []string{"3", "4"})
	})
}

func TestSendBlocksWhileTheQueueIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithCapacity(3))
		c := consume(t, b)
		send(t, b, keyed("a/1", "a/2", "a/3")...)

		var mu sync.Mutex
		var done []string
		for _, batch := range [][]string{{"a/4", "a/5"}, {"a/6"}, {"a/7"}} {
			go func() {
				if err := b.Producer(queue).Send(t.Context(), keyed(batch...)...); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				done = append(done, batch[0])
			}()
			synctest.Wait()
		}
		doneAre := func(ids ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			want(t, "sends that returned", done, ids)
		}

		_, mm := receive(t, c, 3)
		doneAre() // what is in flight takes room
		settle(t, c, async.Ack, mm[0])
		doneAre() // the first wants two; the others wait behind it
		settle(t, c, async.Ack, mm[1])
		doneAre("a/4")
		settle(t, c, async.Ack, mm[2])
		doneAre("a/4", "a/6")
		ids, mm := receive(t, c, 10)
		want(t, "the order", ids, []string{"4", "5", "6"})
		settle(t, c, async.Ack, mm...)
		doneAre("a/4", "a/6", "a/7")
	})
}

func TestASendThatWaitsInVainSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithCapacity(1))
		send(t, b, keyed("a/1")...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		err := b.Producer(queue).Send(ctx, keyed("a/2")...)

		wantErr(t, "Send", err, context.DeadlineExceeded)
		if want := "memory: send to orders: full, 1 messages: context deadline exceeded"; err.Error() != want {
			t.Errorf("Send: got %q, want %q", err, want)
		}
		if got := b.Len(queue); got != 1 {
			t.Errorf("Len: got %d, want 1", got)
		}

		err = b.Producer(queue).Send(t.Context(), keyed("a/2", "a/3")...)
		if err == nil || !strings.Contains(err.Error(), "2 messages at once: want at most the capacity, 1") {
			t.Errorf("Send of more than the capacity: got %v", err)
		}
	})
}

func TestASendThatGivesUpLetsSmallerOnesPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithCapacity(2))
		send(t, b, keyed("a/1")...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { _ = b.Producer(queue).Send(ctx, keyed("a/2", "a/3")...) }()
		synctest.Wait()

		send(t, b, keyed("a/4")...)

		want(t, "Len", b.Len(queue), 2)
	})
}

// drained says what a Receive with an ended context gives.
func drained(t *testing.T, c async.Consumer) (string, []*async.Message) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mm, err := c.Receive(ctx, 10)
	switch {
	case err == io.EOF: //nolint:errorlint // it must be io.EOF itself
		return "EOF", nil
	case errors.Is(err, context.Canceled):
		return "later", nil
	case err != nil:
		t.Fatalf("receive with an ended context: %v", err)
	}
	mm = slices.Clone(mm)
	var ids []string
	for _, m := range mm {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " "), mm
}

func TestAConsumerThatStopsLeavesTheRestToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		leaving, staying := consume(t, b), consume(t, b)
		send(t, b, keyed("a/1", "a/2", "b/3")...)
		_, mm := receive(t, leaving, 1)

		got, _ := drained(t, leaving)
		want(t, "while it holds a message", got, "later")
		settle(t, leaving, async.Ack, mm...)
		got, _ = drained(t, leaving)
		want(t, "when it holds nothing", got, "EOF")
		if lag, err := leaving.(async.Lagger).Lag(t.Context()); err != nil || lag[0].Messages != 0 {
			t.Errorf("lag of a consumer that left: got %+v, %v, want nothing", lag, err)
		}

		ids, mm := receive(t, staying, 10)
		want(t, "the others go on", ids, []string{"2", "3"})
		settle(t, staying, async.Ack, mm...)
		send(t, b, keyed("a/4")...)
		ids, mm = receive(t, staying, 10)
		want(t, "and the queue is open", ids, []string{"4"})

		settle(t, staying, async.Ack, mm...)
		got, _ = drained(t, staying)
		want(t, "the last one", got, "EOF")
		wantErr(t, "Send to a closed queue", b.Producer(queue).Send(t.Context(), keyed("a/5")...), async.ErrClosed)
	})
}

func TestConsumersThatStopTogetherShareTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		c1, c2 := consume(t, b), consume(t, b)
		send(t, b, keyed("a/1", "a/2", "b/3")...)
		_, mm := receive(t, c1, 1)
		got, _ := drained(t, c1)
		want(t, "the first, while the second goes on", got, "later")

		got, rest := drained(t, c2)
		want(t, "the second gets what others do not hold", got, "3")
		settle(t, c2, async.Ack, rest...)
		got, _ = drained(t, c2)
		want(t, "the second, while the first holds something", got, "later")
		settle(t, c1, async.Ack, mm...)
		got, mm = drained(t, c1)
		want(t, "the first gets the rest", got, "2")
		settle(t, c1, async.Ack, mm...)

		got1, _ := drained(t, c1)
		got2, _ := drained(t, c2)
		want(t, "both", []string{got1, got2}, []string{"EOF", "EOF"})
	})
}

func TestADrainedQueueOpensAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		got, _ := drained(t, consume(t, b))
		want(t, "an empty queue", got, "EOF")
		wantErr(t, "Send", b.Producer(queue).Send(t.Context(), keyed("a/1")...), async.ErrClosed)

		c := consume(t, b)
		send(t, b, keyed("a/2")...)

		ids, _ := receive(t, c, 1)
		want(t, "received", ids, []string{"2"})
	})
}

func TestTheLastConsumerClosesTheQueueUnlessItsConnectionFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		if err := b.Inject(memory.Fault{Op: memory.OpReceive, Times: 1, Err: errBroken}); err != nil {
			t.Fatal(err)
		}
		failed := consume(t, b)
		_, err := failed.Receive(t.Context(), 1)
		wantErr(t, "Receive", err, errBroken)
		if err := failed.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		send(t, b, keyed("a/1")...) // another consumer will come

		next := consume(t, b)
		if err := errors.Join(next.Close(t.Context()), next.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		wantErr(t, "Send", b.Producer(queue).Send(t.Context(), keyed("a/2")...), async.ErrClosed)
		if _, err := next.Receive(t.Context(), 1); err == nil {
			t.Error("Receive of a closed consumer: got nil")
		}
		want(t, "what is left", b.Len(queue), 1)
	})
}

func TestALeaseThatEndsTakesItsFollowersWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithVisibility(time.Minute), memory.WithoutDrain())
		c1, c2 := consume(t, b), consume(t, b)
		send(t, b, keyed("a/1", "a/2", "a/3", "b/4")...)
		_, mm := receive(t, c1, 4)
		time.Sleep(30 * time.Second)
		if err := c1.(async.Extender).Extend(t.Context(), []*async.Message{mm[0], mm[2], mm[3]}); err != nil {
			t.Fatal(err)
		}

		time.Sleep(30 * time.Second) // the lease of 2 is over

		ids, _ := receive(t, c2, 10)
		want(t, "while 1 is in flight", ids, []string(nil))
		for i, err := range settle(t, c1, async.Ack, mm...) {
			wantErr(t, "ack of "+mm[i].ID, err, []error{nil, async.ErrLost, async.ErrLost, nil}[i])
		}
		ids, _ = receive(t, c2, 10)
		want(t, "then", ids, []string{"2", "3"})
	})
}

func TestDeadLettersAreKeptOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithDeadCapacity(2))
		c := consume(t, b)
		send(t, b, keyed("a/1", "b/2", "c/3")...)
		_, mm := receive(t, c, 3)
		refuse := func(context.Context) error { return errBroken }

		reject := func(m *async.Message, cause error, written func(context.Context) error) error {
			ss := []async.Settlement{{Message: m, Verdict: async.Reject, Cause: cause, Written: written}}
			if err := c.Settle(t.Context(), ss); err != nil {
				t.Fatal(err)
			}
			return ss[0].Err
		}
		wantErr(t, "the first, nobody told", reject(mm[0], errors.New("one"), refuse), errBroken)
		wantErr(t, "the second", reject(mm[1], errors.New("two"), nil), nil)
		time.Sleep(time.Hour)
		mm[0].Attempt = 4
		wantErr(t, "the first again", reject(mm[0], errors.New("three"), nil), nil)
		if err := reject(mm[2], errors.New("four"), nil); err == nil || !strings.Contains(err.Error(), "dead letters of orders are full, 2 messages") {
			t.Errorf("the third: got %v", err)
		}

		letters := b.DeadLetters(queue)
		var got []string
		for _, m := range letters {
			got = append(got, m.ID+" "+m.Headers.Get(async.HeaderDeadCause)+" "+m.Headers.Get(async.HeaderDeadAttempt)+" "+
				m.Headers.Get(async.HeaderDeadOrigin)+" "+m.Headers.Get(async.HeaderDeadTime))
		}
		want(t, "dead letters", got, []string{"2 two 0 orders 2000-01-01T00:00:00Z", "1 three 4 orders 2000-01-01T01:00:00Z"})
		letters[0].Data = []byte("changed")
		want(t, "a copy", string(b.DeadLetters(queue)[0].Data), "")
		want(t, "what is left", b.Len(queue), 1)
	})
}

func TestADeadLetterWithoutIDIsKeptOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		c := consume(t, b)
		send(t, b, &async.Message{ID: "x"}, &async.Message{ID: "y"})
		_, mm := receive(t, c, 2)
		ss := []async.Settlement{{Message: mm[0], Verdict: async.Reject, Written: func(context.Context) error { return errBroken }}}
		for range 3 {
			if err := c.Settle(t.Context(), ss); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, c, async.Release, mm[0])
		_, mm = receive(t, c, 1)
		settle(t, c, async.Reject, mm...)

		want(t, "dead letters", len(b.DeadLetters(queue)), 1)
	})
}

func TestTheLagTellsTheAgeOfTheOldest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		c := consume(t, b)
		send(t, b, keyed("a/1")...)
		time.Sleep(time.Minute)
		send(t, b, keyed("a/2")...)

		lags, err := c.(async.Lagger).Lag(t.Context())
		if err != nil || len(lags) != 1 {
			t.Fatalf("Lag: got %v, %v", lags, err)
		}
		want(t, "messages", lags[0].Messages, int64(2))
		want(t, "oldest", lags[0].Oldest, time.Minute)
		want(t, "source", lags[0].Source.String(), queue)
	})
}

func TestWhatIsQueuedCanBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		c := consume(t, b)
		send(t, b, keyed("a/1", "b/2")...)
		receive(t, c, 1)

		var got []string
		for _, m := range b.Messages(queue) {
			got = append(got, m.ID+" "+m.Source.String()+" "+strconv.Itoa(m.Deliveries))
		}

		want(t, "messages", got, []string{"1 orders 1", "2 orders 0"})
		want(t, "Len", b.Len(queue), 2)
		want(t, "Held", b.Held(queue), 1)
		want(t, "another queue", b.Len("other"), 0)
	})
}

// What the engine and a handler do to a delivery is theirs alone: the race detector sees what reads it meanwhile.
func TestWhatIsInFlightCanBeReadAndStaysAsItWasSent(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	c := consume(t, b)
	sent := &async.Message{ID: "1", Key: []byte("a"), Data: []byte("data"), Headers: async.Headers{{Key: "k", Value: "v"}}}
	send(t, b, sent)
	_, mm := receive(t, c, 1)

	var handler sync.WaitGroup
	handler.Go(func() {
		m := mm[0]
		m.Attempt++
		m.Headers.Set("other", "value")
		m.ID, m.Key, m.Data, m.Source, m.Raw = "", nil, nil, nil, nil
	})
	read := b.Messages(queue)
	handler.Wait()
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, again := receive(t, consume(t, b), 1)

	for what, m := range map[string]*async.Message{"read": read[0], "delivered again": again[0]} {
		want(t, what, []string{m.ID, string(m.Key), string(m.Data), m.Source.String()}, []string{"1", "a", "data", queue})
		want(t, what+": headers", m.Headers, sent.Headers)
		want(t, what+": starts of the handler", m.Attempt, 0)
	}
}

// TestManySendersAndConsumers is for the race detector: real time, nothing lost, nothing twice, order kept.
func TestManySendersAndConsumers(t *testing.T) {
	t.Parallel()
	const senders, each, consumers = 4, 2_000, 3
	b := newBroker(t, memory.WithCapacity(100), memory.WithPerKey(4))
	ctx, stop := context.WithCancel(t.Context())

	var wg, sending sync.WaitGroup
	var mu sync.Mutex
	last := make(map[string]int)
	got := 0
	for range consumers {
		c := consume(t, b)
		wg.Go(func() {
			for {
				mm, err := c.Receive(ctx, 7)
				if err == io.EOF { //nolint:errorlint // it must be io.EOF itself
					return
				}
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				var ss []async.Settlement
				mu.Lock()
				for i, m := range mm {
					if m.Deliveries == 1 && i%5 == 4 {
						// From here on back, so that none overtakes it.
						for _, back := range mm[i:] {
							ss = append(ss, async.Settlement{Message: back, Verdict: async.Release})
						}
						break
					}
					n, _ := strconv.Atoi(string(m.Data))
					if before, ok := last[string(m.Key)]; ok && n != before+1 {
						t.Errorf("key %s: message %d after %d", m.Key, n, before)
					}
					last[string(m.Key)] = n
					got++
					ss = append(ss, async.Settlement{Message: m})
				}
				mu.Unlock()
				if err := c.Settle(t.Context(), ss); err != nil {
					t.Error(err)
				}
				for _, s := range ss {
					if s.Err != nil {
						t.Errorf("settle: %v", s.Err)
					}
				}
			}
		})
	}
	for i := range senders {
		sending.Go(func() {
			p := b.Producer(queue)
			for n := range each {
				for k := range 3 {
					m := &async.Message{Key: []byte{byte('a' + i), byte('0' + k)}, Data: []byte(strconv.Itoa(n))}
					if err := p.Send(t.Context(), m); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	sending.Wait()
	stop()
	wg.Wait()

	want(t, "processed", got, senders*each*3)
	want(t, "left", b.Len(queue), 0)
}
