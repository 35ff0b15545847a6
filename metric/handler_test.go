package metric_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/metric"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func scrape(tb testing.TB, r *metric.Registry, accept string) (contentType, body string) {
	tb.Helper()
	req := httptest.NewRequestWithContext(tb.Context(), "GET", "/metrics", nil)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, req)
	if answer.Code != 200 {
		tb.Fatalf("status: got %d\n%s", answer.Code, answer.Body)
	}
	return answer.Header().Get("Content-Type"), answer.Body.String()
}

const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"

func TestThePageIsTextUnlessOpenMetricsIsAskedFor(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	h := r.Histogram(metric.Opts{Name: "x_seconds", Help: "X.", Buckets: []float64{1}}).With()
	h.ObserveTraced(0.5, time.Unix(1_700_000_000, 0), [16]byte{0xab})
	r.Counter(metric.Opts{Name: "y_total", Help: "Y.", Labels: []string{"a"}}).With("new\nline \"quoted\" \\").Inc()

	contentType, text := scrape(t, r, "")
	if !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Errorf("Content-Type: got %q", contentType)
	}
	for _, want := range []string{
		"# TYPE x_seconds histogram\n", `x_seconds_bucket{le="1"} 1`, "x_seconds_count 1\n",
		`y_total{a="new\nline \"quoted\" \\"} 1`, "\ngo_goroutines ", "\nprocess_",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("text: %q is missing", want)
		}
	}
	if strings.Contains(text, "trace_id") {
		t.Error("text: exemplars are not part of this format")
	}

	contentType, text = scrape(t, r, openMetrics)
	if !strings.HasPrefix(contentType, "application/openmetrics-text") {
		t.Errorf("Content-Type: got %q", contentType)
	}
	if !strings.Contains(text, `x_seconds_bucket{le="1.0"} 1 # {trace_id="ab000000000000000000000000000000"} 0.5`) || !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("OpenMetrics: the exemplar or the end is missing in\n%s", text)
	}
}

// An OpenMetrics parser refuses the page if two families have one name once the suffix of a counter is cut off.
func TestNoTwoOpenMetricsFamiliesHaveOneName(t *testing.T) {
	t.Parallel()
	wrapped, ok := prometheus.DefaultRegisterer.(*prometheus.Registry)
	if !ok {
		t.Fatal("prometheus.DefaultRegisterer is not a registry")
	}
	for name, r := range map[string]*metric.Registry{
		"own": metric.NewRegistry(), "default": metric.Default(), "default, wrapped": metric.Wrap(wrapped),
	} {
		_, text := scrape(t, r, openMetrics)
		seen := make(map[string]bool)
		for line := range strings.Lines(text) {
			family, found := strings.CutPrefix(line, "# TYPE ")
			if !found {
				continue
			}
			family, _, _ = strings.Cut(family, " ")
			if seen[family] {
				t.Errorf("%s: %s is there twice", name, family)
			}
			seen[family] = true
		}
		if !seen["go_goroutines"] {
			t.Errorf("%s: go_goroutines is missing", name)
		}
	}
}

func TestACollectorThatFailsLeavesTheRest(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	r.Registerer().MustRegister(failing{prometheus.NewDesc("broken", "Broken.", nil, nil)})
	r.Counter(metric.Opts{Name: "x_total", Help: "X."}).With().Inc()

	if _, text := scrape(t, r, ""); !strings.Contains(text, "x_total 1\n") || strings.Contains(text, "broken") {
		t.Errorf("got\n%s", text)
	}
}

// failing is a collector that cannot collect.
type failing struct{ desc *prometheus.Desc }

func (f failing) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }
func (f failing) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(f.desc, strings.NewReader("").UnreadRune())
}

func TestThePageIsCleanForTheLinter(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	r.Histogram(metric.Opts{Name: "x_seconds", Help: "X.", Labels: []string{"a"}}).With("1").Observe(1)
	r.Counter(metric.Opts{Name: "y_total", Help: "Y."}).With().Inc()
	r.Gauge(metric.Opts{Name: "z", Help: "Z."}).With().Set(1)

	families, err := r.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if len(problems) > 0 || err != nil {
		t.Errorf("lint: got %v, %v", problems, err)
	}
}
