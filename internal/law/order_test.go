package law_test

import (
	"slices"
	"strings"
	"testing"
)

// Do not change this data to fix builds. It says who stands on whom.

var (
	// vocabulary is what everything else speaks.
	vocabulary = []string{"correlation", "component", "encoding", "encoding/json", "reliability", "sync"}
	// observation is how work is seen.
	observation = []string{"log", "metric", "trace"}
	// transport is what anything that takes or makes calls stands on.
	transport = slices.Concat(vocabulary, observation)
)

// order says which of our own packages a package may import. What is internal may be imported by all.
var order = []line{
	{[]string{"correlation", "component", "encoding"}, nil},
	{[]string{"encoding/..."}, []string{"encoding"}},
	{[]string{"sync"}, []string{"encoding", "encoding/json"}},
	{[]string{"reliability"}, []string{"sync"}},
	{[]string{"reliability/..."}, []string{"reliability", "sync"}},
	{[]string{"cache", "config"}, nil},
	{[]string{"cache/..."}, []string{"cache"}},

	{[]string{"log"}, []string{"correlation"}},
	{[]string{"log/zerolog"}, []string{"log"}},
	{[]string{"metric"}, nil},
	{[]string{"trace"}, []string{"correlation", "log", "metric", "reliability"}},
	{[]string{"trace/jaeger"}, nil},
	{[]string{"trace/provider"}, []string{"reliability"}},
	{[]string{"trace/tracetest"}, []string{"metric", "trace"}},
	{[]string{"trace/..."}, []string{"trace", "trace/provider"}},

	{[]string{"component/componenttest"}, []string{"component", "reliability"}},
	{[]string{"component/http"}, slices.Concat(transport, []string{"cache"})},
	{[]string{"component/..."}, transport},
	{[]string{"client/..."}, slices.Concat(transport, []string{"reliability/circuitbreaker", "reliability/retry"})},

	{[]string{"async"}, slices.Concat(transport, []string{"reliability/ratelimit"})},
	{[]string{"async/asynctest"}, slices.Concat(transport, []string{"async", "component/componenttest", "trace/tracetest"})},
	{[]string{"async/push"}, slices.Concat(transport, []string{"async", "client/http"})},
	{[]string{"async/inbox"}, slices.Concat(transport, []string{"async", "async/sql"})},
	{[]string{"async/inbox/..."}, slices.Concat(transport, []string{"async", "async/inbox"})},
	{[]string{"async/kafka/sarama"}, slices.Concat(transport, []string{"async", "async/kafka"})}, // the books and the records of both drivers
	{[]string{"async/..."}, slices.Concat(transport, []string{"async"})},                         // drivers know the engine and never each other

	{[]string{"."}, slices.Concat(transport, []string{"component/http", "log/zerolog", "trace/jaeger", "trace/provider"})},
	{[]string{"console", "cmd/..."}, slices.Concat(transport, []string{".", "component/http", "config"})},
	{[]string{"internal/logtest"}, []string{"async"}},
	{[]string{"internal/..."}, nil},
}

func TestOurPackagesStandInOrder(t *testing.T) {
	t.Parallel()
	for _, p := range house(t).own {
		law, ok := lineOf(order, p.path())
		if !ok {
			t.Errorf("%s: no line says what it may import", p.path())
			continue
		}
		for _, imported := range p.Imports {
			own := owner(ownPath(imported))
			if own == "" || own == owner(p.path()) || strings.HasPrefix(own, "internal/") || slices.Contains(law.may, own) {
				continue
			}
			t.Errorf("%s imports %s", p.path(), own)
		}
	}
}

// door says which packages may import a foreign library, which may end in "/" to stand for everything below a path.
type door struct {
	library  string
	packages []string
}

func (d door) leadsTo(imported string) bool {
	return imported == d.library || strings.HasSuffix(d.library, "/") && strings.HasPrefix(imported, d.library)
}

// doors has one door for each foreign library; the first that matches counts. OpenTelemetry's API is vocabulary and not a client, but for its globals and the
// propagation, which are the business of package trace.
var doors = []door{
	{"github.com/prometheus/", []string{"metric"}},
	{"github.com/rs/zerolog", []string{"log/zerolog"}},
	{"google.golang.org/protobuf/", []string{"encoding/protobuf"}},
	{"golang.org/x/time/rate", []string{"reliability/ratelimit"}},

	{"go.opentelemetry.io/otel", []string{"trace", "trace/provider", "."}},
	{"go.opentelemetry.io/otel/propagation", []string{"trace", "trace/provider", "."}},
	{"go.opentelemetry.io/otel/semconv/", []string{"trace"}},
	{"go.opentelemetry.io/otel/sdk/", []string{"trace/provider", "trace/jaeger", "trace/otlp", "trace/tracetest"}},
	{"go.opentelemetry.io/otel/exporters/", []string{"trace/otlp"}},
	{"go.opentelemetry.io/otel/bridge/", []string{"trace/opentracing"}},
	{"go.opentelemetry.io/otel/", []string{
		".", "log", "log/zerolog", "metric", "trace/...", "component/http", "component/grpc", "component/worker", "client/...", "async/...",
	}},
	{"go.opentelemetry.io/contrib/propagators/", []string{"trace/provider"}},
	{"github.com/opentracing/", []string{"trace/opentracing"}},

	{"google.golang.org/grpc", []string{"component/grpc", "client/grpc"}},
	{"google.golang.org/grpc/", []string{"component/grpc", "client/grpc"}},
	{"github.com/twmb/franz-go/", []string{"async/kafka"}},
	{"github.com/IBM/sarama", []string{"async/kafka/sarama"}},
	{"github.com/rcrowley/go-metrics", []string{"async/kafka/sarama"}},
	{"github.com/rabbitmq/amqp091-go", []string{"async/amqp"}},
	{"github.com/aws/", []string{"async/sqs"}},
	{"github.com/redis/", []string{"async/inbox/redis", "cache/redis", "client/redis"}},
}

func TestEachForeignLibraryHasOneDoor(t *testing.T) {
	t.Parallel()
	h := house(t)
	for _, p := range h.own {
		for _, imported := range p.Imports {
			d, ok := h.all[imported]
			if !ok || d.Standard || d.path() != "" || forTests(p) && slices.Contains(testTools, d.Module.Path) {
				continue
			}
			i := slices.IndexFunc(doors, func(d door) bool { return d.leadsTo(imported) })
			switch {
			case i < 0:
				t.Errorf("%s imports %s, for which there is no door", p.path(), imported)
			case !matches(doors[i].packages, owner(p.path())):
				t.Errorf("%s imports %s: its door is %s", p.path(), imported, strings.Join(doors[i].packages, ", "))
			}
		}
	}
}
