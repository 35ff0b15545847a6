package consume_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/cloudevents"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/reliability"
)

// snippet: order

type order struct {
	Invoice string `json:"invoice"`
	Pieces  int    `json:"pieces"`
}

// end snippet

// publish sends orders of one customer; in a service an HTTP handler does it.
func publish(broker *memory.Broker, customer string, oo ...order) {
	for _, o := range oo {
		if err := async.Publish(context.Background(), broker.Producer("orders"), customer, o); err != nil {
			fmt.Println(err)
		}
	}
}

// drain runs a component on what is queued: a queue in memory is emptied before Run returns.
func drain(c *async.Component, err error) {
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := c.Run(ctx); err != nil {
		fmt.Println(err)
	}
}

func Example_typed() {
	broker, _ := memory.New()
	publish(broker, "17850", order{Invoice: "536365", Pieces: 6})
	_ = broker.Producer("orders").Send(context.Background(), &async.Message{ID: "not an order", Data: []byte("{")})

	// snippet: typed
	process := async.Handle(func(ctx context.Context, o order) error {
		fmt.Println("processing", o.Invoice)
		return nil
	})
	orders, err := async.New("orders", broker.Consumer("orders"), process)
	// end snippet
	drain(orders, err)

	for _, dead := range broker.DeadLetters("orders") {
		fmt.Printf("dead: %s: %s\n", dead.ID, dead.Headers.Get(async.HeaderDeadCause))
	}
	// Output:
	// processing 536365
	// dead: not an order: decode: JSON that ends early, after byte 1
}

