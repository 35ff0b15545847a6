package asynctest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/component/componenttest"
	"github.com/beatlabs/patron/trace/tracetest"
)

// The programs of docs/guides/testing.md that are not in the example.

// snippet: faults
func TestADepositSurvivesABrokerThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, err := memory.New(memory.WithoutDrain())
		if err != nil {
			t.Fatal(err)
		}
		a := newAccounts()
		c, err := async.New("deposits", broker.Consumer("deposits"), mended(a))
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(
			broker.Inject(memory.Fault{Op: memory.OpCreate, Times: 2, Err: errors.New("no route to host")}),
			broker.Inject(memory.Fault{Op: memory.OpSettle, Times: 1, Err: errors.New("reset by peer"), Unheard: true}),
			async.Publish(t.Context(), broker.Producer("deposits"), "ann", deposit{Account: "ann", Amount: 5}),
		)
		if err != nil {
			t.Fatal(err)
		}

		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(time.Minute) // of virtual time
		stop()

		if err := <-done; err != nil || a.balances["ann"] != 5 || broker.Len("deposits") != 0 {
			t.Errorf("got %v, balances %v, %d messages left", err, a.balances, broker.Len("deposits"))
		}
	})
}

// end snippet

// snippet: traced
func TestADepositIsOneSpan(t *testing.T) {
	t.Parallel()
	broker, err := memory.New()
	if err != nil {
		t.Fatal(err)
	}
	c, err := async.New("deposits", broker.Consumer("deposits"), mended(newAccounts()))
	if err != nil {
		t.Fatal(err)
	}
	rec := tracetest.New()
	ctx, stop := context.WithCancel(rec.Context(t.Context()))
	if err := async.Publish(ctx, broker.Producer("deposits"), "ann", deposit{Account: "ann", Amount: 5}); err != nil {
		t.Fatal(err)
	}
	stop() // the queue of this broker dies with the process, so a stop drains it

	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}

	rec.AssertNoneOpen(t)
	if got := rec.Metric("patron_consumer_messages_total", "patron_outcome", "processed"); got != 1 {
		t.Errorf("processed messages: got %v, want 1", got)
	}
}

// end snippet

// snippet: lifecycle
func TestTheConsumerOfDepositsEndsWell(t *testing.T) {
	t.Parallel()
	componenttest.Run(t, func(tb testing.TB) component.Component {
		broker, err := memory.New()
		if err != nil {
			tb.Fatal(err)
		}
		c, err := async.New("deposits", broker.Consumer("deposits"), mended(newAccounts()))
		if err != nil {
			tb.Fatal(err)
		}
		return c
	}, componenttest.WithVirtualTime())
}

// end snippet

// TestAHandlerThatIsNotIdempotentIsFound holds the output that the guide shows: it is what Simulate prints, and the same each time.
func TestAHandlerThatIsNotIdempotentIsFound(t *testing.T) {
	t.Parallel()
	app := func() asynctest.App {
		a := newAccounts()
		return asynctest.App{
			Handler: func() async.ProcessorFunc { return careless(a) },
			State:   func() any { return a.balances },
		}
	}
	text := asynctest.SimulationText(t, 1, app, deposits())
	again := asynctest.SimulationText(t, 1, app, deposits())
	if text == "" || text != again {
		t.Fatalf("got two texts, want one:\n%s\n%s", text, again)
	}
	guide, err := os.ReadFile("../../docs/guides/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(guide), text) {
		t.Errorf("the guide does not show this output:\n%s", text)
	}
}
