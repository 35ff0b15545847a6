// snippet: program

// Command control takes orders of two types, and gives an operator routes to look into what died and to send it again.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

type order struct {
	Invoice string `json:"invoice" validate:"required"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "control:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	broker, err := memory.New()
	if err != nil {
		return err
	}
	stock := &stockService{}
	proc, err := async.Route(
		async.OnType("placed", async.Handle(stock.reserve)),
		async.OnType("cancelled", async.Handle(stock.release)),
	)
	if err != nil {
		return err
	}
	process, err := async.New("orders", broker.Consumer("orders"), proc, async.WithTries(1))
	if err != nil {
		return err
	}
	dead, ok := process.DeadLetters() // false: the driver has none that can be read
	if !ok {
		return errors.New("no dead letters")
	}
	s := &shop{orders: broker.Producer("orders"), dead: dead}
	service, err := patron.New("control", "1.0.0",
		patron.WithComponents(process),
		patron.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(
			phttp.NewPostRouteBuilder("/orders/{type}", s.publish),
		).Append(
			phttp.NewPostRouteBuilder("/stock/open", stock.repair),
		).Append(
			phttp.NewGetRouteBuilder("/dead", s.list), // in production an operator must say who he is
		).Append(
			phttp.NewGetRouteBuilder("/dead/{id}", s.get),
		).Append(
			phttp.NewDeleteRouteBuilder("/dead/{id}", s.remove),
		).Append(
			phttp.NewPostRouteBuilder("/dead/replay", s.replay),
		)),
	)
	if err != nil {
		return err
	}
	return service.Run(ctx)
}

// stockService stands for one that is away until it is repaired.
type stockService struct{ open atomic.Bool }

func (s *stockService) reserve(ctx context.Context, o order) error {
	if !s.open.Load() {
		return errors.New("the stock service is away")
	}
	slog.InfoContext(ctx, "reserved", "invoice", o.Invoice)
	return nil
}

func (s *stockService) release(ctx context.Context, o order) error {
	slog.InfoContext(ctx, "released", "invoice", o.Invoice)
	return nil
}

func (s *stockService) repair(context.Context, *psync.Request) (*psync.Response, error) {
	s.open.Store(true)
	return psync.NewResponse("open"), nil
}

// shop publishes orders, and knows which of them died.
type shop struct {
	orders async.Producer
	dead   async.DeadLetters
}

func (s *shop) publish(ctx context.Context, req *psync.Request) (*psync.Response, error) {
	var o order
	if err := req.Decode(&o); err != nil {
		return nil, err
	}
	err := async.Publish(ctx, s.orders, o.Invoice, o, async.WithType(req.Field("type")), async.WithID(o.Invoice))
	if err != nil {
		return nil, &psync.Error{Code: psync.Unavailable, Err: err}
	}
	return &psync.Response{Status: http.StatusAccepted}, nil
}

type letter struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Cause    string `json:"cause"`
	Attempts int    `json:"attempts"`
}

func letterOf(d *async.DeadLetter) letter {
	return letter{ID: d.Message.ID, Type: async.TypeOf(d.Message), Cause: d.Cause, Attempts: d.Attempts}
}

func (s *shop) list(ctx context.Context, req *psync.Request) (*psync.Response, error) {
	found := []letter{}
	for d, err := range s.dead.List(ctx, async.DeadFilter{Cause: req.Field("cause")}) {
		if err != nil {
			return nil, err
		}
		found = append(found, letterOf(d))
	}
	return psync.NewResponse(found), nil
}

func (s *shop) get(ctx context.Context, req *psync.Request) (*psync.Response, error) {
	d, err := s.dead.Get(ctx, req.Field("id"))
	switch {
	case errors.Is(err, async.ErrNoLetter):
		return nil, psync.NewNotFoundError("no such dead letter")
	case err != nil:
		return nil, err
	}
	return psync.NewResponse(letterOf(d)), nil
}

func (s *shop) remove(ctx context.Context, req *psync.Request) (*psync.Response, error) {
	d, err := s.dead.Get(ctx, req.Field("id"))
	switch {
	case errors.Is(err, async.ErrNoLetter):
		return nil, nil // it is gone, as was wanted
	case err != nil:
		return nil, err
	}
	return nil, s.dead.Remove(ctx, d)
}

func (s *shop) replay(ctx context.Context, req *psync.Request) (*psync.Response, error) {
	options := []async.ReplayOption{
		async.ReplayFilter(async.DeadFilter{Cause: req.Field("cause")}),
		async.ReplayRate(50),    // a second, so that what is new has room
		async.ReplayLimit(1000), // of one request
	}
	if req.Field("dry") == "true" {
		options = append(options, async.ReplayDryRun())
	}
	result, err := async.Replay(ctx, s.dead, s.orders, options...)
	if err != nil {
		return nil, err
	}
	return psync.NewResponse(result), nil
}

// end snippet
