package contender

import (
	"context"
	"net/http"

	"github.com/go-kratos/kratos/v2/errors"
	"github.com/go-kratos/kratos/v2/middleware/metrics"
	"github.com/go-kratos/kratos/v2/middleware/recovery"
	"github.com/go-kratos/kratos/v2/middleware/tracing"
	khttp "github.com/go-kratos/kratos/v2/transport/http"
)

// kratosHandler is kratos with its middlewares for recovery, traces and metrics, and handlers in the form that its generator writes. It ships no ID of the
// request, so that is the one by hand.
func kratosHandler(t *telemetry) (http.Handler, error) {
	meters, err := t.meterProvider()
	if err != nil {
		return nil, err
	}
	meter := meters.Meter("kratos")
	requests, err := metrics.DefaultRequestsCounter(meter, metrics.DefaultServerRequestsCounterName)
	if err != nil {
		return nil, err
	}
	seconds, err := metrics.DefaultSecondsHistogram(meter, metrics.DefaultServerSecondsHistogramName)
	if err != nil {
		return nil, err
	}
	server := khttp.NewServer(
		khttp.Filter(requestID),
		khttp.Middleware(
			recovery.Recovery(),
			tracing.Server(tracing.WithTracerProvider(t.tracers), tracing.WithPropagator(t.propagators)),
			metrics.Server(metrics.WithSeconds(seconds), metrics.WithRequests(requests)),
		),
	)
	shop, router := newShop(), server.Route("/")
	router.GET("/users/{id}", func(ctx khttp.Context) error {
		khttp.SetOperation(ctx, "/bench.Users/Get")
		id := ctx.Vars().Get("id")
		h := ctx.Middleware(func(context.Context, any) (any, error) { return newUser(id, shop.roles), nil })
		out, err := h(ctx, id)
		if err != nil {
			return err
		}
		return ctx.Result(http.StatusOK, out)
	})
	router.POST("/orders", func(ctx khttp.Context) error {
		var o Order
		if err := ctx.Bind(&o); err != nil {
			return err
		}
		khttp.SetOperation(ctx, "/bench.Orders/Place")
		h := ctx.Middleware(func(context.Context, any) (any, error) {
			if err := o.check(); err != nil {
				return nil, errors.New(http.StatusUnprocessableEntity, "ORDER", err.Error())
			}
			return o.receipt(), nil
		})
		out, err := h(ctx, &o)
		if err != nil {
			return err
		}
		return ctx.Result(http.StatusCreated, out)
	})
	return server, nil
}
