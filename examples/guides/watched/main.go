// snippet: program

// Command watched is the shop with a metric, a span and a log line of its own; its spans go to standard output.
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
	"github.com/beatlabs/patron/metric"
	psync "github.com/beatlabs/patron/sync"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/provider"
)

type order struct {
	Invoice string `json:"invoice" validate:"required"`
	Pieces  int    `json:"pieces"  validate:"min=1"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "watched:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	broker, err := memory.New()
	if err != nil {
		return err
	}
	orders := broker.Producer("orders")
	place := psync.Handle(func(ctx context.Context, o order) (*psync.Response, error) {
		if err := async.Publish(ctx, orders, o.Invoice, o); err != nil {
			return nil, &psync.Error{Code: psync.Unavailable, Err: err}
		}
		return &psync.Response{Status: http.StatusAccepted}, nil
	})
	process, err := async.New("orders", broker.Consumer("orders"), async.Handle(processOrder))
	if err != nil {
		return err
	}
	spans, err := provider.NewJSONExporter(os.Stdout)
	if err != nil {
		return err
	}
	service, err := patron.New("shop", "1.0.0",
		patron.WithComponents(process),
		patron.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(phttp.NewPostRouteBuilder("/orders", place))),
		patron.WithTracing(provider.WithExporter(spans)),
	)
	if err != nil {
		return err
	}
	return service.Run(ctx)
}

// snippet: watch

func processOrder(ctx context.Context, o order) error {
	if err := reserve(ctx, o); err != nil {
		return err
	}
	slog.InfoContext(ctx, "order processed", "invoice", o.Invoice)
	return nil
}

func reserve(ctx context.Context, o order) (err error) {
	ctx, span := trace.Start(ctx, "reserve")
	defer func() { span.End(err) }()

	metric.FromContext(ctx).Counter(metric.Opts{Name: "shop_pieces_total", Help: "Pieces reserved."}).With().Add(float64(o.Pieces))
	return nil
}

// end snippet
// end snippet
