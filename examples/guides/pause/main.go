// snippet: program

// Command pause takes orders and calls a payment service. Its consumer can be paused, calls no more often than it may, and is watched.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/reliability/ratelimit"
	psync "github.com/beatlabs/patron/sync"
)

type order struct {
	Invoice string `json:"invoice" validate:"required"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "pause:", err)
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
		if err := async.Publish(ctx, orders, o.Invoice, o, async.WithID(o.Invoice)); err != nil {
			return nil, &psync.Error{Code: psync.Unavailable, Err: err}
		}
		return &psync.Response{Status: http.StatusAccepted}, nil
	})
	payment := &paymentService{answer: make(chan struct{})}
	process, err := async.New("orders", broker.Consumer("orders"), async.Handle(payment.collect),
		async.WithConcurrency(8),
		async.WithRateLimit(100, time.Second, ratelimit.WithBurst(10)), // what the payment service allows
		async.WithWatchdog(time.Second),                                // a minute, the default, is better where you do not watch it at work
	)
	if err != nil {
		return err
	}
	service, err := patron.New("pause", "1.0.0",
		patron.WithComponents(process),
		patron.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(
			phttp.NewPostRouteBuilder("/orders", place),
		).Append(
			phttp.NewPostRouteBuilder("/pause", do(process.Pause)), // in production an operator must say who he is
		).Append(
			phttp.NewPostRouteBuilder("/resume", do(process.Resume)),
		).Append(
			phttp.NewPostRouteBuilder("/answer", do(sync.OnceFunc(func() { close(payment.answer) }))),
		)),
	)
	if err != nil {
		return err
	}
	return service.Run(ctx)
}

func do(what func()) psync.ProcessorFunc {
	return func(context.Context, *psync.Request) (*psync.Response, error) {
		what()
		return nil, nil
	}
}

// paymentService stands for one that does not answer when it is to collect for the order 536366.
type paymentService struct{ answer chan struct{} }

func (p *paymentService) collect(ctx context.Context, o order) error {
	if o.Invoice == "536366" {
		select {
		case <-p.answer:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	slog.InfoContext(ctx, "paid", "invoice", o.Invoice)
	return nil
}

// end snippet
