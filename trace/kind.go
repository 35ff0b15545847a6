package trace

import (
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Kind says what sort of work an [Op] is. It decides the kind of the span, the metrics, and whether a failure is logged: servers and consumers log, since
// nobody above them can; clients and producers do not, since their caller decides.
type Kind uint8

// The kinds.
const (
	Internal   Kind = iota // a step inside a unit: span only
	HTTPServer             // a request that is answered
	HTTPClient             // a request that is made
	Consumer               // a message that is processed
	Producer               // messages that are sent
	DBClient               // a call of a database
)

// String returns the name in lower case.
func (k Kind) String() string {
	switch k {
	case Internal:
		return "internal"
	case HTTPServer:
		return "http server"
	case HTTPClient:
		return "http client"
	case Consumer:
		return "consumer"
	case Producer:
		return "producer"
	case DBClient:
		return "db client"
	default:
		return "unknown kind"
	}
}

// family is what the kinds differ in.
type family struct {
	span     oteltrace.SpanKind
	duration string          // name of the histogram; "" = no metrics
	help     string          // of the histogram
	labels   []attribute.Key // constant labels of the histogram, taken from the attributes of the Op
	status   bool            // the histogram has the label http_response_status_code
	inFlight string          // name of the gauge
	flying   string          // help of the gauge
	flyingBy []attribute.Key // labels of the gauge
	failure  string          // text of the line that End logs; "" = never
}

// familyOf returns the family of k.
func familyOf(k Kind) family {
	switch k {
	case HTTPServer:
		return family{
			span:     oteltrace.SpanKindServer,
			duration: "http_server_request_duration_seconds", help: "Time from the first byte of a request to the end of its handler.",
			labels: []attribute.Key{keyHTTPMethod, keyHTTPRoute}, status: true,
			inFlight: "http_server_active_requests", flying: "Requests that are being handled.", flyingBy: []attribute.Key{keyHTTPMethod},
			failure: "request failed",
		}
	case HTTPClient:
		return family{
			span:     oteltrace.SpanKindClient,
			duration: "http_client_request_duration_seconds", help: "Time from sending a request to the header of its response.",
			labels: []attribute.Key{keyHTTPMethod, keyServer}, status: true,
			inFlight: "http_client_active_requests", flying: "Requests that wait for their response.", flyingBy: []attribute.Key{keyHTTPMethod, keyServer},
		}
	case Consumer:
		labels := []attribute.Key{keySystem, keyDestination, keyGroup}
		return family{
			span:     oteltrace.SpanKindConsumer,
			duration: "messaging_process_duration_seconds",
			help:     "Time from the first start of a handler to the outcome of its delivery, waits between attempts included.",
			labels:   labels,
			inFlight: "patron_consumer_in_flight", flying: "Deliveries that were started and have no outcome yet.", flyingBy: labels,
			failure: "message failed",
		}
	case Producer:
		labels := []attribute.Key{keySystem, keyDestination, keyOperation}
		return family{
			span:     oteltrace.SpanKindProducer,
			duration: "messaging_client_operation_duration_seconds", help: "Time from handing messages over to their confirmation.",
			labels:   labels,
			inFlight: "patron_producer_in_flight", flying: "Sends that wait for their confirmation.", flyingBy: labels,
		}
	case DBClient:
		target := []attribute.Key{keyDBSystem, keyDBNamespace, keyServer}
		return family{
			span:     oteltrace.SpanKindClient,
			duration: "db_client_operation_duration_seconds", help: "Time from a call of a database to its answer, waiting for a connection and retries included.",
			labels:   []attribute.Key{keyDBSystem, keyDBNamespace, keyServer, keyDBOperation},
			inFlight: "patron_db_client_in_flight", flying: "Calls of databases that wait for their answer.", flyingBy: target,
		}
	case Internal:
		return family{span: oteltrace.SpanKindInternal}
	default:
		return family{span: oteltrace.SpanKindInternal}
	}
}
