package contender

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
)

// requestIDHeader is what the peers call the ID of a request, in the spelling that costs net/http no conversion.
const requestIDHeader = "X-Request-Id"

type requestIDKey struct{}

// requestID is the middleware for those who bring none: the ID of the request or a new one, in the context and in the answer.
func requestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader) //nolint:canonicalheader // the linter prefers what must be converted
		if id == "" {
			id = uuid.NewString()
		}
		w.Header().Set(requestIDHeader, id) //nolint:canonicalheader // the same
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// otelHandler is net/http in OpenTelemetry's handler, which traces and measures, with its metrics exposed for Prometheus, and the ID of the request.
func otelHandler(t *telemetry) (http.Handler, error) {
	meters, err := t.meterProvider()
	if err != nil {
		return nil, err
	}
	mux, err := rawHandler(t)
	if err != nil {
		return nil, err
	}
	return otelhttp.NewHandler(requestID(mux), "bench", otelhttp.WithTracerProvider(t.tracers), otelhttp.WithMeterProvider(meters),
		otelhttp.WithPropagators(t.propagators)), nil
}

// otelPromHandler is the same with client_golang for the metrics: a histogram and a counter, found by their labels.
func otelPromHandler(t *telemetry) (http.Handler, error) {
	m, err := newPromMetrics(t.registry)
	if err != nil {
		return nil, err
	}
	mux, err := rawHandler(t)
	if err != nil {
		return nil, err
	}
	return otelhttp.NewHandler(requestID(m.wrap(mux)), "bench", otelhttp.WithTracerProvider(t.tracers), otelhttp.WithMeterProvider(noop.NewMeterProvider()),
		otelhttp.WithPropagators(t.propagators)), nil
}

// promMetrics are the metrics of requests as they are written by hand.
type promMetrics struct {
	seconds  *prometheus.HistogramVec
	requests *prometheus.CounterVec
}

func newPromMetrics(r prometheus.Registerer) (*promMetrics, error) {
	m := &promMetrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_seconds", Help: "Durations.", Buckets: prometheus.DefBuckets,
		}, []string{"method", "route", "code"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests."}, []string{"method", "route", "code"}),
	}
	if err := r.Register(m.seconds); err != nil {
		return nil, err
	}
	return m, r.Register(m.requests)
}

func (m *promMetrics) observe(method, route string, status int, began time.Time) {
	code := strconv.Itoa(status)
	m.seconds.WithLabelValues(method, route, code).Observe(time.Since(began).Seconds())
	m.requests.WithLabelValues(method, route, code).Inc()
}

// wrap measures what mux serves, which says in the request what its route is.
func (m *promMetrics) wrap(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		mux.ServeHTTP(s, r)
		m.observe(r.Method, r.Pattern, s.status, began)
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
