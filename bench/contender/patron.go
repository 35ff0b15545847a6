package contender

import (
	"context"
	"errors"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/metric"
	psync "github.com/beatlabs/patron/sync"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/provider"
)

// patronContenders are the three ways to write a handler for patron.
func patronContenders() []Contender {
	shop := newShop()
	const users, orders = "/users/{id}", "/orders"
	return []Contender{
		ours(Ours, phttp.NewRawRouteBuilder(users, shop.getUser).MethodGet(), phttp.NewRawRouteBuilder(orders, shop.postOrder).MethodPost()),
		ours(Ours+"-ProcessorFunc",
			phttp.NewGetRouteBuilder(users, func(_ context.Context, r *psync.Request) (*psync.Response, error) {
				return psync.NewResponse(newUser(r.Field("id"), shop.roles)), nil
			}),
			phttp.NewPostRouteBuilder(orders, func(_ context.Context, r *psync.Request) (*psync.Response, error) {
				var o Order
				if err := r.Decode(&o); err != nil {
					return nil, err
				}
				if err := o.check(); err != nil {
					return nil, psync.NewValidationError(err.Error(), psync.Fault{Detail: "some field breaks its rule"})
				}
				return psync.NewResponse(o.receipt()), nil
			})),
		ours(Ours+"-Handle",
			phttp.NewGetRouteBuilder(users, psync.Handle(func(_ context.Context, r *psync.Request) (User, error) {
				return newUser(r.Field("id"), shop.roles), nil
			})),
			phttp.NewPostRouteBuilder(orders, psync.Handle(func(_ context.Context, o Order) (Receipt, error) { return o.receipt(), nil }))),
	}
}

func ours(name string, builders ...*phttp.RouteBuilder) Contender {
	return Contender{Name: name, IDHeader: correlation.HeaderID, routes: func() ([]*phttp.Route, error) {
		var routes []*phttp.Route
		var errs []error
		for _, rb := range builders {
			route, err := rb.Build()
			routes, errs = append(routes, route), append(errs, err)
		}
		return routes, errors.Join(errs...)
	}}
}

// patronHandler is the HTTP component of a service that runs, with the telemetry that a service puts into the context of its requests.
func patronHandler(ctx context.Context, c Contender, mode Mode) (*Handler, error) {
	routes, err := c.routes()
	if err != nil {
		return nil, err
	}
	server, err := phttp.New(phttp.WithRoutes(routes...), phttp.WithGate(func() component.State { return component.Running }))
	if err != nil {
		return nil, err
	}
	spans := new(discard)
	p, err := provider.New("bench", "", provider.WithSampler(mode.sampler()), provider.WithExporter(spans))
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	registry := metric.NewRegistry()
	return &Handler{
		Handler: server,
		Context: trace.WithTelemetry(context.Background(), trace.NewTelemetry(p.TracerProvider(), p.Propagator(), registry)),
		Exported: func(ctx context.Context) (int64, error) {
			err := p.ForceFlush(ctx)
			return spans.spans.Load(), err
		},
		Shutdown: p.Shutdown,
		gatherer: registry.Gatherer(),
	}, nil
}

// patronServe runs a whole service.
func patronServe(ctx context.Context, c Contender, mode Mode, ready func(address string)) error {
	routes, err := c.routes()
	if err != nil {
		return err
	}
	service, err := patron.New("bench", "",
		patron.WithRoutes(routes...),
		patron.WithHTTP(phttp.WithAddress("127.0.0.1:0")),
		patron.WithManagementAddr("off"),
		patron.WithTracing(provider.WithSampler(mode.sampler()), provider.WithExporter(new(discard))),
	)
	if err != nil {
		return err
	}
	go func() {
		select {
		case <-service.Started():
			ready(service.Addr())
		case <-ctx.Done():
		}
	}()
	return service.Run(ctx)
}
