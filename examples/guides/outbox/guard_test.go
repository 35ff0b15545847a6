package outbox_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/inbox"
	inboxredis "github.com/beatlabs/patron/async/inbox/redis"
	"github.com/beatlabs/patron/async/memory"
	predis "github.com/beatlabs/patron/client/redis"
	"github.com/beatlabs/patron/encoding/json"
	"github.com/redis/go-redis/v9"
)

// codecs are those of the messages.
var codecs = json.Codecs()

func Example_guard() {
	server, err := miniredis.Run()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	// snippet: guard
	client, err := predis.New(&redis.Options{Addr: server.Addr()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	store, err := inboxredis.New(client)
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := inbox.NewGuard("mails", store)
	if err != nil {
		fmt.Println(err)
		return
	}
	mails, err := async.New("mails", broker.Consumer("orders"), async.Handle(func(ctx context.Context, o order) error {
		fmt.Println("mail for order", o.Invoice)
		return nil
	}), async.WithDeduplication(guard))
	// end snippet
	if err != nil {
		fmt.Println(err)
		return
	}

	for range 2 {
		if err := async.Publish(ctx, broker.Producer("orders"), "17850", order{Invoice: "536365"}, async.WithID("536365")); err != nil {
			fmt.Println(err)
		}
	}
	stop() // a service does it; the component finishes what is there
	fmt.Println(mails.Run(ctx))
	// Output:
	// mail for order 536365
	// <nil>
}
