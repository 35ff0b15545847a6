package contender

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"go.opentelemetry.io/contrib/instrumentation/github.com/labstack/echo/otelecho"
)

// echoHandler is echo with its middlewares for recovery and the ID of the request, OpenTelemetry's for traces, and client_golang for metrics.
func echoHandler(t *telemetry) (http.Handler, error) {
	m, err := newPromMetrics(t.registry)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Use(
		middleware.Recover(),
		otelecho.Middleware("bench", otelecho.WithTracerProvider(t.tracers), otelecho.WithPropagators(t.propagators)),
		func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				began := time.Now()
				err := next(c)
				m.observe(c.Request().Method, c.Path(), c.Response().Status, began)
				return err
			}
		},
		middleware.RequestID(),
	)
	shop := newShop()
	e.GET("/users/:id", func(c echo.Context) error { return c.JSON(http.StatusOK, newUser(c.Param("id"), shop.roles)) })
	e.POST("/orders", func(c echo.Context) error {
		var o Order
		if err := c.Bind(&o); err != nil {
			return err
		}
		if err := o.check(); err != nil {
			return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
		}
		return c.JSON(http.StatusCreated, o.receipt())
	})
	return e, nil
}
