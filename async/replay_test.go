package async_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/reliability"
	"github.com/google/go-cmp/cmp"
)

// bury makes dead letters of mm, one after another, and returns them. It must be called in a bubble.
func bury(t *testing.T, b *memory.Broker, cause error, mm ...*async.Message) []*async.DeadLetter {
	t.Helper()
	r := start(t, b, newComponent(t, b, func(context.Context, *async.Message) error { return cause }, async.WithTries(1)), time.Minute)
	for _, m := range mm {
		r.send(m)
	}
	synctest.Wait()
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	var letters []*async.DeadLetter
	for l, err := range b.Dead("q").List(t.Context(), async.DeadFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, l)
	}
	return letters
}

func TestAReplayedMessageIsTheSameAndBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		m := expiring("1", "k", time.Hour)
		m.Time = time.Now().Add(-time.Hour)
		m.Headers = async.Headers{{Key: "X-Own", Value: "kept"}, {Key: correlation.HeaderID, Value: "business-1"}}
		ctx := correlation.ContextWithID(t.Context(), "business-1")
		if err := b.Producer("q").Send(ctx, m); err != nil {
			t.Fatal(err)
		}
		bury(t, b, errBroken)
		time.Sleep(2 * time.Hour)

		got, err := async.Replay(correlation.ContextWithID(t.Context(), "of-the-operator"), b.Dead("q"), b.Producer("q"))

		if diff := cmp.Diff(async.ReplayResult{Matched: 1, Sent: 1, Removed: 1}, got); diff != "" || err != nil {
			t.Fatalf("got error %v and (-want +got):\n%s", err, diff)
		}
		if n := len(b.DeadLetters("q")); n != 0 {
			t.Errorf("%d dead letters are left, want none", n)
		}
		again := b.Messages("q")[0]
		if again.ID != "1" || string(again.Key) != "k" || string(again.Data) != "1" || !again.Time.Equal(m.Time) || again.Attempt != 0 || !again.Expires.IsZero() {
			t.Errorf("got %+v, want the message as it was sent, without an end", again)
		}
		if again.Headers.Get("X-Own") != "kept" || again.Headers.Get(correlation.HeaderID) != "business-1" || again.Headers.Has(async.HeaderDeadCause) {
			t.Errorf("headers: got %v, want its own, and none of a dead letter", again.Headers)
		}
		history, err := async.History(again)
		want := []async.Death{{Cause: "broken", Attempts: 1, Origin: "q", Time: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}}
		if diff := cmp.Diff(want, history); diff != "" || err != nil {
			t.Errorf("history: got error %v and (-want +got):\n%s", err, diff)
		}

		bury(t, b, errors.New("broken again"+strings.Repeat("!", 1000)))
		if _, err := async.Replay(t.Context(), b.Dead("q"), b.Producer("q")); err != nil {
			t.Fatal(err)
		}
		history, err = async.History(b.Messages("q")[0])
		if err != nil || len(history) != 2 || !strings.HasPrefix(history[1].Cause, "broken again!") || len(history[1].Cause) != 200 {
			t.Errorf("history: got %+v and %v, want two deaths, the causes cut", history, err)
		}
	})
}

