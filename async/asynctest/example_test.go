package asynctest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/async/memory"
)

// orders is a harness: one source of a broker, which is made for a case. It also lets the suite read dead letters and take the broker away.
type orders struct{ broker *memory.Broker }

var (
	_ asynctest.Harness          = orders{}
	_ asynctest.DeadLetterReader = orders{}
	_ asynctest.Outage           = orders{}
)

func newOrders(t testing.TB) asynctest.Harness {
	b, err := memory.New()
	if err != nil {
		t.Fatal(err)
	}
	return orders{broker: b}
}

func (o orders) Factory() async.ConsumerFactory { return o.broker.Consumer("orders") }
func (o orders) Producer() async.Producer       { return o.broker.Producer("orders") }
func (o orders) Close()                         {}
func (o orders) Down()                          { o.broker.Down() }
func (o orders) Up()                            { o.broker.Up() }

func (o orders) DeadLetters(context.Context) ([]*async.Message, error) {
	return o.broker.DeadLetters("orders"), nil
}

// The test of a driver is three calls:
//
//	asynctest.Run(t, traits, newOrders, asynctest.WithVirtualTime())
//	asynctest.RunProducer(t, traits, newOrders, asynctest.WithVirtualTime())
//	asynctest.RunDeadLetters(t, traits, newOrders, asynctest.WithVirtualTime())
//
// Here the harness is used by hand, as the suite does.
func Example() {
	ctx := context.Background()
	h := newOrders(nil)
	defer h.Close()

	if err := h.Producer().Send(ctx, &async.Message{ID: "536365"}); err != nil {
		fmt.Println(err)
	}
	c, err := h.Factory().Create(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	mm, err := c.Receive(ctx, 1)
	fmt.Println(len(mm), mm[0].ID, err)
	ss := []async.Settlement{{Message: mm[0], Verdict: async.Ack}}
	fmt.Println(c.Settle(ctx, ss), ss[0].Err)
	fmt.Println(c.Close(ctx))
	// Output:
	// 1 536365 <nil>
	// <nil> <nil>
	// <nil>
}
