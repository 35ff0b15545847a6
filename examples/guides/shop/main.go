// snippet: program

// Command shop takes orders over HTTP and processes them as messages.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

type order struct {
	Invoice string `json:"invoice" validate:"required"`
	Pieces  int    `json:"pieces"  validate:"min=1"`
}

func main() {
	service, err := newShop()
	if err == nil {
		err = service.Run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func newShop(oo ...patron.OptionFunc) (*patron.Service, error) {
	broker, err := memory.New()
	if err != nil {
		return nil, err
	}
	orders := broker.Producer("orders")

	// Takes an order: 422 with every fault at once if it is wrong, 202 once the broker has it.
	place := psync.Handle(func(ctx context.Context, o order) (*psync.Response, error) {
		if err := async.Publish(ctx, orders, o.Invoice, o); err != nil {
			return nil, &psync.Error{Code: psync.Unavailable, Err: err}
		}
		return &psync.Response{Status: http.StatusAccepted}, nil
	})

	// Processes it: tried again when it fails, dead-lettered when that does not help, finished before the service stops.
	process, err := async.New("orders", broker.Consumer("orders"), async.Handle(func(ctx context.Context, o order) error {
		slog.InfoContext(ctx, "order processed", "invoice", o.Invoice, "pieces", o.Pieces)
		return nil
	}), async.WithConcurrency(8))
	if err != nil {
		return nil, err
	}

	return patron.New("shop", "1.0.0", append(oo,
		patron.WithComponents(process),
		patron.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(phttp.NewPostRouteBuilder("/orders", place))),
	)...)
}

// end snippet