func TestAReplayChoosesByItsFilter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		typed := keyed("3", "c")
		typed.Headers.Set(async.HeaderType, "placed")
		bury(t, b, errors.New("No such customer"), keyed("1", "a"))
		time.Sleep(time.Hour)
		bury(t, b, errBroken, keyed("2", "b"), typed)
		bury(t, b, errBroken, &async.Message{ID: "4"})
		hour := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)

		for name, tc := range map[string]struct {
			filter async.DeadFilter
			want   []string
		}{
			"all":          {async.DeadFilter{}, []string{"1", "2", "3", "4"}},
			"ID":           {async.DeadFilter{ID: "2"}, []string{"2"}},
			"key":          {async.DeadFilter{Key: []byte("b")}, []string{"2"}},
			"no key":       {async.DeadFilter{Key: []byte{}}, []string{"4"}},
			"type":         {async.DeadFilter{Type: "placed"}, []string{"3"}},
			"cause":        {async.DeadFilter{Cause: "no SUCH"}, []string{"1"}},
			"origin":       {async.DeadFilter{Origin: "q"}, []string{"1", "2", "3", "4"}},
			"other origin": {async.DeadFilter{Origin: "x"}, nil},
			"from":         {async.DeadFilter{After: hour}, []string{"2", "3", "4"}},
			"until":        {async.DeadFilter{Before: hour}, []string{"1"}},
			"two things":   {async.DeadFilter{Cause: "broken", Key: []byte("c")}, []string{"3"}},
		} {
			var ids []string
			for l, err := range b.Dead("q").List(t.Context(), tc.filter) {
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, l.Message.ID)
			}
			if !slices.Equal(ids, tc.want) {
				t.Errorf("%s: got %v, want %v", name, ids, tc.want)
			}
			got, err := async.Replay(t.Context(), b.Dead("q"), nil, async.ReplayFilter(tc.filter), async.ReplayDryRun())
			if err != nil || got != (async.ReplayResult{Matched: int64(len(tc.want))}) {
				t.Errorf("%s: dry run: got %+v, %v, want %d matched and nothing done", name, got, err, len(tc.want))
			}
		}
		if n := len(b.DeadLetters("q")); n != 4 {
			t.Errorf("after dry runs there are %d dead letters, want 4", n)
		}
	})
}

func TestAReplayKeepsItsRateAndItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		var mm []*async.Message
		for i := range 30 {
			mm = append(mm, keyed(fmt.Sprintf("%02d", i), ""))
		}
		bury(t, b, errBroken, mm...)

		began := time.Now()
		got, err := async.Replay(t.Context(), b.Dead("q"), b.Producer("q"), async.ReplayRate(10), async.ReplayLimit(21))

		if err != nil || got != (async.ReplayResult{Matched: 21, Sent: 21, Removed: 21}) {
			t.Errorf("got %+v, %v, want 21 replayed", got, err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("21 messages at 10 a second took %v, want 2s", took)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 450*time.Millisecond)
		defer cancel()
		got, err = async.Replay(ctx, b.Dead("q"), b.Producer("q"), async.ReplayRate(10))
		if !errors.Is(err, context.DeadlineExceeded) || got != (async.ReplayResult{Matched: 5, Sent: 5, Removed: 5}) {
			t.Errorf("interrupted: got %+v, %v, want five and the error of the context", got, err)
		}
		if n := len(b.DeadLetters("q")); n != 4 {
			t.Errorf("%d dead letters are left, want 4", n)
		}
	})
}

