package metric_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/beatlabs/patron/metric"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func TestTheSameOptsGiveTheSameVector(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	o := metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a"}}

	if first := r.Counter(o); first != r.Counter(o) {
		t.Error("Counter: got two vectors")
	}
	level := metric.Opts{Name: "level", Help: "Level."}
	if first := r.Gauge(level); first != r.Gauge(level) {
		t.Error("Gauge: got two vectors")
	}
	o.Name = "x_seconds"
	h := r.Histogram(o)
	o.Buckets = metric.DurationBuckets()
	if h != r.Histogram(o) || h.Err() != nil {
		t.Errorf("Histogram with the default buckets named: got another vector, %v", h.Err())
	}
}

func TestTheOptsMayBeChangedAfterwards(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	labels := []string{"a"}
	v := r.Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: labels})
	labels[0] = "b"

	v.With("1").Inc()

	want := "# HELP x_total X.\n# TYPE x_total counter\nx_total{a=\"1\"} 1\n"
	if got := text(t, r.Gatherer()); got != want {
		t.Errorf("gathered: got\n%s\nwant\n%s", got, want)
	}
}

func TestACollectorOfTheUserWithTheSameDescriptionIsShared(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	theirs := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x_total", Help: "X."}, []string{"b", "a"})
	registry.MustRegister(theirs)
	theirs.WithLabelValues("2", "1").Inc()

	ours := metric.Wrap(registry).Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b"}})
	ours.With("1", "2").Inc()

	if err := ours.Err(); err != nil {
		t.Errorf("Err: got %v", err)
	}
	want := "# HELP x_total X.\n# TYPE x_total counter\nx_total{a=\"1\",b=\"2\"} 2\n"
	if got := text(t, registry); got != want {
		t.Errorf("gathered: got\n%s\nwant\n%s", got, want)
	}
}

// Whatever is wrong with a description, the instrument works, is not gathered, and says why.
func TestWhatCannotBeRegisteredStillWorks(t *testing.T) {
	t.Parallel()
	first := metric.Opts{Name: "taken_seconds", Help: "First.", Labels: []string{"a"}, Buckets: []float64{1, 2}}
	for name, tc := range map[string]struct {
		o    metric.Opts
		want string
	}{
		"other labels":       {metric.Opts{Name: "taken_seconds", Help: "First.", Labels: []string{"b"}, Buckets: []float64{1, 2}}, "different label names"},
		"more labels":        {metric.Opts{Name: "taken_seconds", Help: "First.", Labels: []string{"a", "b"}, Buckets: []float64{1, 2}}, "different label names"},
		"other help":         {metric.Opts{Name: "taken_seconds", Help: "Second.", Labels: []string{"a"}, Buckets: []float64{1, 2}}, "different help"},
		"other buckets":      {metric.Opts{Name: "taken_seconds", Help: "First.", Labels: []string{"a"}, Buckets: []float64{1, 3}}, "other buckets"},
		"no name":            {metric.Opts{Help: "X."}, "not a valid metric name"},
		"label twice":        {metric.Opts{Name: "x_seconds", Help: "X.", Labels: []string{"a", "a"}}, "duplicate label names"},
		"label of buckets":   {metric.Opts{Name: "x_seconds", Help: "X.", Labels: []string{"le"}}, `label "le"`},
		"reserved label":     {metric.Opts{Name: "x_seconds", Help: "X.", Labels: []string{"__a"}}, "not a valid label name"},
		"descending buckets": {metric.Opts{Name: "x_seconds", Help: "X.", Buckets: []float64{2, 1}}, "want ascending"},
		"equal buckets":      {metric.Opts{Name: "x_seconds", Help: "X.", Buckets: []float64{1, 1}}, "want ascending"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := metric.NewRegistry()
			r.Histogram(first).With("1").Observe(1)

			v := r.Histogram(tc.o)
			v.With("1", "2").Observe(1)

			if err := v.Err(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Err: got %v, want %q", err, tc.want)
			}
			if n, err := count(r); n != 1 || err != nil {
				t.Errorf("gathered: got %d series, %v, want the first alone", n, err)
			}
		})
	}
}

