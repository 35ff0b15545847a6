package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// enter places an order for an account and gives its digest.
func enter(tb testing.TB, b *Book, invoice, customer string) (*Order, [32]byte) {
	tb.Helper()
	o := goodOrder()
	o.Invoice, o.Customer = invoice, customer
	_, digest, err := o.encode()
	if err != nil {
		tb.Fatal(err)
	}
	if placing, err := b.Place(tb.Context(), o, digest); placing != PlacedNew || err != nil {
		tb.Fatalf("place %s: got %v, %v, want PlacedNew", invoice, placing, err)
	}
	return o, digest
}

func invoices(views []View) []string {
	var ii []string
	for _, v := range views {
		ii = append(ii, v.Invoice+" "+string(v.Status))
	}
	return ii
}

func TestOrderExistsFromItsConfirmationOn(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	enter(t, b, "1", "ann")

	if _, ok := b.Order("1"); ok {
		t.Error("an order that is not confirmed can be read")
	}
	if got := b.Summary(); got != (Summary{Value: "0.00"}) {
		t.Errorf("got %+v, want nothing", got)
	}
	b.Confirm("1")
	b.Confirm("1")
	b.Confirm("unknown")

	want := View{Invoice: "1", Customer: "ann", Status: Accepted, Value: "35.64", Location: "/orders/1"}
	if got, ok := b.Order("1"); got != want || !ok {
		t.Errorf("got %+v, %t, want %+v", got, ok, want)
	}
	if got, want := b.Summary(), (Summary{Accepted: 1, Waiting: 1, Value: "0.00"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOrderThatIsWithdrawnNeverWas(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	enter(t, b, "1", "ann")

	if !b.Withdraw("1") {
		t.Error("got false, want it withdrawn")
	}
	if !b.Withdraw("1") {
		t.Error("got false for an order that is not there, want true")
	}

	enter(t, b, "1", "ann")
}

func TestOrderThatIsBeingProcessedCannotBeWithdrawn(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	o, digest := enter(t, b, "1", "ann")
	b.Start(o, digest, 1)

	if b.Withdraw("1") {
		t.Error("got true, want false: the broker has it after all")
	}
	if _, ok := b.Order("1"); !ok {
		t.Error("the order is gone")
	}
}

func TestSecondPlacingWaitsForTheOutcomeOfTheFirst(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		decide func(*Book)
		other  bool
		want   Placing
	}{
		"confirmed":              {func(b *Book) { b.Confirm("1") }, false, PlacedBefore},
		"confirmed, but another": {func(b *Book) { b.Confirm("1") }, true, PlacedDifferent},
		"withdrawn":              {func(b *Book) { b.Withdraw("1") }, false, PlacedNew},
		"withdrawn, and another": {func(b *Book) { b.Withdraw("1") }, true, PlacedNew},
		"processed in the meantime": {func(b *Book) {
			o := goodOrder()
			o.Invoice, o.Customer = "1", "ann"
			_, digest, _ := o.encode()
			b.Start(o, digest, 1)
		}, false, PlacedBefore},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := NewBook(nil)
				o, digest := enter(t, b, "1", "ann")
				if test.other {
					digest[0]++
				}
				var got Placing
				done := false
				go func() {
					got, _ = b.Place(t.Context(), o, digest)
					done = true
				}()

				synctest.Wait()
				if done {
					t.Fatal("the second did not wait")
				}
				test.decide(b)
				synctest.Wait()

				if !done || got != test.want {
					t.Errorf("got %v, done %t, want %v", got, done, test.want)
				}
			})
		})
	}
}

func TestPlacingWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	o, digest := enter(t, b, "1", "ann")
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)

	if _, err := b.Place(ctx, o, digest); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

func TestOrdersOfACustomerAreFinishedOnesByEffectThenWaitingOnesByAcceptance(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)
	for _, invoice := range []string{"1", "2", "3", "4", "5"} {
		enter(t, b, invoice, "ann")
	}
	for _, invoice := range []string{"2", "1", "5", "3", "4"} {
		b.Confirm(invoice)
	}
	start := func(invoice string) {
		o := goodOrder()
		o.Invoice, o.Customer = invoice, "ann"
		b.Start(o, [32]byte{}, 1)
	}
	start("3")
	start("1")
	start("5")
	b.Finish("1", ended(1, Dead, "because", time.Now()))
	b.Finish("3", ended(1, Processed, "", time.Now()))

	want := []string{"1 dead", "3 processed", "2 accepted", "5 processing", "4 accepted"}
	if diff := cmp.Diff(want, invoices(b.Orders("ann"))); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	if got := b.Orders("nobody"); got == nil || len(got) != 0 {
		t.Errorf("got %#v for an unknown customer, want a list without orders", got)
	}
}

