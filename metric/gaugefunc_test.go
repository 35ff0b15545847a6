package metric_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/beatlabs/patron/metric"
	"github.com/prometheus/client_golang/prometheus"
)

func TestAGaugeFuncIsReadAtEachScrapeUntilItIsGone(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	var level, reads atomic.Int64
	v := r.GaugeFunc(metric.Opts{Name: "open_connections", Help: "Open.", Labels: []string{"pool"}})
	v.Add(func() (float64, bool) { reads.Add(1); return float64(level.Load()), level.Load() >= 0 }, "a")
	v.Add(func() (float64, bool) { return 100, level.Load() >= 0 }, "a")
	v.Add(func() (float64, bool) { return 1000, true }, "b")
	v.Add(nil, "c")

	for _, want := range []float64{1100, 1103, 1101} {
		if got := sum(t, r, "open_connections"); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if level.Add(3) == 6 {
			level.Store(1)
		}
	}
	level.Store(-1)
	for range 3 {
		if n, err := count(r); n != 1 || err != nil {
			t.Errorf("series when those of a are gone: got %d and error %v, want that of b", n, err)
		}
	}
	if reads.Load() != 4 {
		t.Errorf("read %d times, want 3, and once to see that it is gone", reads.Load())
	}
	v.Add(func() (float64, bool) { return 7, true }, "a")
	if got := sum(t, r, "open_connections"); got != 1007 {
		t.Errorf("with a new one: got %v, want 1007", got)
	}
}

func TestTwoRegistriesOverOneShareAGaugeFunc(t *testing.T) {
	t.Parallel()
	shared := prometheus.NewRegistry()
	one, other := metric.Wrap(shared), metric.Wrap(shared)
	one.GaugeFunc(metric.Opts{Name: "x", Help: "X.", Labels: []string{"a", "b"}}).Add(func() (float64, bool) { return 1, true }, "1", "2")
	other.GaugeFunc(metric.Opts{Name: "x", Help: "X.", Labels: []string{"b", "a"}}).Add(func() (float64, bool) { return 10, true }, "2", "1")

	if got, want := text(t, shared), `x{a="1",b="2"} 11`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAGaugeFuncWhoseNameIsTakenIsNotGathered(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	r.Gauge(metric.Opts{Name: "x", Help: "X."}).With().Set(1)

	v := r.GaugeFunc(metric.Opts{Name: "x", Help: "X."})
	v.Add(func() (float64, bool) { return 5, true })

	if err := v.Err(); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("Err: got %v, want one that names the metric", err)
	}
	if got := sum(t, r, "x"); got != 1 {
		t.Errorf("x: got %v, want the gauge", got)
	}
}