func TestANameBelongsToOneKind(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	o := metric.Opts{Name: "x", Help: "X.", Labels: []string{"a"}}
	r.Gauge(o).With("1").Set(7)

	counter, histogram := r.Counter(o), r.Histogram(o) //nolint:promlinter // that is the point
	counter.With("1").Inc()
	histogram.With("1").Observe(1)

	if counter.Err() == nil || histogram.Err() == nil || r.Gauge(o).Err() != nil {
		t.Errorf("Err: got %v, %v, %v", counter.Err(), histogram.Err(), r.Gauge(o).Err())
	}
	if got, want := text(t, r.Gatherer()), "# HELP x X.\n# TYPE x gauge\nx{a=\"1\"} 7\n"; got != want {
		t.Errorf("gathered: got\n%s\nwant\n%s", got, want)
	}
}

func TestTwoRegistriesDoNotMix(t *testing.T) {
	t.Parallel()
	a, b := metric.NewRegistry(), metric.NewRegistry()
	o := metric.Opts{Name: "x_total", Help: "X."}
	a.Counter(o).With().Inc()
	b.Counter(o).With().Add(5)

	for r, value := range map[*metric.Registry]string{a: "1", b: "5"} {
		if got, want := text(t, r.Gatherer()), "# HELP x_total X.\n# TYPE x_total counter\nx_total "+value+"\n"; got != want {
			t.Errorf("gathered: got\n%s\nwant\n%s", got, want)
		}
	}
}

// Not parallel: it changes the default of the process.
func TestTheContextComesBeforeTheDefault(t *testing.T) {
	process, mine := metric.NewRegistry(), metric.NewRegistry()
	builtIn := metric.Default()
	if builtIn != metric.Default() || builtIn.Registerer() != prometheus.DefaultRegisterer {
		t.Error("without a default of the process: want the same registry over prometheus.DefaultRegisterer each time")
	}
	metric.SetDefault(process)
	defer metric.SetDefault(nil)

	ctx := t.Context()
	for name, tc := range map[string]struct {
		ctx  context.Context
		want *metric.Registry
	}{
		"empty context":        {ctx, process},
		"own":                  {metric.WithRegistry(ctx, mine), mine},
		"nil hides":            {metric.WithRegistry(metric.WithRegistry(ctx, mine), nil), process},
		"innermost":            {metric.WithRegistry(metric.WithRegistry(ctx, process), mine), mine},
		"after the default is": {context.Background(), process},
	} {
		if got := metric.FromContext(tc.ctx); got != tc.want {
			t.Errorf("%s: got another registry", name)
		}
	}
	metric.SetDefault(nil)
	if got := metric.FromContext(ctx); got != builtIn {
		t.Error("SetDefault(nil): want the registry over prometheus.DefaultRegisterer")
	}
}

func TestRegistrationIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				r.Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a"}}).With(string(rune('a' + (i+j)%5))).Inc()
				g := r.Gauge(metric.Opts{Name: "g", Help: "G.", Labels: []string{"a"}})
				g.With("a").Inc()
				g.Delete("a")
				if _, err := r.Gatherer().Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := sum(t, r, "x_total"); got != 800 {
		t.Errorf("x_total: got %v, want 800", got)
	}
}

// text returns what g gathers in the text format.
func text(tb testing.TB, g prometheus.Gatherer) string {
	tb.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(g, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequestWithContext(tb.Context(), "GET", "/", nil))
	return answer.Body.String()
}

// count returns how many series r has.
func count(r *metric.Registry) (int, error) {
	families, err := r.Gatherer().Gather()
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n, err
}

// sum adds up all series of a counter, gauge or histogram count.
func sum(tb testing.TB, r *metric.Registry, name string) float64 {
	tb.Helper()
	families, err := r.Gatherer().Gather()
	if err != nil {
		tb.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return total
}
