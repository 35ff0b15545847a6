package trace_test

import (
	"testing"

	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// ops holds an Op of each kind with all the attributes that its metrics ask for.
func ops() map[trace.Kind]*trace.Op {
	return map[trace.Kind]*trace.Op{
		trace.Internal:   trace.NewOp(trace.Internal, "step"),
		trace.HTTPServer: trace.NewOp(trace.HTTPServer, "POST /orders", trace.HTTPMethod("POST"), trace.HTTPRoute("/orders")),
		trace.HTTPClient: trace.NewOp(trace.HTTPClient, "GET", trace.HTTPMethod("GET"), trace.ServerAddress("stock")),
		trace.Consumer: trace.NewOp(trace.Consumer, "process orders",
			trace.MessagingSystem("memory"), trace.MessagingDestination("orders"), trace.MessagingGroup("shop")),
		trace.Producer: trace.NewOp(trace.Producer, "send orders",
			trace.MessagingSystem("memory"), trace.MessagingDestination("orders"), trace.MessagingOperation("send")),
		trace.DBClient: trace.NewOp(trace.DBClient, "GET",
			trace.DBSystem("redis"), trace.DBNamespace("0"), trace.DBOperation("GET"), trace.ServerAddress("stock")),
	}
}

func TestEveryKindHasAName(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for k := trace.Internal; k <= trace.DBClient; k++ {
		if name := k.String(); name == "unknown kind" || seen[name] {
			t.Errorf("Kind(%d): got %q", k, name)
		}
		seen[k.String()] = true
	}
	if got := (trace.DBClient + 1).String(); got != "unknown kind" {
		t.Errorf("beyond the last: got %q", got)
	}
}

func TestEveryKindHasItsSpanAndItsMetrics(t *testing.T) {
	t.Parallel()
	for kind, want := range map[trace.Kind]struct {
		span, name, duration, inFlight string
		labels                         []string
		attributes                     map[string]any
	}{
		trace.Internal: {span: "internal", name: "step", attributes: map[string]any{}},
		trace.HTTPServer: {
			span: "server", name: "POST /orders", duration: "http_server_request_duration_seconds", inFlight: "http_server_active_requests",
			labels:     []string{"http_request_method", "POST", "http_route", "/orders", "http_response_status_code", "", "error_type", ""},
			attributes: map[string]any{"http.request.method": "POST", "http.route": "/orders"},
		},
		trace.HTTPClient: {
			span: "client", name: "GET", duration: "http_client_request_duration_seconds", inFlight: "http_client_active_requests",
			labels:     []string{"http_request_method", "GET", "server_address", "stock", "http_response_status_code", "", "error_type", ""},
			attributes: map[string]any{"http.request.method": "GET", "server.address": "stock"},
		},
		trace.Consumer: {
			span: "consumer", name: "process orders", duration: "messaging_process_duration_seconds", inFlight: "patron_consumer_in_flight",
			labels: []string{
				"messaging_system", "memory", "messaging_destination_name", "orders", "messaging_consumer_group_name", "shop", "error_type", "",
			},
			attributes: map[string]any{"messaging.system": "memory", "messaging.destination.name": "orders", "messaging.consumer.group.name": "shop"},
		},
		trace.Producer: {
			span: "producer", name: "send orders", duration: "messaging_client_operation_duration_seconds", inFlight: "patron_producer_in_flight",
			labels:     []string{"messaging_system", "memory", "messaging_destination_name", "orders", "messaging_operation_name", "send", "error_type", ""},
			attributes: map[string]any{"messaging.system": "memory", "messaging.destination.name": "orders", "messaging.operation.name": "send"},
		},
		trace.DBClient: {
			span: "client", name: "GET", duration: "db_client_operation_duration_seconds", inFlight: "patron_db_client_in_flight",
			labels:     []string{"db_system_name", "redis", "db_namespace", "0", "server_address", "stock", "db_operation_name", "GET", "error_type", ""},
			attributes: map[string]any{"db.system.name": "redis", "db.namespace": "0", "server.address": "stock", "db.operation.name": "GET"},
		},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			rec := tracetest.New()

			ctx, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: ops()[kind]})
			flying := rec.Metric(want.inFlight)
			span.End(nil)

			spans := rec.Spans()
			if len(spans) != 1 || spans[0].Name != want.name || spans[0].Kind != want.span || spans[0].Status != "unset" {
				t.Fatalf("spans: got %+v", spans)
			}
			want.attributes["patron.correlation_id"] = correlationID(ctx)
			if diff := cmp.Diff(want.attributes, spans[0].Attributes); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if want.duration == "" {
				families, err := rec.Telemetry().Metrics().Gatherer().Gather()
				if len(families) != 0 || err != nil {
					t.Errorf("metrics: got %v, %v, want none", families, err)
				}
				return
			}
			if got := rec.Metric(want.duration, want.labels...); got != 1 {
				t.Errorf("%s %q: got %v, want 1", want.duration, want.labels, got)
			}
			if after := rec.Metric(want.inFlight); flying != 1 || after != 0 {
				t.Errorf("%s: got %v during and %v after the work, want 1 and 0", want.inFlight, flying, after)
			}
		})
	}
}

func TestTheMetricsAreCleanForTheLinter(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	for _, op := range ops() {
		_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: op})
		span.End(nil)
	}

	families, err := rec.Telemetry().Metrics().Gatherer().Gather()
	if err != nil || len(families) != 10 {
		t.Fatalf("families: got %d, %v, want a histogram and a gauge of five kinds", len(families), err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if len(problems) > 0 || err != nil {
		t.Errorf("lint: got %v, %v", problems, err)
	}
}

func TestAnUnknownKindIsAStep(t *testing.T) {
	t.Parallel()
	rec := tracetest.New()
	_, span := trace.Begin(rec.Context(t.Context()), trace.Unit{Op: trace.NewOp(trace.Kind(99), "odd")})
	span.End(errClosed)
	if got := rec.Spans(); len(got) != 1 || got[0].Kind != "internal" || got[0].Status != "error" {
		t.Errorf("spans: got %+v", got)
	}
}
