package metric_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/metric"
	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"pgregory.net/rapid"
)

func TestChildrenAreFoundAgain(t *testing.T) {
	t.Parallel()
	v := metric.NewRegistry().Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b"}})

	for name, tc := range map[string]struct{ left, right []string }{
		"equal":               {[]string{"1", "2"}, []string{"1", "2"}},
		"missing is empty":    {[]string{"1"}, []string{"1", ""}},
		"surplus is ignored":  {[]string{"1", "2", "3"}, []string{"1", "2"}},
		"none":                {nil, []string{"", ""}},
		"not UTF-8":           {[]string{"\xff\xfe", "x"}, []string{"_", "x"}},
		"separator in values": {[]string{"1\xff2"}, []string{"1_2", ""}},
	} {
		if v.With(tc.left...) != v.With(tc.right...) {
			t.Errorf("%s: With(%q) and With(%q) are two children", name, tc.left, tc.right)
		}
	}
	if v.With("1\xff2") == v.With("1", "2") {
		t.Error("a value with a byte that is not UTF-8 is taken for two values")
	}
}

func TestLabelValuesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := metric.NewRegistry()
		v := r.Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b"}})
		dirty := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
		values := rapid.SliceOfN(rapid.OneOf(rapid.String(), dirty), 0, 4).Draw(t, "values")

		v.With(values...).Inc()

		families, err := r.Gatherer().Gather()
		if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 1 {
			t.Fatalf("gathered: got %v, %v", families, err)
		}
		want := make([]string, 2)
		for i, value := range values[:min(2, len(values))] {
			want[i] = strings.ToValidUTF8(value, "_")
		}
		var got []string
		for _, pair := range families[0].GetMetric()[0].GetLabel() {
			got = append(got, pair.GetValue())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("With(%q) (-want +got):\n%s", values, diff)
		}
	})
}

// The limit is that of the metric, so many instruments of one name do not multiply it.
func TestWhatAClientChoosesCannotGrowTheSeries(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	o := metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"a", "b"}}

	for i := range 10_000 {
		r.Counter(o).With(strconv.Itoa(i), "b").Inc()
	}

	if n, err := count(r); n != metric.SeriesLimit+1 || err != nil {
		t.Errorf("series: got %d, %v, want %d and the overflow", n, err, metric.SeriesLimit)
	}
	if got := sum(t, r, "x_total"); got != 10_000 {
		t.Errorf("sum: got %v, want 10000", got)
	}
	v := r.Counter(o)
	if v.With("9999", "b") != v.With("_overflow", "_overflow") {
		t.Error("beyond the limit: want the overflow child")
	}
	if v.With("0", "b") == v.With("_overflow", "_overflow") {
		t.Error("a child from before the limit: got the overflow child")
	}
}

func TestTheOverflowAskedForByNameTakesNoPlace(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	v := r.Gauge(metric.Opts{Name: "x", Help: "X.", Labels: []string{"a"}})
	v.With("_overflow").Set(1)
	for i := range metric.SeriesLimit {
		v.With(strconv.Itoa(i)).Set(1)
	}
	if n, err := count(r); n != metric.SeriesLimit+1 || err != nil {
		t.Errorf("series: got %d, %v, want %d", n, err, metric.SeriesLimit+1)
	}
}

func TestDeleteMakesRoomUnderTheLimit(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	v := r.Gauge(metric.Opts{Name: "x", Help: "X.", Labels: []string{"a"}})
	for i := range metric.SeriesLimit + 500 {
		v.With(strconv.Itoa(i)).Set(1)
	}
	v.Delete("0")

	fresh := v.With("fresh")

	if fresh == v.With("_overflow") {
		t.Error("after Delete: got the overflow child")
	}
	if v.With("one more") != v.With("_overflow") {
		t.Error("after the place was taken: want the overflow child")
	}
}

