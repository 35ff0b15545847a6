// Command reference is what a service links that has the duties of an empty one of patron and no framework: net/http, slog, encoding/json, pprof, the metrics
// of client_golang, the trace SDK of OpenTelemetry, zerolog. It uses each of them as little as it can.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("run", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	logger := zerolog.New(os.Stderr).With().Timestamp().Logger()
	spans := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter{}))
	tracer := spans.Tracer("reference")
	registry := prometheus.NewRegistry()
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_seconds", Help: "Durations."}, []string{"method"})
	if err := registry.Register(seconds); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		_, span := tracer.Start(r.Context(), "request")
		defer span.End()
		var in map[string]any
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			logger.Error().Err(err).Msg("decode")
		}
		if err := json.NewEncoder(w).Encode(in); err != nil {
			logger.Error().Err(err).Msg("encode")
		}
		seconds.WithLabelValues(r.Method).Observe(time.Since(began).Seconds())
	})
	server := &http.Server{Addr: ":50000", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return errors.Join(server.ListenAndServe(), spans.Shutdown(ctx))
}

// exporter forgets spans.
type exporter struct{}

func (exporter) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (exporter) Shutdown(context.Context) error                             { return nil }
