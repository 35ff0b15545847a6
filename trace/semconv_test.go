package trace_test

import (
	"strings"
	"testing"

	"github.com/beatlabs/patron/trace"
	"go.opentelemetry.io/otel/attribute"
)

// The names are those of the semantic conventions, written out: a change of version must not change them unseen.
func TestAttributesFollowTheSemanticConventions(t *testing.T) {
	t.Parallel()
	for want, got := range map[attribute.KeyValue]attribute.KeyValue{
		attribute.String("service.name", "x"):                  trace.ServiceName("x"),
		attribute.String("service.version", "x"):               trace.ServiceVersion("x"),
		attribute.String("http.request.method", "PATCH"):       trace.HTTPMethod("PATCH"),
		attribute.String("http.request.method", "GET"):         trace.HTTPMethod(""),
		attribute.String("http.route", "/x/{id}"):              trace.HTTPRoute("/x/{id}"),
		attribute.Int("http.response.status_code", 404):        trace.HTTPStatus(404),
		attribute.String("url.path", "/x"):                     trace.URLPath("/x"),
		attribute.String("url.scheme", "http"):                 trace.URLScheme("http"),
		attribute.String("url.full", "http://x/"):              trace.URLFull("http://x/"),
		attribute.String("server.address", "x"):                trace.ServerAddress("x"),
		attribute.Int("server.port", 80):                       trace.ServerPort(80),
		attribute.String("client.address", "x"):                trace.ClientAddress("x"),
		attribute.String("user_agent.original", "x"):           trace.UserAgent("x"),
		attribute.String("network.protocol.version", "1.1"):    trace.ProtocolVersion("1.1"),
		attribute.String("network.protocol.version", "2"):      trace.ProtocolVersion("2.0"),
		attribute.String("network.protocol.version", "3"):      trace.ProtocolVersion("3.0"),
		attribute.String("messaging.system", "kafka"):          trace.MessagingSystem("kafka"),
		attribute.String("messaging.destination.name", "x"):    trace.MessagingDestination("x"),
		attribute.String("messaging.consumer.group.name", "x"): trace.MessagingGroup("x"),
		attribute.String("messaging.operation.name", "send"):   trace.MessagingOperation("send"),
		attribute.String("messaging.message.id", "x"):          trace.MessageID("x"),
		attribute.Int("messaging.batch.message_count", 7):      trace.BatchSize(7),
	} {
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if !strings.HasPrefix(trace.SchemaURL, "https://opentelemetry.io/schemas/1.") {
		t.Errorf("SchemaURL: got %s", trace.SchemaURL)
	}
}

func TestMethodsThatNobodyDefinedAreOneValue(t *testing.T) {
	t.Parallel()
	other := attribute.String("http.request.method", "_OTHER")
	for _, method := range []string{"get", "PROPFIND", "G E T", "\xff", strings.Repeat("X", 1000)} {
		if got := trace.HTTPMethod(method); got != other {
			t.Errorf("HTTPMethod(%.20q): got %v, want %v", method, got, other)
		}
	}
}
