package metric_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/beatlabs/patron/metric"
	"github.com/prometheus/client_golang/prometheus"
)

// FuzzLabels counts under two pairs of label values: they are one child exactly if they read the same, and whatever they hold is gathered.
func FuzzLabels(f *testing.F) {
	f.Add("a", "b", "a", "b")
	f.Add("a\xff", "b", "a", "\xffb") // the separator of the keys is no UTF-8 either
	f.Add("\xff", "", "", "\xff")
	f.Add("_", "\xff\xff", "\xc3", "_")
	f.Add("_overflow", "_overflow", "", "")
	f.Add("\n\"\\", "\u2028", "\x00", strings.Repeat("x", 300))
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		registry := prometheus.NewRegistry()
		vec := metric.Wrap(registry).Counter(metric.Opts{Name: "x_total", Help: "X.", Labels: []string{"one", "two"}})
		vec.With(a, b).Inc()
		vec.With(c, d).Add(2)

		families, err := registry.Gather()
		if err != nil || len(families) != 1 {
			t.Fatalf("Gather after %q: got %v, %v", []string{a, b, c, d}, families, err)
		}
		got := make(map[[2]string]float64)
		for _, m := range families[0].GetMetric() {
			var values [2]string
			for i, label := range m.GetLabel() {
				values[i] = label.GetValue()
			}
			got[values] = m.GetCounter().GetValue()
		}
		want := make(map[[2]string]float64)
		want[[2]string{readable(a), readable(b)}]++
		want[[2]string{readable(c), readable(d)}] += 2
		if len(got) != len(want) {
			t.Fatalf("%q: got %v, want %v", []string{a, b, c, d}, got, want)
		}
		for values, n := range want {
			if got[values] != n {
				t.Errorf("%q: %q: got %v, want %v", []string{a, b, c, d}, values, got[values], n)
			}
		}
	})
}

// readable has one "_" for each run of bytes that are no UTF-8.
func readable(s string) string {
	var out []rune
	broken := false
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if bad := r == utf8.RuneError && n == 1; bad {
			if !broken {
				out = append(out, '_')
			}
			broken = true
		} else {
			out, broken = append(out, r), false
		}
		i += n
	}
	return string(out)
}
