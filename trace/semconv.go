package trace

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// SchemaURL names the version of the OpenTelemetry semantic conventions that every attribute of the framework follows. This file is the only one that imports
// them, so that a rename is one edit.
const SchemaURL = semconv.SchemaURL

// ServiceName is the resource attribute service.name.
func ServiceName(name string) attribute.KeyValue { return semconv.ServiceName(name) }

// ServiceVersion is the resource attribute service.version.
func ServiceVersion(version string) attribute.KeyValue { return semconv.ServiceVersion(version) }

// HTTPMethod is http.request.method: one of the methods that RFC 9110 and RFC 5789 define, or _OTHER.
func HTTPMethod(method string) attribute.KeyValue {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE":
		return semconv.HTTPRequestMethodKey.String(method)
	case "":
		return semconv.HTTPRequestMethodGet
	default:
		return semconv.HTTPRequestMethodOther
	}
}

// HTTPRoute is http.route: the pattern, never the path.
func HTTPRoute(pattern string) attribute.KeyValue { return semconv.HTTPRoute(pattern) }

// HTTPStatus is http.response.status_code.
func HTTPStatus(code int) attribute.KeyValue { return semconv.HTTPResponseStatusCode(code) }

// URLPath is url.path; only for spans.
func URLPath(path string) attribute.KeyValue { return semconv.URLPath(path) }

// URLScheme is url.scheme.
func URLScheme(scheme string) attribute.KeyValue { return semconv.URLScheme(scheme) }

// URLFull is url.full, without credentials and query; only for spans.
func URLFull(url string) attribute.KeyValue { return semconv.URLFull(url) }

// ServerAddress is server.address.
func ServerAddress(host string) attribute.KeyValue { return semconv.ServerAddress(host) }

// ServerPort is server.port.
func ServerPort(port int) attribute.KeyValue { return semconv.ServerPort(port) }

// ClientAddress is client.address; only for spans.
func ClientAddress(address string) attribute.KeyValue { return semconv.ClientAddress(address) }

// UserAgent is user_agent.original; only for spans.
func UserAgent(agent string) attribute.KeyValue { return semconv.UserAgentOriginal(agent) }

// ProtocolVersion is network.protocol.version; only for spans. The versions of HTTP that net/http calls 2.0 and 3.0 are 2 and 3.
func ProtocolVersion(version string) attribute.KeyValue {
	switch version {
	case "2.0":
		version = "2"
	case "3.0":
		version = "3"
	}
	return semconv.NetworkProtocolVersion(version)
}

// MessagingSystem is messaging.system: kafka, rabbitmq, aws_sqs, memory and so on.
func MessagingSystem(system string) attribute.KeyValue {
	return semconv.MessagingSystemKey.String(system)
}

// MessagingDestination is messaging.destination.name: the topic or queue.
func MessagingDestination(name string) attribute.KeyValue {
	return semconv.MessagingDestinationName(name)
}

// MessagingGroup is messaging.consumer.group.name.
func MessagingGroup(name string) attribute.KeyValue {
	return semconv.MessagingConsumerGroupName(name)
}

// MessagingOperation is messaging.operation.name: process, send and so on.
func MessagingOperation(name string) attribute.KeyValue {
	return semconv.MessagingOperationName(name)
}

// MessageID is messaging.message.id; only for spans.
func MessageID(id string) attribute.KeyValue { return semconv.MessagingMessageID(id) }

// BatchSize is messaging.batch.message_count; only for spans.
func BatchSize(n int) attribute.KeyValue { return semconv.MessagingBatchMessageCount(n) }

// DBSystem is db.system.name: redis, postgresql, mysql and so on.
func DBSystem(name string) attribute.KeyValue { return semconv.DBSystemNameKey.String(name) }

// DBNamespace is db.namespace: the name or the number of the database.
func DBNamespace(name string) attribute.KeyValue { return semconv.DBNamespace(name) }

// DBOperation is db.operation.name: the command, from a small set.
func DBOperation(name string) attribute.KeyValue { return semconv.DBOperationName(name) }

// DBQueryText is db.query.text, with placeholders in place of values; only for spans.
func DBQueryText(text string) attribute.KeyValue { return semconv.DBQueryText(text) }

// DBBatchSize is db.operation.batch.size; only for spans.
func DBBatchSize(n int) attribute.KeyValue { return semconv.DBOperationBatchSize(n) }

// The keys by which the framework itself reads attributes back.
const (
	keyHTTPMethod   = semconv.HTTPRequestMethodKey
	keyHTTPRoute    = semconv.HTTPRouteKey
	keyHTTPStatus   = semconv.HTTPResponseStatusCodeKey
	keyServer       = semconv.ServerAddressKey
	keySystem       = semconv.MessagingSystemKey
	keyDestination  = semconv.MessagingDestinationNameKey
	keyGroup        = semconv.MessagingConsumerGroupNameKey
	keyOperation    = semconv.MessagingOperationNameKey
	keyDBSystem     = semconv.DBSystemNameKey
	keyDBNamespace  = semconv.DBNamespaceKey
	keyDBOperation  = semconv.DBOperationNameKey
	keyErrorType    = semconv.ErrorTypeKey
	keyCorrelation  = attribute.Key("patron.correlation_id")
	keyAttempt      = attribute.Key("patron.attempt")
	keyAttemptWait  = attribute.Key("patron.attempt.wait")
	keyErrorMessage = semconv.ExceptionMessageKey
	keyErrorStack   = semconv.ExceptionStacktraceKey
	keyErrorKind    = semconv.ExceptionTypeKey
)
