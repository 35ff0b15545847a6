package consume_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/examples/guides/session"
	"github.com/beatlabs/patron/reliability"
)

// shown is what a part of the guide writes. It runs in a bubble, where an hour takes no time.
func shown(t *testing.T, file string, part func(t *testing.T, out io.Writer)) {
	t.Helper()
	var out terminal
	synctest.Test(t, func(t *testing.T) { part(t, &out) })
	session.Compare(t, file, out.shown.String())
}

// terminal keeps what handlers and the test write to it.
type terminal struct {
	mu    sync.Mutex
	shown bytes.Buffer
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown.Write(p)
}

// start runs components and returns what stops them and waits for their end.
func start(t *testing.T, cc ...*async.Component) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, len(cc))
	for _, c := range cc {
		go func() { ended <- c.Run(ctx) }()
	}
	synctest.Wait()
	return func() {
		cancel()
		for range cc {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
}

func TestTheGuideShowsDueAndExpiredMessages(t *testing.T) {
	t.Parallel()
	shown(t, "times.txt", func(t *testing.T, out io.Writer) {
		t.Helper()
		broker, err := memory.New()
		if err != nil {
			t.Fatal(err)
		}
		ctx, producer, began := t.Context(), broker.Producer("orders"), time.Now()

		// snippet: times
		process := async.Handle(func(ctx context.Context, o order) error {
			fmt.Fprintf(out, "after %v: %s\n", time.Since(began), o.Invoice)
			time.Sleep(10 * time.Minute) // it is slow, and what has the same key waits for it
			return nil
		})
		orders, err := async.New("orders", broker.Consumer("orders"), process)
		// end snippet
		if err != nil {
			t.Fatal(err)
		}
		stop := start(t, orders)
		// snippet: send-times
		err = errors.Join(
			async.Publish(ctx, producer, "17850", order{Invoice: "the order"}),
			async.Publish(ctx, producer, "17850", order{Invoice: "the reminder"}, async.WithDueIn(24*time.Hour)),
			async.Publish(ctx, producer, "17850", order{Invoice: "the offer"}, async.WithID("the offer"), async.WithExpiresIn(5*time.Minute)),
		)
		// end snippet
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		for _, dead := range broker.DeadLetters("orders") {
			fmt.Fprintf(out, "dead: %s: %s\n", dead.ID, dead.Headers.Get(async.HeaderDeadCause))
		}
		stop()
	})
}

func TestTheGuideShowsABroadcast(t *testing.T) {
	t.Parallel()
	shown(t, "broadcast.txt", func(t *testing.T, out io.Writer) {
		t.Helper()
		ctx := t.Context()
		broker, err := memory.New()
		if err != nil {
			t.Fatal(err)
		}
		var instances []*async.Component
		told := make(chan string, 2)
		for i := range 2 {
			// snippet: broadcast
			refresh := func(ctx context.Context, msg *async.Message) error {
				told <- fmt.Sprintf("instance %d: %s costs %s", i, msg.Key, msg.Data)
				return nil
			}
			prices, err := async.New("prices", broker.Broadcast("prices"), refresh)
			// end snippet
			if err != nil {
				t.Fatal(err)
			}
			instances = append(instances, prices)
		}
		stop := start(t, instances...)
		// snippet: send-broadcast
		err = async.Publish(ctx, broker.BroadcastProducer("prices"), "85123A", 2.55)
		// end snippet
		if err != nil {
			t.Fatal(err)
		}
		lines := []string{<-told, <-told}
		stop()
		slices.Sort(lines)
		fmt.Fprintln(out, strings.Join(lines, "\n"))
	})
}

func TestTheGuideShowsALaneThatOpensAgain(t *testing.T) {
	t.Parallel()
	shown(t, "lane.txt", func(t *testing.T, out io.Writer) {
		t.Helper()
		ctx := t.Context()
		broker, err := memory.New()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		producer := broker.Producer("orders")
		for _, o := range []order{{Invoice: "1", Pieces: 0}, {Invoice: "2", Pieces: 6}} {
			if err := async.Publish(ctx, producer, "ada", o, async.WithID("invoice "+o.Invoice)); err != nil {
				t.Fatal(err)
			}
		}
		// snippet: stop-lane
		process := async.Handle(func(ctx context.Context, o order) error {
			if o.Pieces == 0 {
				return reliability.Permanent(errors.New("no pieces"))
			}
			fmt.Fprintf(out, "after %v: invoice %s, %d pieces\n", time.Since(began), o.Invoice, o.Pieces)
			return nil
		})
		orders, err := async.New("orders", broker.Consumer("orders"), process, async.StopLaneOnDead())
		// end snippet
		if err != nil {
			t.Fatal(err)
		}
		stop := start(t, orders)
		time.Sleep(62 * time.Second)
		fmt.Fprintf(out, "after %v: %v\n", time.Since(began), orders.Check(ctx))

		// snippet: repair
		letters, _ := orders.DeadLetters()
		letter, err := letters.Get(ctx, "invoice 1")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "written into the books by hand: %s\n", letter.Message.Data)
		err = letters.Remove(ctx, letter)
		// end snippet
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stop()
	})
}
