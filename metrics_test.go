package patron

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	phttpclient "github.com/beatlabs/patron/client/http"
	predis "github.com/beatlabs/patron/client/redis"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	psync "github.com/beatlabs/patron/sync"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/provider"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"
)

//go:generate go test -run ^TestTheMetricsDocumentIsCurrent$ -count=1 . -args -write

const metricsFile = "docs/metrics.md"

// metricSections say when each metric changes: what its help does not say.
func metricSections() []metricSection {
	return []metricSection{
		{"HTTP server", "Of every request to the HTTP component and to the management listener. `http_route` is the pattern of a route, never a path.", []metricText{
			{
				"http_server_request_duration_seconds", "When the handler has returned. `error_type` is empty, a status of 500 or above, `panic`, or what cut the " +
					"request short, as `canceled`.",
			},
			{"http_server_active_requests", "Up when a request begins, down when its handler has returned."},
		}},
		{"HTTP client", "Of every attempt that a client of `client/http` makes.", []metricText{
			{
				"http_client_request_duration_seconds", "When the header of the response is there, or when it is certain that none will come. `server_address` is the " +
					"host; beyond the limit of targets it is `_OTHER`.",
			},
			{"http_client_active_requests", "Up when a request is sent, down when the header of its response is there."},
		}},
		{"Consumers", "Of every source that a component of `async` consumes.", []metricText{
			{"messaging_process_duration_seconds", "When a delivery that was started has its outcome. `error_type` is empty if that is a success."},
			{"patron_consumer_in_flight", "Up when a handler is first started for a delivery, down when that has its outcome."},
			{"patron_consumer_received_messages_total", "When a message is received; one that comes again counts again."},
			{
				"patron_consumer_messages_total", "`processed`, `duplicate`, `dead`, `discarded`, `released` and `lost` when that is the outcome of a delivery, " +
					"`failed` at each attempt that fails, `retried` when another one follows, in place or later, `postponed` when the handler did not begin and is " +
					"started again, `expired` instead of a first attempt that comes too late.",
			},
			{"patron_consumer_held_messages", "Up when a message is received, down when it is settled or lost."},
			{"patron_consumer_oldest_message_age_seconds", "Follows the oldest message that is held, at intervals. It grows when a message is tried again and again."},
			{"patron_consumer_lag_messages", "Follows what the broker says, at intervals, if the driver can ask it. `partition` is empty where there are none."},
			{
				"patron_consumer_missing_messages_total", "When a driver of a log finds that messages are gone which its group has not received; each time is an error " +
					"in the log as well.",
			},
			{"patron_consumer_paused", "When the user pauses or resumes. `messaging_destination_name` is the source that was named, or empty for all."},
			{"patron_consumer_stalled", "1 when messages wait and nothing has moved for the time of `WithWatchdog`, 0 when things move again."},
		}},
		{"Producers", "Of every send of a producer.", []metricText{
			{"messaging_client_operation_duration_seconds", "When the broker has confirmed the messages of one call, or refused them."},
			{"patron_producer_in_flight", "Up when a send begins, down when it is confirmed or refused."},
		}},
		{"Databases", "Of every call that a client of `client/redis` makes.", []metricText{
			{
				"db_client_operation_duration_seconds", "When the answer of a command or of a pipeline is there, or when it is certain that none will come. `error_type` " +
					"is the first word of what the server answers, or `timeout`, `canceled`, `transient`.",
			},
			{"patron_db_client_in_flight", "Up when a call begins, down when it has its answer."},
			{"patron_db_client_connections", "Read at each scrape, from the first call of the client until it is gone."},
			{"db_client_connection_max", "When the first call of a client shows its pool; the clients of one pool name are added up."},
		}},
		{"Service", "Of the service and its components.", []metricText{
			{"target_info", "Always 1; its labels are name and version, to join other metrics with."},
			{"patron_component_state", "At each change of state. Of the series of one component exactly one is 1."},
			{"patron_health_check_status", "Each time a check was asked, which is when `/ready` is, or while the service starts."},
		}},
		{"Tracing", "Of the exporters of spans.", []metricText{
			{"patron_trace_spans_dropped_total", "When spans are lost, by exporter and reason."},
		}},
	}
}

type metricSection struct {
	title, text string
	metrics     []metricText
}

type metricText struct{ name, when string }

func TestTheMetricsDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	want := metricsDocument(t, everyMetric(t))
	if *write {
		if err := os.WriteFile(metricsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale, make it anew with go generate (-want +got):\n%s", metricsFile, diff)
	}
}