func TestAReplayComesToAnEndAlthoughEverythingDiesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		bury(t, b, errBroken, keyed("1", "a"), keyed("2", "b"), keyed("3", "c"))
		r := start(t, b, newComponent(t, b, func(context.Context, *async.Message) error { return reliability.Permanent(errBroken) }), time.Minute)

		got, err := async.Replay(t.Context(), b.Dead("q"), b.Producer("q"), async.ReplayRate(1))
		synctest.Wait()

		if err != nil || got != (async.ReplayResult{Matched: 3, Sent: 3, Removed: 3}) {
			t.Errorf("got %+v, %v, want each once", got, err)
		}
		if n := len(b.DeadLetters("q")); n != 3 {
			t.Errorf("got %d dead letters, want the three that died again: a removal must not take what was written anew", n)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

// letters is a store of dead letters whose methods can fail.
type letters struct {
	async.DeadLetters
	list, remove error
	removed      []string
}

func (d *letters) List(ctx context.Context, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	if d.list == nil {
		return d.DeadLetters.List(ctx, f)
	}
	return func(yield func(*async.DeadLetter, error) bool) { yield(nil, d.list) }
}

func (d *letters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	for _, l := range ll {
		d.removed = append(d.removed, l.Message.ID)
	}
	if d.remove != nil {
		return d.remove
	}
	return d.DeadLetters.Remove(ctx, ll...)
}

// refusing sends what has not the ID that it refuses.
type refusing struct {
	async.Producer
	id  string
	err error
}

func (p refusing) Send(ctx context.Context, mm ...*async.Message) error {
	if mm[0].ID == p.id {
		return async.FailAt(0, p.err)
	}
	return p.Producer.Send(ctx, mm...)
}

func TestNothingIsRemovedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		send, remove, list error
		want               async.ReplayResult
		removed            []string
		left               int
		text               string
	}{
		"a send fails": {send: errBroken, want: async.ReplayResult{Matched: 2, Sent: 1, Removed: 1}, removed: []string{"1"}, left: 2, text: `message "2": broken`},
		"a send is refused": {
			send: reliability.Permanent(errBroken), want: async.ReplayResult{Matched: 3, Sent: 2, Removed: 2, Refused: 1}, removed: []string{"1", "3"}, left: 1,
			text: `message "2": broken`,
		},
		"a removal fails": {
			remove: errBroken, want: async.ReplayResult{Matched: 1, Sent: 1}, removed: []string{"1"}, left: 3,
			text: `message "1" was sent, but its letter could not be removed: broken`,
		},
		"the list fails": {list: errBroken, left: 3, text: "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, memory.WithoutDrain())
				bury(t, b, errBroken, keyed("1", ""), keyed("2", ""), keyed("3", ""))
				from := &letters{DeadLetters: b.Dead("q"), list: tc.list, remove: tc.remove}
				to := b.Producer("q")
				if tc.send != nil {
					to = refusing{to, "2", tc.send}
				}

				got, err := async.Replay(t.Context(), from, to)

				if got != tc.want || err == nil || err.Error() != "async: replay: "+tc.text {
					t.Errorf("got %+v, %v, want %+v, %s", got, err, tc.want, tc.text)
				}
				if !slices.Equal(from.removed, tc.removed) || len(b.DeadLetters("q")) != tc.left {
					t.Errorf("removed %v, %d letters are left, want %v, %d", from.removed, len(b.DeadLetters("q")), tc.removed, tc.left)
				}

				// Once more, without faults: nothing is lost, and what comes twice has the same ID.
				if _, err := async.Replay(t.Context(), b.Dead("q"), b.Producer("q")); err != nil {
					t.Fatal(err)
				}
				ids := make(map[string]bool)
				for _, m := range b.Messages("q") {
					ids[m.ID] = true
				}
				if diff := cmp.Diff(map[string]bool{"1": true, "2": true, "3": true}, ids); diff != "" {
					t.Errorf("messages (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAMessageWithoutAnIDIsReplayedWithTheSameOneEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		bury(t, b, errBroken, keyed("1", "k"))
		from := &nameless{DeadLetters: b.Dead("q")}
		from.remove = errBroken
		for range 2 {
			if _, err := async.Replay(t.Context(), from, b.Producer("q")); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
		}
		mm := b.Messages("q")
		if len(mm) != 2 || mm[0].ID != mm[1].ID || !strings.HasPrefix(mm[0].ID, "dead-") || len(mm[0].ID) != 37 {
			t.Errorf("got %v and %v, want the same ID twice", mm[0].ID, mm[1].ID)
		}
	})
}

// nameless lists letters without an ID.
type nameless struct {
	async.DeadLetters
	remove error
}

func (d *nameless) List(ctx context.Context, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		for l, err := range d.DeadLetters.List(ctx, f) {
			l.Message.ID = ""
			if !yield(l, err) {
				return
			}
		}
	}
}

func (d *nameless) Remove(context.Context, ...*async.DeadLetter) error { return d.remove }

func TestAReplaySaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := async.Replay(t.Context(), nil, nil, async.ReplayRate(0), async.ReplayRate(1e10), async.ReplayLimit(0), nil)
	want := "async: replay: dead letters are nil\nrate 0: want above 0 messages a second\nrate 1e+10: want above 0 messages a second\nlimit 0: want at least 1\n" +
		"option 3 is nil\nproducer is nil"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAForeignDeadLetterIsReadAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	l := async.NewDeadLetter(&async.Message{ID: "1", Headers: async.Headers{
		{Key: async.HeaderDeadAttempt, Value: "many"}, {Key: async.HeaderDeadTime, Value: "yesterday"}, {Key: "X-Own", Value: "1"},
	}})
	if l.Attempts != 0 || !l.Time.IsZero() || l.Cause != "" || len(l.Message.Headers) != 1 {
		t.Errorf("got %+v, want zero values and one header", l)
	}
	if _, err := async.History(&async.Message{Headers: async.Headers{{Key: async.HeaderDeadHistory, Value: "{"}}}); err == nil {
		t.Error("history: got nil, want an error")
	}
}

