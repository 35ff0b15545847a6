package memory_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
)

func TestOpsHaveNames(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for op := memory.OpCreate; op <= memory.OpSendOne; op++ {
		if name := op.String(); name == "unknown operation" || seen[name] {
			t.Errorf("operation %d: got %q, want a name of its own", op, name)
		} else {
			seen[name] = true
		}
	}
	for _, op := range []memory.Op{0, memory.OpSendOne + 1} {
		want(t, "an operation that is none", op.String(), "unknown operation")
	}
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	b := newBroker(t)

	err := b.Inject(
		memory.Fault{Op: memory.OpSend, Err: errBroken},
		memory.Fault{Err: errBroken},
		memory.Fault{Op: memory.OpReceive},
		memory.Fault{Op: memory.OpReceive, Err: errBroken, Times: -1},
		memory.Fault{Op: memory.OpReceive, Err: errBroken, Unheard: true},
	)

	if err == nil {
		t.Fatal("Inject: got nil, want an error")
	}
	for _, part := range []string{
		"memory: fault 1: operation 0: want one of the constants", "fault 2: want an error or a delay", "fault 3: after, every, times and delay: want at least 0",
		"fault 4: unheard: has no meaning for receive",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Inject: got %q, want it to say %q", err, part)
		}
	}
	send(t, b, keyed("a/1")...) // not even the fault that makes sense was added
}

// each returns which of n calls fail.
func each(n int, call func() error) string {
	var s strings.Builder
	for range n {
		switch err := call(); {
		case err == nil:
			s.WriteByte('.')
		case errors.Is(err, errBroken):
			s.WriteByte('x')
		default:
			s.WriteByte('?')
		}
	}
	return s.String()
}

func TestFaultsBefallTheCallsTheyName(t *testing.T) {
	t.Parallel()
	for pattern, f := range map[string]memory.Fault{
		"xx........": {Times: 2},
		"...x......": {After: 3, Times: 1},
		"..x..x..x.": {Every: 3},
		".....x.x..": {After: 4, Every: 2, Times: 2},
		"xxxxxxxxxx": {},
		"..........": {Queue: "another"},
	} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			for op, call := range map[memory.Op]func(*testing.T, *memory.Broker) func() error{
				memory.OpCreate: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					return func() error { _, err := b.Consumer(queue).Create(t.Context()); return err }
				},
				memory.OpReceive: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					send(t, b, keyed("/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9")...)
					c := consume(t, b)
					return func() error { _, err := c.Receive(t.Context(), 1); return err }
				},
				memory.OpSettle: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					c := consume(t, b)
					return func() error { return c.Settle(t.Context(), nil) }
				},
				memory.OpSettleOne: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					send(t, b, keyed("/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9")...)
					c := consume(t, b)
					_, mm := receive(t, c, 10)
					errs := settle(t, c, async.Ack, mm...)
					return func() error { err := errs[0]; errs = errs[1:]; return err }
				},
				memory.OpDeadLetter: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					send(t, b, keyed("/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9")...)
					c := consume(t, b)
					_, mm := receive(t, c, 10)
					errs := settle(t, c, async.Reject, mm...)
					return func() error { err := errs[0]; errs = errs[1:]; return err }
				},
				memory.OpExtend: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					send(t, b, keyed("/0")...)
					c := consume(t, b)
					_, mm := receive(t, c, 1)
					return func() error { return c.(async.Extender).Extend(t.Context(), mm) }
				},
				memory.OpClose: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					c := consume(t, b)
					return func() error { return c.Close(t.Context()) }
				},
				memory.OpSend: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					return func() error { return b.Producer(queue).Send(t.Context(), keyed("/0")...) }
				},
				memory.OpSendOne: func(t *testing.T, b *memory.Broker) func() error {
					t.Helper()
					return func() error { return b.Producer(queue).Send(t.Context(), keyed("/0")...) }
				},
			} {
				synctest.Test(t, func(t *testing.T) {
					b := newBroker(t, memory.WithoutDrain())
					f.Op, f.Err = op, errBroken
					if op == memory.OpSettleOne || op == memory.OpDeadLetter || op == memory.OpReceive {
						// Their calls are prepared without faults of other operations; these come first.
						if err := b.Inject(f); err != nil {
							t.Fatal(err)
						}
						want(t, op.String(), each(10, call(t, b)), pattern)
						return
					}
					do := call(t, b)
					if err := b.Inject(f); err != nil {
						t.Fatal(err)
					}
					want(t, op.String(), each(10, do), pattern)
					b.Heal()
					want(t, op.String()+" after Heal", each(2, do), "..")
				})
			}
		})
	}
}

func TestAnUnheardSettlementIsCarriedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		c := consume(t, b)
		send(t, b, keyed("a/1", "b/2")...)
		_, mm := receive(t, c, 2)
		if err := b.Inject(memory.Fault{Op: memory.OpSettleOne, Err: errBroken, Unheard: true, Times: 1},
			memory.Fault{Op: memory.OpSettle, Err: errBroken, Unheard: true, After: 1, Times: 1}); err != nil {
			t.Fatal(err)
		}

		wantErr(t, "the settlement", settle(t, c, async.Ack, mm[0])[0], errBroken)
		want(t, "Len", b.Len(queue), 1)
		wantErr(t, "the batch", c.Settle(t.Context(), []async.Settlement{{Message: mm[1]}}), errBroken)
		want(t, "Len", b.Len(queue), 0)
		wantErr(t, "once more", settle(t, c, async.Ack, mm[0])[0], async.ErrLost)
	})
}

func TestAnUnheardSendMayHaveArrived(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	if err := b.Inject(memory.Fault{Op: memory.OpSend, Err: errBroken, Unheard: true, Times: 1}); err != nil {
		t.Fatal(err)
	}

	err := b.Producer(queue).Send(t.Context(), keyed("a/1")...)

	wantErr(t, "Send", err, async.ErrUnknown)
	wantErr(t, "Send", err, errBroken)
	want(t, "Len", b.Len(queue), 1)
}

func TestSlowCallsTakeTheirTimeOrEndWithTheirContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		if err := b.Inject(memory.Fault{Op: memory.OpSend, Delay: time.Minute}, memory.Fault{Op: memory.OpSend, Delay: time.Minute, Times: 1}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		took := func() time.Duration { d := time.Since(began); began = time.Now(); return d }

		send(t, b, keyed("a/1")...)
		want(t, "two delays", took(), 2*time.Minute)
		send(t, b, keyed("a/2")...)
		want(t, "one delay", took(), time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = b.Producer(queue).Send(ctx, keyed("a/3")...)
		want(t, "until the context ends", took(), time.Second)
	})
}

func TestDownEndsEverythingThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithCapacity(2), memory.WithClaims())
		c, other := consume(t, b), consume(t, b)
		send(t, b, keyed("a/1", "a/2")...)
		_, mm := receive(t, c, 1)
		receiving, sending := make(chan error, 1), make(chan error, 1)
		go func() { _, err := other.Receive(t.Context(), 1); receiving <- err }()
		go func() { sending <- b.Producer(queue).Send(t.Context(), keyed("a/3")...) }()
		synctest.Wait()

		b.Down()
		b.Down()

		wantErr(t, "the Receive that waited", <-receiving, memory.ErrDown)
		wantErr(t, "the Send that waited", <-sending, memory.ErrDown)
		want(t, "the claim is lost", mm[0].Claim.Lost(), true)
		ss := []async.Settlement{{Message: mm[0]}}
		wantErr(t, "Settle", c.Settle(t.Context(), ss), memory.ErrDown)
		wantErr(t, "the settlement", ss[0].Err, async.ErrLost)
		_, err := b.Consumer(queue).Create(t.Context())
		wantErr(t, "Create", err, memory.ErrDown)
		_, err = b.Consumer("another").Create(t.Context())
		wantErr(t, "Create on a new queue", err, memory.ErrDown)
		if err := errors.Join(c.Close(t.Context()), other.Close(t.Context())); err != nil {
			t.Errorf("Close: %v", err)
		}

		b.Up()

		_, err = c.Receive(t.Context(), 1)
		wantErr(t, "Receive of a consumer from before", err, memory.ErrDown)
		ids, _ := receive(t, consume(t, b), 2)
		want(t, "what is queued stays", ids, []string{"1", "2"})
	})
}

func TestClaimsAreTakenAwayWithTheirMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, memory.WithClaims())
		c1, c2 := consume(t, b), consume(t, b)
		send(t, b, keyed("a/1", "b/2")...)
		_, mm1 := receive(t, c1, 1)
		_, mm2 := receive(t, c2, 1)

		want(t, "lost", b.Lose(queue, errBroken), 2)

		want(t, "both claims are lost", []bool{mm1[0].Claim.Lost(), mm2[0].Claim.Lost()}, []bool{true, true})
		wantErr(t, "late settlement", settle(t, c1, async.Ack, mm1...)[0], async.ErrLost)
		ids, mm := receive(t, c2, 2)
		want(t, "they come again", ids, []string{"1", "2"})
		want(t, "under one new claim", mm[0].Claim == mm[1].Claim && !mm[0].Claim.Lost(), true)
		want(t, "revoked", b.Revoke(t.Context(), queue), 2)
		want(t, "the claim is lost", mm[0].Claim.Lost(), true)
	})
}

func TestMessagesWithoutClaimCannotBeLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		c := consume(t, b)
		send(t, b, keyed("a/1")...)
		_, mm := receive(t, c, 1)

		want(t, "lost and revoked", []int{b.Lose(queue, nil), b.Revoke(t.Context(), queue)}, []int{0, 0})

		wantErr(t, "settlement", settle(t, c, async.Ack, mm...)[0], nil)
	})
}