func TestDeleteReadsValuesAsWithDoes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ made, deleted []string }{
		"equal":     {[]string{"1", "2"}, []string{"1", "2"}},
		"missing":   {[]string{"1"}, []string{"1"}},
		"empty":     {[]string{"1"}, []string{"1", ""}},
		"surplus":   {[]string{"1", "2"}, []string{"1", "2", "3"}},
		"not UTF-8": {[]string{"\xff", "2"}, []string{"\xfe", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := metric.NewRegistry()
			v := r.Gauge(metric.Opts{Name: "x", Help: "X.", Labels: []string{"a", "b"}})
			kept := v.With(tc.made...)
			v.With("other").Set(1)

			v.Delete(tc.deleted...)
			kept.Set(5)

			if n, err := count(r); n != 1 || err != nil {
				t.Errorf("series: got %d, %v, want the other one", n, err)
			}
			if v.With(tc.made...) == kept {
				t.Error("With after Delete: got the forgotten child")
			}
		})
	}
}

func TestDeleteOfNothingIsNothing(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	labelled := r.Gauge(metric.Opts{Name: "x", Help: "X.", Labels: []string{"a"}})
	labelled.Delete("never made")
	plain := r.Gauge(metric.Opts{Name: "y", Help: "Y."})
	plain.Delete()
	plain.With().Set(1)
	plain.Delete()
	plain.With().Set(2)
	if got := sum(t, r, "y"); got != 2 {
		t.Errorf("y: got %v, want 2", got)
	}
}

func TestACounterNeverFalls(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	c := r.Counter(metric.Opts{Name: "x_total", Help: "X."}).With()
	c.Add(2)
	c.Add(-1)
	c.Add(0)
	if got := sum(t, r, "x_total"); got != 2 {
		t.Errorf("x_total: got %v, want 2", got)
	}
}

func TestAGaugeGoesBothWays(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	g := r.Gauge(metric.Opts{Name: "x", Help: "X."}).With()
	g.Set(10)
	g.Inc()
	g.Dec()
	g.Dec()
	g.Add(-4.5)
	if got := sum(t, r, "x"); got != 4.5 {
		t.Errorf("x: got %v, want 4.5", got)
	}
}

func TestAHistogramHasAtMostOneExemplarASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := metric.NewRegistry()
		h := r.Histogram(metric.Opts{Name: "x_seconds", Help: "X.", Buckets: []float64{1, 2, 3, 4}}).With()
		observe := func(value float64, id byte) { h.ObserveTraced(value, time.Now(), [16]byte{15: id}) }

		time.Sleep(500 * time.Millisecond) // not on the second
		observe(0.5, 1)                    // the first one
		observe(1.5, 2)                    // at once
		time.Sleep(999 * time.Millisecond)
		observe(2.5, 3) // in the next second of the clock, but not yet a second later
		time.Sleep(time.Millisecond)
		observe(3.5, 4)
		h.ObserveTraced(2.5, time.Now().Add(-time.Hour), [16]byte{15: 5}) // the clock was set back
		h.Observe(9)

		want := map[float64]string{1: "00000000000000000000000000000001", 3: "00000000000000000000000000000005", 4: "00000000000000000000000000000004"}
		if diff := cmp.Diff(want, exemplars(t, r)); diff != "" {
			t.Errorf("exemplars by bound (-want +got):\n%s", diff)
		}
		if got := sum(t, r, "x_seconds"); got != 6 {
			t.Errorf("count: got %v, want 6", got)
		}
	})
}

func TestExemplarsOfConcurrentObservationsAreLimitedTogether(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	h := r.Histogram(metric.Opts{Name: "x_seconds", Help: "X.", Buckets: []float64{1, 2, 3, 4, 5, 6, 7, 8}}).With()
	now := time.Unix(1_700_000_000, 0)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { h.ObserveTraced(float64(i)+0.5, now, [16]byte{byte(i + 1)}) })
	}
	wg.Wait()
	if got := exemplars(t, r); len(got) != 1 {
		t.Errorf("exemplars: got %v, want one", got)
	}
}

// exemplars returns the trace IDs of all exemplars by the bound of their bucket.
func exemplars(tb testing.TB, r *metric.Registry) map[float64]string {
	tb.Helper()
	families, err := r.Gatherer().Gather()
	if err != nil {
		tb.Fatal(err)
	}
	found := make(map[float64]string)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, b := range m.GetHistogram().GetBucket() {
				if e := b.GetExemplar(); e != nil {
					found[b.GetUpperBound()] = label(e.GetLabel(), "trace_id")
				}
			}
		}
	}
	return found
}

func label(pairs []*dto.LabelPair, name string) string {
	for _, p := range pairs {
		if p.GetName() == name {
			return p.GetValue()
		}
	}
	return ""
}
