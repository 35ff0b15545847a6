package contender

import (
	"context"
	"errors"
	"fmt"
	"net/http"

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
	ours := func(name string, get, post any) Contender {
		return Contender{Name: name, IDHeader: correlation.HeaderID, ours: func(method string) any {
			if method == http.MethodGet {
				return get
			}
			return post
		}}
	}
	return []Contender{
		ours(Ours, http.HandlerFunc(shop.getUser), http.HandlerFunc(shop.postOrder)),
		ours(Ours+"-ProcessorFunc",
			psync.ProcessorFunc(func(_ context.Context, r *psync.Request) (*psync.Response, error) {
				return psync.NewResponse(newUser(r.Field("id"), shop.roles)), nil
			}),
			psync.ProcessorFunc(func(_ context.Context, r *psync.Request) (*psync.Response, error) {
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
			psync.Handle(func(_ context.Context, r *psync.Request) (User, error) {
				return newUser(r.Field("id"), shop.roles), nil
			}),
			psync.Handle(func(_ context.Context, o Order) (Receipt, error) { return o.receipt(), nil })),
	}
}

// routes returns the routes of one of ours.
func (c Contender) routes() ([]*phttp.Route, error) {
	var routes []*phttp.Route
	var errs []error
	for method, path := range map[string]string{http.MethodGet: "/users/{id}", http.MethodPost: "/orders"} {
		var rb *phttp.RouteBuilder
		switch run := c.ours(method).(type) {
		case http.HandlerFunc:
			rb = phttp.NewHandlerRouteBuilder(path, run)
		case psync.ProcessorFunc:
			rb = phttp.NewRouteBuilder(path, run)
		default:
			return nil, fmt.Errorf("%s: %T: want a handler or a processor", c.Name, run)
		}
		route, err := rb.Method(method).Build()
		routes, errs = append(routes, route), append(errs, err)
	}
	return routes, errors.Join(errs...)
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
		Context: trace.WithTelemetry(ctx, trace.NewTelemetry(p.TracerProvider(), p.Propagator(), registry)),
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
