package law_test

import (
	"slices"
	"strings"
	"testing"
)

// Do not change this data to fix builds. It says what a binary pays for.

// forbidden is what the root package never links, and why. A service that only serves HTTP links the root package.
var forbidden = map[string]string{
	"testing":                            "flags, profiles and a test runner do not belong in a service",
	"net/http/httptest":                  "the same",
	"google.golang.org/grpc":             "only component/grpc and client/grpc, which the user imports",
	"go.opentelemetry.io/otel/exporters": "OTLP links gRPC; trace/otlp is one import and one option",
	"go.opentelemetry.io/otel/bridge":    "trace/opentracing is for those who come from there",
	"github.com/opentracing":             "trace/opentracing is for those who come from there",
	"github.com/uber/jaeger-client-go":   "archived; trace/jaeger speaks the protocol itself",
	"github.com/twmb/franz-go":           "a broker client",
	"github.com/IBM/sarama":              "a broker client",
	"github.com/rabbitmq/amqp091-go":     "a broker client",
	"github.com/aws/aws-sdk-go-v2":       "a broker client",
	"github.com/redis/go-redis":          "only cache/redis, client/redis and async/inbox/redis",
	"github.com/jackc/pgx":               "the user brings the database driver",
	"github.com/lib/pq":                  "the user brings the database driver",
	"github.com/go-sql-driver/mysql":     "the user brings the database driver",
	"github.com/mattn/go-sqlite3":        "the user brings the database driver",
	"modernc.org/sqlite":                 "the user brings the database driver",
	"database/sql":                       "only async/sql, client/sql and what stands on them",
	module + "/async":                    "a service without messages has no engine; components come as values",
	module + "/client":                   "a service that calls nobody has no clients",
}

func TestTheRootPackageStaysSmall(t *testing.T) {
	t.Parallel()
	h := house(t)
	root, ok := h.all[module]
	if !ok {
		t.Fatal("there is no root package")
	}
	for _, dep := range root.Deps {
		for bad, why := range forbidden {
			if dep == bad || strings.HasPrefix(dep, bad+"/") && dep != "database/sql/driver" { // google/uuid, of the OpenTelemetry SDK, has its Value type
				t.Errorf("the root package links %s: %s", dep, why)
			}
		}
	}
}

// The foreign modules, by what brings them.
var (
	traceAPI = []string{"go.opentelemetry.io/otel", "go.opentelemetry.io/otel/trace", "github.com/cespare/xxhash/v2"}
	otelAPI  = slices.Concat(traceAPI, []string{
		"go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/log", "go.opentelemetry.io/auto/sdk",
		"github.com/go-logr/logr", "github.com/go-logr/stdr",
	})
	prometheus = []string{
		"github.com/prometheus/client_golang", "github.com/prometheus/client_model", "github.com/prometheus/common", "github.com/prometheus/procfs",
		"github.com/beorn7/perks", "github.com/cespare/xxhash/v2", "github.com/munnerz/goautoneg", "golang.org/x/sys", "google.golang.org/protobuf",
	}
	otelSDK = slices.Concat(otelAPI, []string{
		"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/contrib/propagators/b3", "go.opentelemetry.io/contrib/propagators/jaeger",
		"github.com/google/uuid", "golang.org/x/sys",
	})
	zerolog   = []string{"github.com/rs/zerolog", "github.com/mattn/go-colorable", "github.com/mattn/go-isatty", "golang.org/x/sys"}
	protobuf  = []string{"google.golang.org/protobuf"}
	rateLimit = []string{"golang.org/x/time"}
	redis     = []string{"github.com/redis/go-redis/v9", "go.uber.org/atomic"}
	aws       = []string{
		"github.com/aws/aws-sdk-go-v2", "github.com/aws/aws-sdk-go-v2/internal/configsources", "github.com/aws/aws-sdk-go-v2/internal/endpoints/v2",
		"github.com/aws/aws-sdk-go-v2/service/sqs", "github.com/aws/aws-sdk-go-v2/service/sns", "github.com/aws/smithy-go",
	}
	observed = slices.Concat(otelAPI, prometheus) // what comes with every unit of work: the API of OpenTelemetry, and client_golang
)

// testTools are the modules that packages for tests may bring besides: those whose names end in test.
var testTools = []string{"github.com/google/go-cmp", "go.uber.org/goleak", "pgregory.net/rapid"}

// forTests reports whether p is a package for tests, ours or users'.
func forTests(p *pkg) bool { return strings.HasSuffix(p.Name, "test") }

