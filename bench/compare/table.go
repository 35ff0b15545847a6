package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/beatlabs/patron/bench/bar"
	"github.com/beatlabs/patron/bench/contender"
)

// alone is what stands side by side without being the same thing in other ways: there is no base.
const alone = "Cost/part"

// table is what the command prints.
type table struct{ rows []row }

// base returns the row to which the ratios of r are: the first of its What.
func (t table) base(r row) row {
	for _, other := range t.rows {
		if other.what == r.what {
			return other
		}
	}
	return r
}

func (t table) find(what, who string) (row, bool) {
	for _, r := range t.rows {
		if r.what == what && r.who == who {
			return r, true
		}
	}
	return row{}, false
}

// checkBars returns an error if a bar is for a row that does not exist: it would be met by nobody, unseen.
func (t table) checkBars() error {
	var errs []error
	for _, b := range bar.All() {
		if _, ok := t.find(b.What, b.Who); !ok {
			errs = append(errs, fmt.Errorf("bar %v: there is no %s/%s", b, b.What, b.Who))
		}
		if _, ok := t.find(b.What, b.To); !ok && b.To != "" {
			errs = append(errs, fmt.Errorf("bar %v: there is no %s/%s", b, b.What, b.To))
		}
	}
	return errors.Join(errs...)
}

// write writes the table in Markdown.
func (t table) write(w *bytes.Buffer) {
	_, _ = fmt.Fprintf(w, "| what | who | median (min–max) | × base | overhead ÷ %s | CPU | B | allocs | bar |\n", contender.Hand)
	_, _ = fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	last := ""
	for _, r := range t.rows {
		what := r.what
		if what == last {
			what = ""
		}
		last = r.what
		base := t.base(r)
		times, over, cpu, size, allocs := fmt.Sprintf("%.2f", ratio(r.values, base.values)), "", "", "", ""
		if hand, ok := t.find(r.what, contender.Hand); ok && r.unit == nanoseconds {
			over = fmt.Sprintf("%.2f", overhead(r.values, base.values, hand.values))
		}
		if r.what == alone {
			times = ""
		}
		if len(r.cpu) > 0 {
			cpu = fmt.Sprintf("%s (%.2f ×)", format(median(r.cpu), nanoseconds), ratio(r.cpu, base.cpu))
		}
		if r.counted {
			size, allocs = fmt.Sprint(r.bytes), fmt.Sprint(r.allocs)
		}
		_, _ = fmt.Fprintf(w, "| %s |\n", strings.Join([]string{what, r.who, spread(r), times, over, cpu, size, allocs, t.verdict(r)}, " | "))
	}
}

// verdict says the bars of a row, and whether they are met.
func (t table) verdict(r row) string {
	var said []string
	for _, b := range bar.Of(r.what, r.who) {
		value, ok := t.value(r, b)
		switch {
		case !ok:
			said = append(said, b.String()+": not measured")
		case b.Met(value):
			said = append(said, b.String()+": met")
		default:
			said = append(said, fmt.Sprintf("%v: **NOT MET** (%s)", b, strconv.FormatFloat(value, 'g', 3, 64)))
		}
	}
	return strings.Join(said, "; ")
}

// value returns what a bar bounds.
func (t table) value(r row, b bar.Bar) (float64, bool) {
	switch b.Kind {
	case bar.Overhead:
		hand, ok := t.find(r.what, contender.Hand)
		return overhead(r.values, t.base(r).values, hand.values), ok
	case bar.Times, bar.Rate:
		to, ok := t.find(r.what, b.To)
		return ratio(r.values, to.values), ok
	case bar.Nanos:
		return median(r.values), true
	case bar.Allocs:
		return r.allocs, r.counted
	}
	return 0, false
}

// spread writes the median of a row, and its least and greatest value.
func spread(r row) string {
	text := format(median(r.values), r.unit)
	if len(r.values) < 2 {
		return text
	}
	least, most := r.values[0], r.values[0]
	for _, v := range r.values {
		least, most = min(least, v), max(most, v)
	}
	return fmt.Sprintf("%s (%s–%s)", text, number(least, r.unit, median(r.values)), number(most, r.unit, median(r.values)))
}

// format writes a value with its unit.
func format(v float64, u unit) string {
	_, name := scale(u, v)
	return number(v, u, v) + " " + name
}

// number writes a value in the unit that fits another one.
func number(v float64, u unit, like float64) string {
	by, _ := scale(u, like)
	v /= by
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func scale(u unit, v float64) (float64, string) {
	switch {
	case u == size:
		return 1e6, "MB"
	case u == rate:
		return 1e3, "k/s"
	case v >= 10_000:
		return 1e3, "µs"
	default:
		return 1, "ns"
	}
}