func TestALaneThatADeadLetterClosedOpensWhenTheLetterIsReplayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		j := &journal{}
		wrong := true
		c := newComponent(t, b, func(_ context.Context, m *async.Message) error {
			j.addf("%s", m.ID)
			if m.ID == "1" && wrong {
				return reliability.Permanent(errBroken)
			}
			return nil
		}, async.StopLaneOnDead())
		r := start(t, b, c, time.Hour)
		r.send(keyed("1", "k"), keyed("2", "k"), keyed("3", "other"))
		time.Sleep(time.Hour)
		j.want(t, "1", "3")

		wrong = false
		letters, ok := c.DeadLetters()
		if !ok {
			t.Fatal("the component has no dead letters to show")
		}
		if got, err := async.Replay(t.Context(), letters, b.Producer("q")); err != nil || got.Removed != 1 {
			t.Fatalf("replay: got %+v, %v", got, err)
		}
		time.Sleep(6 * time.Second)

		j.want(t, "1", "3", "2", "1") // behind the one that waited: a replay does not restore order
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestALaneStaysClosedWhileOneOfItsDeadLettersIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		j := &journal{}
		c, err := async.NewBatch("test", b.Consumer("q"), func(_ context.Context, mm []*async.Message) error {
			batch := &async.BatchError{}
			for i, m := range mm {
				j.addf("%s", m.ID)
				if m.ID < "3" {
					batch = batch.Add(i, reliability.Permanent(errBroken))
				}
			}
			return batch.Err()
		}, async.StopLaneOnDead(), async.WithBatchSize(2))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Producer("q").Send(t.Context(), keyed("1", "k"), keyed("2", "k"), keyed("3", "k")); err != nil {
			t.Fatal(err)
		}
		r := start(t, b, c, time.Hour)
		time.Sleep(time.Minute)
		for _, id := range []string{"2", "1"} {
			j.want(t, "1", "2")
			l, err := b.Dead("q").Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Dead("q").Remove(t.Context(), l); err != nil { // repaired by hand
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		j.want(t, "1", "2", "3")
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestAComponentWithoutDeadLettersHasNoneToShow(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	c, err := async.New("test", deadless{b.Consumer("q")}, func(context.Context, *async.Message) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.DeadLetters(); ok {
		t.Error("got dead letters, want none")
	}
}

// What is dead is looked at, and replayed when the cause is mended, ten messages a second.
func ExampleReplay() {
	broker, err := memory.New(memory.WithoutDrain())
	if err != nil {
		fmt.Println(err)
		return
	}
	mended := false
	handled := make(chan struct{}, 1)
	orders, err := async.New("orders", broker.Consumer("orders"), func(_ context.Context, m *async.Message) error {
		defer func() { handled <- struct{}{} }()
		if !mended {
			return reliability.Permanent(errors.New("no such customer"))
		}
		deaths, err := async.History(m)
		fmt.Println("processed", m.ID, "after", deaths[0].Cause)
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	run := func() { // until one message is handled
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- orders.Run(ctx) }()
		<-handled
		stop()
		if err := <-done; err != nil {
			fmt.Println(err)
		}
	}
	ctx := context.Background()
	if err := broker.Producer("orders").Send(ctx, &async.Message{ID: "536365"}); err != nil {
		fmt.Println(err)
	}
	run()

	letters := broker.Dead("orders")
	for l, err := range letters.List(ctx, async.DeadFilter{Cause: "customer"}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(l.Message.ID, "of", l.Origin, "is dead:", l.Cause)
	}
	mended = true
	result, err := async.Replay(ctx, letters, broker.Producer("orders"), async.ReplayFilter(async.DeadFilter{Cause: "customer"}), async.ReplayRate(10))
	fmt.Printf("%+v %v\n", result, err)
	run()
	// Output:
	// 536365 of orders is dead: no such customer
	// {Matched:1 Sent:1 Removed:1 Refused:0} <nil>
	// processed 536365 after no such customer
}
