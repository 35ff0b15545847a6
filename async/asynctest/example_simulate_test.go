package asynctest_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
)

// snippet: store
// deposit is what the messages say.
type deposit struct {
	Account string `json:"account"`
	Amount  int    `json:"amount"`
}

// accounts stands for the database: it survives the deaths of the service. A change of it may fail, or never be made, so it begins with a Point.
type accounts struct {
	balances map[string]int
	seen     map[string]bool // IDs of messages
}

func newAccounts() *accounts {
	return &accounts{balances: make(map[string]int), seen: make(map[string]bool)}
}

// add adds to a balance.
func (a *accounts) add(ctx context.Context, d deposit) error {
	if err := asynctest.Point(ctx, "add"); err != nil {
		return err
	}
	a.balances[d.Account] += d.Amount
	return nil
}

// addOnce adds to a balance and remembers the message, in one transaction.
func (a *accounts) addOnce(ctx context.Context, id string, d deposit) error {
	if err := asynctest.Point(ctx, "add once"); err != nil {
		return err
	}
	if !a.seen[id] {
		a.seen[id] = true
		a.balances[d.Account] += d.Amount
	}
	return nil
}

// end snippet

// snippet: careless

// careless adds the amount to the balance. What if the message comes again?
func careless(a *accounts) async.ProcessorFunc { return async.Handle(a.add) }

// end snippet

// snippet: mended

// mended remembers the ID of the message together with its effect.
func mended(a *accounts) async.ProcessorFunc {
	return func(ctx context.Context, m *async.Message) error {
		return async.Handle(func(ctx context.Context, d deposit) error { return a.addOnce(ctx, m.ID, d) })(ctx, m)
	}
}

// end snippet

// snippet: deposits

// deposits are the messages of the simulation.
func deposits() asynctest.SimulationFunc {
	return asynctest.WithMessages(
		&async.Message{Key: []byte("ann"), Data: []byte(`{"account":"ann","amount":5}`)},
		&async.Message{Key: []byte("bob"), Data: []byte(`{"account":"bob","amount":7}`)},
		&async.Message{Key: []byte("ann"), Data: []byte(`{"account":"ann","amount":-2}`)},
	)
}

// end snippet

// snippet: simulate
func TestDepositsAreMadeOnce(t *testing.T) {
	t.Parallel()
	asynctest.Simulate(t, 1, func() asynctest.App {
		a := newAccounts()
		return asynctest.App{
			Handler: func() async.ProcessorFunc { return mended(a) },
			State:   func() any { return a.balances },
		}
	}, deposits())
}

// end snippet

// snippet: unit
func TestADepositIsAdded(t *testing.T) {
	t.Parallel()
	a := newAccounts()

	err := mended(a)(t.Context(), &async.Message{ID: "1", Data: []byte(`{"account":"ann","amount":5}`)})

	if want := map[string]int{"ann": 5}; err != nil || !maps.Equal(a.balances, want) {
		t.Errorf("got %v, %v, want %v", a.balances, err, want)
	}
}

// end snippet

// A simulation is a test. The handler is the one of the service, over a fake of its store; see docs/guides/testing.md for what it finds.
//
//	func TestDepositsAreMadeOnce(t *testing.T) {
//		asynctest.Simulate(t, 1, func() asynctest.App {
//			a := newAccounts()
//			return asynctest.App{
//				Handler: func() async.ProcessorFunc { return mended(a) },
//				State:   func() any { return a.balances },
//			}
//		}, deposits())
//	}
//
// The same handler and store work without it: Point does nothing there.
func ExampleSimulate() {
	ctx := context.Background()
	a := newAccounts()
	handle := mended(a)
	m := &async.Message{ID: "1", Data: []byte(`{"account":"ann","amount":5}`)}
	fmt.Println(handle(ctx, m), a.balances)
	fmt.Println(handle(ctx, m), a.balances)
	// Output:
	// <nil> map[ann:5]
	// <nil> map[ann:5]
}

func ExamplePoint() {
	ctx, cancel := context.WithCancel(context.Background())
	a := newAccounts()
	fmt.Println(a.add(ctx, deposit{Account: "ann", Amount: 5}), a.balances)
	cancel() // as the engine does when the message is no longer ours
	fmt.Println(a.add(ctx, deposit{Account: "ann", Amount: 5}), a.balances)
	// Output:
	// <nil> map[ann:5]
	// context canceled map[ann:5]
}