func TestSummaryCountsEachOrderWhereItIs(t *testing.T) {
	t.Parallel()
	var told []Finish
	b := NewBook(func(f Finish) { told = append(told, f) })
	orders, digests := map[string]*Order{}, map[string][32]byte{}
	for _, invoice := range []string{"1", "2", "3", "4", "5"} {
		orders[invoice], digests[invoice] = enter(t, b, invoice, "ann")
		b.Confirm(invoice)
	}
	at := time.Now()
	b.Refuse()
	b.Refuse()
	for attempt := 1; attempt <= 3; attempt++ {
		b.Start(orders["1"], digests["1"], attempt)
	}
	b.Finish("1", ended(3, Processed, "", at))
	b.Start(orders["2"], digests["2"], 1)
	b.Finish("2", ended(1, Dead, "manual", at))
	b.Start(orders["3"], digests["3"], 1)
	b.Start(orders["3"], digests["3"], 2)
	b.Start(orders["4"], digests["4"], 1)
	b.Abandon("4")
	b.Abandon("unknown")

	want := Summary{Accepted: 5, Refused: 2, Waiting: 2, Processing: 1, Processed: 1, Dead: 1, Retried: 3, Value: "35.64"}
	if got := b.Summary(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if v, _ := b.Order("2"); v.Cause != "manual" || v.Attempts != 1 {
		t.Errorf("got %+v, want the cause and one attempt", v)
	}
	wantTold := []Finish{
		{Invoice: "1", Status: Processed, Attempts: 3, Value: pence(3564), At: at}, {Invoice: "2", Status: Dead, Attempts: 1, Value: pence(3564), At: at},
	}
	if diff := cmp.Diff(wantTold, told, cmp.AllowUnexported(Money{})); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func ended(attempts int, status Status, cause string, at time.Time) Outcome {
	return Outcome{Status: status, Attempts: attempts, Cause: cause, At: at}
}

func TestSecondFinishDoesNothing(t *testing.T) {
	t.Parallel()
	told := 0
	b := NewBook(func(Finish) { told++ })
	o, digest := enter(t, b, "1", "ann")
	b.Start(o, digest, 1)

	b.Finish("1", ended(1, Processed, "", time.Now()))
	before := b.Summary()
	b.Finish("1", ended(1, Dead, "late", time.Now()))
	b.Finish("unknown", ended(1, Dead, "", time.Now()))
	again := b.Start(o, digest, 2)

	if got := b.Summary(); again || got != before || told != 1 || !b.IsFinished("1") {
		t.Errorf("started again %t, %+v, told %d times, want nothing after %+v", again, got, told, before)
	}
}

func TestMessageOfAnOrderThatNobodyPlacedIsAnOrder(t *testing.T) {
	t.Parallel()
	b := NewBook(nil)

	started := b.Start(goodOrder(), [32]byte{}, 1)

	if v, ok := b.Order("536365"); !started || !ok || v.Status != Processing {
		t.Errorf("got %t, %+v, want it to be processing", started, v)
	}
}

func TestBookKeepsItsSumsWhateverComesTogether(t *testing.T) {
	t.Parallel()
	const customers, each = 8, 50
	b := NewBook(nil)
	var all sync.WaitGroup
	for c := range customers {
		all.Go(func() {
			for i := range each {
				o := goodOrder()
				o.Invoice, o.Customer = fmt.Sprintf("%dx%d", c, i), strconv.Itoa(c)
				_, digest, _ := o.encode()
				for range 2 { // twice the same: one of them enters it
					all.Go(func() {
						if placing, _ := b.Place(context.Background(), o, digest); placing == PlacedNew {
							b.Confirm(o.Invoice)
							b.Start(o, digest, 1)
							b.Start(o, digest, 2)
							b.Finish(o.Invoice, ended(2, Processed, "", time.Now()))
						}
					})
				}
				all.Go(func() {
					s := b.Summary()
					if s.Accepted != s.Waiting+s.Processing+s.Processed+s.Dead {
						t.Errorf("%+v does not add up", s)
					}
					b.Orders(o.Customer)
				})
			}
		})
	}
	all.Wait()

	const n = customers * each
	want := Summary{Accepted: n, Processed: n, Retried: n, Value: pence(n * 3564).String()}
	if got := b.Summary(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for c := range customers {
		if got := len(b.Orders(strconv.Itoa(c))); got != each {
			t.Errorf("customer %d has %d orders, want %d", c, got, each)
		}
	}
}
