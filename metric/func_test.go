package metric_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/beatlabs/patron/metric"
	"github.com/prometheus/client_golang/prometheus"
)

func TestACounterFuncIsReadAtEachScrape(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	var lost atomic.Uint64
	r.CounterFunc(metric.Opts{Name: "lost_total", Help: "Lost.", Labels: []string{"reason"}}).Add(lost.Load, "full")

	for _, want := range []float64{0, 3, 6} {
		if got := sum(t, r, "lost_total"); got != want {
			t.Errorf("lost_total: got %v, want %v", got, want)
		}
		lost.Add(3)
	}
}

func TestFunctionsOfOneChildAreAddedUp(t *testing.T) {
	t.Parallel()
	shared := prometheus.NewRegistry()
	one, other := metric.Wrap(shared), metric.Wrap(shared)
	number := func(n uint64) func() uint64 { return func() uint64 { return n } }

	one.CounterFunc(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b"}}).Add(number(1), "1", "2")
	one.CounterFunc(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b"}}).Add(number(10), "1", "2")
	other.CounterFunc(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"b", "a"}}).Add(number(100), "2", "1")
	one.CounterFunc(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b"}}).Add(nil, "1", "2")

	if got, want := text(t, shared), `x_total{a="1",b="2"} 111`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTheFunctionsOfAMetricAreBounded(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	v := r.CounterFunc(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a"}})
	for i := range metric.SeriesLimit + 50 {
		v.Add(func() uint64 { return 1 }, strconv.Itoa(i))
	}
	if n, err := count(r); n != metric.SeriesLimit+1 || err != nil {
		t.Errorf("series: got %d, %v, want %d and the overflow", n, err, metric.SeriesLimit)
	}
	if got := sum(t, r, "x_total"); got != metric.SeriesLimit+50 {
		t.Errorf("sum: got %v, want %d", got, metric.SeriesLimit+50)
	}
}

func TestACounterFuncWhoseNameIsTakenIsNotGathered(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	r.Gauge(metric.Opts{Name: "x_total", Help: "X."}).With().Set(1) //nolint:promlinter // that is the point

	v := r.CounterFunc(metric.Opts{Name: "x_total", Help: "X."})
	v.Add(func() uint64 { return 5 })

	if err := v.Err(); err == nil || !strings.Contains(err.Error(), "x_total") {
		t.Errorf("Err: got %v, want one that names the metric", err)
	}
	if got := sum(t, r, "x_total"); got != 1 {
		t.Errorf("x_total: got %v, want the gauge", got)
	}
}
