package memory_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
)

func TestABroadcastGoesOnWhereALostConnectionLeftIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithoutDrain())
		factory, p := b.Broadcast("t"), b.BroadcastProducer("t")
		c := consumeFrom(t, factory)
		sendTo(t, p, &async.Message{ID: "1"}, &async.Message{ID: "2"})
		want(t, "received", messageIDs(take(t, c, 1)), []string{"1"})

		b.Down()
		if _, err := c.Receive(t.Context(), 1); !errors.Is(err, memory.ErrDown) {
			t.Errorf("receive while the broker is down: got %v", err)
		}
		if err := p.Send(t.Context(), &async.Message{}); !errors.Is(err, memory.ErrDown) {
			t.Errorf("send while the broker is down: got %v", err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := factory.Create(t.Context()); !errors.Is(err, memory.ErrDown) {
			t.Errorf("create while the broker is down: got %v", err)
		}
		b.Up()
		sendTo(t, p, &async.Message{ID: "3"})

		c = consumeFrom(t, factory)
		want(t, "received by the next consumer", messageIDs(take(t, c, 10)), []string{"1", "2", "3"})
	})
}

func TestABroadcastWaitsForTheSlowestOfItsConsumers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithCapacity(1))
		p := b.BroadcastProducer("t")
		sendTo(t, p, &async.Message{ID: "nobody"}, &async.Message{ID: "listens"}) // which takes no room
		fast, slow := consumeFrom(t, b.Broadcast("t")), consumeFrom(t, b.Broadcast("t"))
		sendTo(t, p, &async.Message{ID: "1"})
		mm := take(t, fast, 1)
		if err := fast.Settle(t.Context(), []async.Settlement{{Message: mm[0]}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		err := p.Send(ctx, &async.Message{ID: "2"})

		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, async.ErrUnknown) {
			t.Errorf("got %v, want ErrUnknown: one of them has it", err)
		}
		want(t, "received by the fast one", messageIDs(take(t, fast, 1)), []string{"2"})
		if err := slow.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestADeadLetterOfABroadcastIsOneForAllItsConsumers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		factory := b.Broadcast("t")
		c1, c2 := consumeFrom(t, factory), consumeFrom(t, b.Broadcast("t"))
		sendTo(t, b.BroadcastProducer("t"), &async.Message{ID: "1"})
		for _, c := range []async.Consumer{c1, c2} {
			ss := []async.Settlement{{Message: take(t, c, 1)[0], Verdict: async.Reject, Cause: errBroken}}
			if err := errors.Join(c.Settle(t.Context(), ss), ss[0].Err); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		n, err := factory.(async.DeadLetterKeeper).DeadLetters().Count(t.Context(), async.DeadFilter{})
		if n != 1 || err != nil {
			t.Errorf("got %d dead letters, %v, want 1, which outlives the consumers", n, err)
		}
	})
}

func TestABroadcastNeedsAName(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	if _, err := b.Broadcast("").Create(t.Context()); err == nil {
		t.Error("create: got nil, want an error")
	}
	if err := b.BroadcastProducer("").Send(t.Context(), &async.Message{}); err == nil {
		t.Error("send: got nil, want an error")
	}
}

func TestTheFaultsOfABroadcastAreThoseOfASend(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	p := b.BroadcastProducer("t")
	c := consumeFrom(t, b.Broadcast("t"))
	if err := b.Inject(
		memory.Fault{Op: memory.OpSend, Times: 1, Err: errBroken},
		memory.Fault{Op: memory.OpSend, After: 1, Times: 1, Err: errBroken, Unheard: true},
		memory.Fault{Op: memory.OpSendOne, After: 1, Times: 1, Err: errBroken},
	); err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), &async.Message{ID: "1"}); !errors.Is(err, errBroken) || errors.Is(err, async.ErrUnknown) {
		t.Errorf("first send: got %v", err)
	}
	if err := p.Send(t.Context(), &async.Message{ID: "2"}); !errors.Is(err, async.ErrUnknown) {
		t.Errorf("second send: got %v, want ErrUnknown", err)
	}
	if err := p.Send(t.Context(), &async.Message{ID: "3"}, &async.Message{ID: "4"}); !errors.Is(err, errBroken) {
		t.Errorf("third send: got %v", err)
	}
	got := messageIDs(take(t, c, 10))
	if !slices.Equal(got, []string{"2", "4"}) {
		t.Errorf("received %v, want 2 and 4", got)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Send(t.Context(), &async.Message{}); !errors.Is(err, async.ErrClosed) {
		t.Errorf("send after close: got %v, want ErrClosed", err)
	}
}

func TestABroadcastConsumerThatNeverCameAboutTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithCapacity(1))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Broadcast("t").Create(ended); !errors.Is(err, context.Canceled) {
			t.Fatalf("create: got %v, want the error of the context", err)
		}
		sendTo(t, b.BroadcastProducer("t"), &async.Message{ID: "1"}, &async.Message{ID: "2"}) // which would not fit into a queue
	})
}