// links says which foreign modules a package may link, through whatever it imports.
var links = []line{
	{[]string{"reliability/ratelimit"}, rateLimit},
	// The vocabulary: the standard library and nothing else.
	{[]string{"correlation", "component", "encoding", "encoding/json", "reliability/...", "sync"}, nil},
	{[]string{"cache", "cache/cachetest", "cache/lru", "config"}, nil},
	{[]string{"encoding/protobuf"}, protobuf},
	{[]string{"log"}, traceAPI},
	{[]string{"log/zerolog"}, slices.Concat(traceAPI, zerolog)},
	{[]string{"metric"}, slices.Concat(prometheus, traceAPI)},
	{[]string{"trace"}, observed},
	{[]string{"trace/jaeger", "trace/provider"}, otelSDK},
	{[]string{"trace/tracetest"}, slices.Concat(observed, otelSDK)},
	{[]string{"."}, slices.Concat(observed, otelSDK, zerolog)},
	{[]string{"internal/logtest"}, slices.Concat(observed, rateLimit)},
	{[]string{"internal/..."}, nil},
	// Transports and what stands on them: observed, never with the SDK, never with each other's clients.
	{[]string{"component/grpc", "client/grpc"}, slices.Concat(observed, []string{
		"google.golang.org/grpc", "google.golang.org/genproto/googleapis/rpc", "golang.org/x/net", "golang.org/x/text",
	})},
	{[]string{"component/...", "client/http", "client/sql"}, observed},
	{[]string{"async/inbox/redis", "client/redis"}, slices.Concat(observed, rateLimit, redis)},
	{[]string{"async/inbox", "async/inbox/inboxtest"}, slices.Concat(observed, rateLimit)},
	{[]string{"async/sqs"}, slices.Concat(observed, rateLimit, aws)},
	{[]string{"async/kafka/sarama"}, slices.Concat(observed, rateLimit, []string{
		"github.com/IBM/sarama", "github.com/davecgh/go-spew", "github.com/eapache/go-resiliency", "github.com/hashicorp/go-uuid",
		"github.com/jcmturner/aescts/v2", "github.com/jcmturner/dnsutils/v2", "github.com/jcmturner/gofork", "github.com/jcmturner/gokrb5/v8",
		"github.com/jcmturner/rpc/v2", "github.com/klauspost/compress", "github.com/pierrec/lz4/v4", "github.com/rcrowley/go-metrics",
		"golang.org/x/crypto", "golang.org/x/net",
	})},
	{[]string{"async/amqp"}, slices.Concat(observed, rateLimit, []string{"github.com/rabbitmq/amqp091-go"})},
	{[]string{"async", "async/asynctest", "async/cloudevents", "async/memory", "async/sql", "async/push"}, slices.Concat(observed, rateLimit)},
	{[]string{"async/kafka"}, slices.Concat(observed, rateLimit, []string{
		"github.com/twmb/franz-go", "github.com/twmb/franz-go/pkg/kadm", "github.com/twmb/franz-go/pkg/kmsg", "github.com/klauspost/compress",
		"github.com/pierrec/lz4/v4",
	})},
	{[]string{"async/kafka/internal/..."}, slices.Concat(observed, rateLimit)},
}

func TestEveryPackageLinksWhatItMay(t *testing.T) {
	t.Parallel()
	h := house(t)
	for _, p := range h.own {
		law, ok := lineOf(links, p.path())
		if !ok {
			t.Errorf("%s: no line says what it may link", p.path())
			continue
		}
		told := make(map[string]bool) // a module is named once, by its first package
		for _, dep := range p.Deps {
			d := h.all[dep]
			if d.Standard || d.path() != "" || told[d.Module.Path] || slices.Contains(law.may, d.Module.Path) {
				continue
			}
			if forTests(p) && slices.Contains(testTools, d.Module.Path) {
				continue
			}
			told[d.Module.Path] = true
			t.Errorf("%s links module %s, for instance %s", p.path(), d.Module.Path, dep)
		}
	}
}

func TestOnlyPackagesForTestsLinkTesting(t *testing.T) {
	t.Parallel()
	for _, p := range house(t).own {
		if forTests(p) {
			continue
		}
		for _, runner := range []string{"testing", "net/http/httptest"} {
			if slices.Contains(p.Deps, runner) {
				t.Errorf("%s links %s, and so does every service that uses it", p.path(), runner)
			}
		}
	}
}