// The rules of promtool check metrics.
func TestTheMetricsAreNamedAsPrometheusWants(t *testing.T) {
	t.Parallel()
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(everyMetric(t)))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// What looks like the name of a metric in the code is one that the service below has made, or a label of one: so none is missing from the document.
func TestNoMetricIsMissing(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"patron_inbox": true} // a table
	for name, family := range everyMetric(t) {
		known[name] = true
		for _, label := range labelsOf(family) {
			known[label] = true
		}
	}
	literal := regexp.MustCompile(`"((?:patron|http|messaging|db)_[a-z0-9_]+)"`)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{"examples", "tests", "bench", ".git", ".bin", "testdata"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range literal.FindAllSubmatch(text, -1) {
			if !known[string(m[1])] {
				t.Errorf("%s: %s is in no metric that was gathered: make everyMetric use what counts it, and %s say when", path, m[1], metricsFile)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// everyMetric runs a service that does everything there is, and returns what it registered, by name.
func everyMetric(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	registry := metric.NewRegistry()
	broker, err := memory.New()
	if err != nil {
		t.Fatal(err)
	}
	processed := make(chan struct{})
	consumer, err := async.New("orders", broker.Consumer("orders"), func(context.Context, *async.Message) error {
		close(processed)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := phttpclient.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	cache, err := predis.New(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	called := make(chan error, 1)
	var service *Service
	place := func(ctx context.Context, _ *psync.Request) (*psync.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+service.Addr()+"/ready", nil)
		if err == nil {
			err = closed(client.Do(req))
		}
		called <- errors.Join(err, cache.Ping(ctx).Err(), async.Publish(ctx, broker.Producer("orders"), "key", "order"))
		return nil, nil
	}
	service, err = New("shop", "1.0.0", WithRegistry(registry), WithLogger(plog.New(plog.JSON(io.Discard, nil))), WithComponents(consumer),
		WithRoutesBuilder(phttp.NewRoutesBuilder().Append(phttp.NewGetRouteBuilder("/orders", place))),
		WithHTTP(phttp.WithAddress("127.0.0.1:0")), WithManagementAddr("off"), WithTracing(provider.WithExporter(lossy{})), WithoutSignals(), WithoutGlobals())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	<-service.Started()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+service.Addr()+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(closed(client.Do(req)), <-called); err != nil {
		t.Fatal(err)
	}
	async.ReportMissing(trace.WithTelemetry(ctx, trace.NewTelemetry(nil, nil, registry)), &async.Source{System: "kafka", Name: "orders", Group: "billing"}, 1, "")
	<-processed
	lagging := awaitFamily(t, registry, "patron_consumer_lag_messages") // gone with its consumer
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	families, err := registry.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{lagging.GetName(): lagging}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// awaitFamily gathers until a metric is there.
func awaitFamily(t *testing.T, registry *metric.Registry, name string) *dto.MetricFamily {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		families, err := registry.Gatherer().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name {
				return f
			}
		}
	}
	t.Fatalf("%s is not gathered", name)
	return nil
}

func closed(res *http.Response, err error) error {
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func labelsOf(f *dto.MetricFamily) []string {
	var labels []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetName())
		}
	}
	slices.Sort(labels)
	return slices.Compact(labels)
}

// metricsDocument renders what was gathered.
func metricsDocument(t *testing.T, families map[string]*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`<!-- Generated from a running service by go generate; edits are lost. -->

# Metrics

Every service has these, on ` + "`/metrics`" + `, as soon as it does what they count; there is nothing to switch on. Names and labels follow the semantic
conventions of OpenTelemetry in the spelling of Prometheus; what those lack begins with ` + "`patron_`" + `. Histograms carry the ID of a sampled trace as an
exemplar. The metrics of the Go runtime and of the process (` + "`go_*`, `process_*`" + `) are there as well; they are those of client_golang.

A metric of your own: ` + "`metric.FromContext(ctx)`" + `, see [start.md](guides/start.md#3-metrics-logs-traces). A metric has at most
` + strconv.Itoa(metric.SeriesLimit) + ` series; what comes beyond them is counted in one whose labels are ` + "`_overflow`" + `.
`)
	kinds := map[dto.MetricType]string{dto.MetricType_COUNTER: "counter", dto.MetricType_GAUGE: "gauge", dto.MetricType_HISTOGRAM: "histogram"}
	said := make(map[string]bool)
	for _, s := range metricSections() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| metric | type | unit | labels | what it is | when it changes |\n| --- | --- | --- | --- | --- | --- |\n", s.title, s.text)
		for _, m := range s.metrics {
			f, ok := families[m.name]
			if !ok {
				t.Errorf("%s is described and was not gathered", m.name)
				continue
			}
			said[m.name] = true
			labels := "none"
			if ll := labelsOf(f); len(ll) > 0 {
				labels = "`" + strings.Join(ll, "`, `") + "`"
			}
			if unitOf(m.name) == "" {
				t.Errorf("%s: unitOf does not know its unit", m.name)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m.name, kinds[f.GetType()], unitOf(m.name), labels, f.GetHelp(), m.when)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if !said[name] {
			t.Errorf("%s: metricSections does not say when it changes", name)
		}
	}
	return b.String()
}

// unitOf returns the unit that a name ends with, or what is counted; "" if it is not known.
func unitOf(name string) string {
	name = strings.TrimSuffix(name, "_total")
	for suffix, unit := range map[string]string{
		"_seconds": "seconds", "_messages": "messages", "_requests": "requests", "_dropped": "spans",
		"_state": "0 or 1", "_status": "0 or 1", "_paused": "0 or 1", "_stalled": "0 or 1", "_info": "1",
		"consumer_in_flight": "messages", "producer_in_flight": "sends", "db_client_in_flight": "calls", "_connections": "connections",
		"_connection_max": "connections",
	} {
		if strings.HasSuffix(name, suffix) {
			return unit
		}
	}
	return ""
}