func Example_types() {
	broker, _ := memory.New()
	ctx, producer := context.Background(), broker.Producer("orders")

	// snippet: types
	process, err := async.Route(
		async.OnType("order.placed", async.Handle(func(ctx context.Context, o order) error {
			fmt.Println("placed", o.Invoice)
			return nil
		})),
		async.OnType("order.cancelled", async.Handle(func(ctx context.Context, o order) error {
			fmt.Println("cancelled", o.Invoice)
			return nil
		})),
		async.Otherwise(func(ctx context.Context, msg *async.Message) error {
			fmt.Printf("passed over: %q\n", async.TypeOf(msg))
			return nil
		}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := async.New("orders", broker.Consumer("orders"), process)
	// end snippet
	if err != nil {
		fmt.Println(err)
		return
	}

	// snippet: publish
	err = errors.Join(
		async.Publish(ctx, producer, "17850", order{Invoice: "536365"}, async.WithType("order.placed")),
		async.Publish(ctx, producer, "17850", order{Invoice: "536365"}, async.WithType("order.viewed")),
		async.Publish(ctx, producer, "17850", order{Invoice: "536365"}, async.WithType("order.cancelled")),
	)
	// end snippet
	drain(orders, err)
	// Output:
	// placed 536365
	// passed over: "order.viewed"
	// cancelled 536365
}

func Example_events() {
	broker, _ := memory.New()
	ctx := context.Background()

	// snippet: events
	producer, err := cloudevents.Wrap(broker.Producer("orders"), "/shop") // what it sends is an event from /shop
	if err != nil {
		fmt.Println(err)
		return
	}
	err = async.Publish(ctx, producer, "17850", order{Invoice: "536365"},
		async.WithID("7"), async.WithType("com.example.order.placed"), cloudevents.WithSubject("customer 17850"))
	if err != nil {
		fmt.Println(err)
		return
	}
	process := cloudevents.Handle(func(ctx context.Context, e cloudevents.Event, o order) error {
		fmt.Println("event", e.ID, "from", e.Source, "about", e.Subject, "with invoice", o.Invoice)
		return nil
	})
	// end snippet
	for _, msg := range broker.Messages("orders") {
		for _, key := range []string{"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "Content-Type"} {
			fmt.Printf("%s: %s\n", key, msg.Headers.Get(key))
		}
	}
	drain(async.New("orders", broker.Consumer("orders"), process))
	// Output:
	// ce_specversion: 1.0
	// ce_id: 7
	// ce_source: /shop
	// ce_type: com.example.order.placed
	// ce_subject: customer 17850
	// Content-Type: application/json; charset=utf-8
	// event 7 from /shop about customer 17850 with invoice 536365
}

func Example_failures() {
	broker, _ := memory.New()
	publish(broker, "17850", order{Invoice: "1"}, order{Invoice: "2"}, order{Invoice: "3"})

	// snippet: failures
	errBusy := errors.New("the stock service is busy")
	process := func(ctx context.Context, msg *async.Message) error {
		o, err := async.Decode[order](json.Codecs(), msg)
		if err != nil {
			return err // permanent: trying again is of no use
		}
		switch {
		case o.Invoice == "1" && msg.Attempt < 3:
			fmt.Printf("invoice %s, attempt %d: busy\n", o.Invoice, msg.Attempt)
			return errBusy // transient: tried again
		case o.Invoice == "2":
			return reliability.Permanent(errors.New("no such article")) // dead at once
		}
		fmt.Printf("invoice %s, attempt %d: done\n", o.Invoice, msg.Attempt)
		return nil
	}
	orders, err := async.New("orders", broker.Consumer("orders"), process,
		async.WithTries(3),
		async.WithBackoff(10*time.Millisecond, time.Second),
		async.WithOnDead(func(ctx context.Context, msg *async.Message, cause error) error {
			fmt.Printf("dead after attempt %d: %v\n", msg.Attempt, cause)
			return nil
		}),
	)
	// end snippet
	drain(orders, err)
	// Output:
	// invoice 1, attempt 1: busy
	// invoice 1, attempt 2: busy
	// invoice 1, attempt 3: done
	// dead after attempt 1: no such article
	// invoice 3, attempt 1: done
}

func Example_idempotent() {
	broker, _ := memory.New()
	msg := &async.Message{ID: "m1", Data: []byte(`{"invoice":"536365","pieces":6}`)}
	_ = broker.Producer("orders").Send(context.Background(), msg, msg) // as after a crash between effect and settlement

	var stock store
	// snippet: idempotent
	process := func(ctx context.Context, msg *async.Message) error {
		o, err := async.Decode[order](json.Codecs(), msg)
		if err != nil {
			return err
		}
		// In one transaction: note the ID, and take the pieces only if it was not there before.
		return stock.once(ctx, msg.ID, func() { stock.taken += o.Pieces })
	}
	// end snippet
	drain(async.New("orders", broker.Consumer("orders"), process))

	fmt.Println("pieces taken:", stock.taken)
	// Output:
	// pieces taken: 6
}

// store stands for a database.
type store struct {
	seen  map[string]bool
	taken int
}

func (s *store) once(_ context.Context, id string, effect func()) error {
	if s.seen[id] {
		return nil
	}
	if s.seen == nil {
		s.seen = make(map[string]bool)
	}
	s.seen[id] = true
	effect()
	return nil
}

func Example_batch() {
	broker, _ := memory.New()
	publish(broker, "17850", order{Invoice: "1"}, order{Invoice: "2"}, order{Invoice: "3"}, order{Invoice: "4"})

	failed := false
	// snippet: batch
	write := func(ctx context.Context, msgs []*async.Message) error {
		for i, msg := range msgs {
			o, err := async.Decode[order](json.Codecs(), msg)
			if err != nil {
				return async.StopAt(i, err)
			}
			if o.Invoice == "3" && !failed {
				failed = true
				fmt.Printf("batch of %d: invoice 3 fails\n", len(msgs))
				return async.StopAt(i, errors.New("the connection is gone")) // 1 and 2 are done, 4 was not touched
			}
			fmt.Println("written:", o.Invoice)
		}
		return nil
	}
	orders, err := async.NewBatch("orders", broker.Consumer("orders"), write, async.WithBatchSize(50))
	// end snippet
	drain(orders, err)
	// Output:
	// written: 1
	// written: 2
	// batch of 4: invoice 3 fails
	// written: 3
	// written: 4
}

func Example_order() {
	broker, _ := memory.New()
	for i := range 3 {
		publish(broker, "ada", order{Pieces: i + 1})
		publish(broker, "bob", order{Pieces: i + 1})
	}
	seen := map[string]chan int{"ada": make(chan int, 3), "bob": make(chan int, 3)}

	// snippet: lanes
	process := func(ctx context.Context, msg *async.Message) error {
		o, err := async.Decode[order](json.Codecs(), msg)
		if err != nil {
			return err
		}
		seen[string(msg.Key)] <- o.Pieces // never two of one key at the same time
		return nil
	}
	orders, err := async.New("orders", broker.Consumer("orders"), process, async.WithConcurrency(8))
	// end snippet
	drain(orders, err)

	for _, key := range []string{"ada", "bob"} {
		fmt.Println(key, <-seen[key], <-seen[key], <-seen[key])
	}
	// Output:
	// ada 1 2 3
	// bob 1 2 3
}

func Example_middleware() {
	broker, _ := memory.New()
	publish(broker, "17850", order{Invoice: "536365"})

	// snippet: middleware
	audit := func(next async.ProcessorFunc) async.ProcessorFunc {
		return func(ctx context.Context, msg *async.Message) error {
			err := next(ctx, msg)
			fmt.Printf("audit: attempt %d: %v\n", msg.Attempt, err)
			return err
		}
	}
	orders, err := async.New("orders", broker.Consumer("orders"), func(context.Context, *async.Message) error { return nil },
		async.WithMiddlewares(audit))
	// end snippet
	drain(orders, err)
	// Output:
	// audit: attempt 1: <nil>
}

func Example_delays() {
	broker, _ := memory.New()
	process := async.Handle(func(context.Context, order) error { return nil })
	// snippet: delays
	orders, err := async.New("orders", broker.Consumer("orders"), process,
		async.Unordered(),  // what is delayed is overtaken, and this says that it may be
		async.WithTries(1), // one try in place
		async.WithDelays(time.Minute, 10*time.Minute), // then a second one after a minute, and a last one ten minutes later
	)
	// end snippet
	fmt.Println(orders, err)
	// Output:
	// orders <nil>
}

func Example_options() {
	broker, _ := memory.New()
	// snippet: refused
	_, err := async.New("orders", broker.Consumer("orders"), async.Handle(func(context.Context, order) error { return nil }),
		async.WithConcurrency(0),
		async.WithDelays(time.Minute),
	)
	fmt.Println(err)
	// end snippet

	// Output:
	// async: component "orders": concurrency 0: want at least 1
	// delays [1m0s]: they break the order of this source: add Unordered, or use tries in place
}
