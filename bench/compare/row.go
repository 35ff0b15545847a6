package main

import (
	"slices"
	"strings"
)

// unit is what the value of a row is.
type unit uint8

const (
	nanoseconds unit = iota // of one operation
	rate                    // operations a second
	size                    // bytes
)

// row is one who of a what, with a value for each round.
type row struct {
	what, who string
	unit      unit
	values    []float64
	cpu       []float64 // nanoseconds of processors, where the value is something else
	bytes     float64   // allocated by one operation
	allocs    float64
	counted   bool // bytes and allocs are known
}

// count keeps the least of what the rounds allocated: what is more in one of them belongs to its beginning.
func (r *row) count(bytes, allocs float64) {
	if !r.counted {
		r.bytes, r.allocs, r.counted = bytes, allocs, true
	}
	r.bytes, r.allocs = min(r.bytes, bytes), min(r.allocs, allocs)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// ratio returns the median of the ratios of the rounds: what disturbs the machine for a while disturbs both sides of them.
func ratio(values, base []float64) float64 {
	ratios := make([]float64, 0, len(values))
	for i := range min(len(values), len(base)) {
		ratios = append(ratios, values[i]/base[i])
	}
	return median(ratios)
}

// overhead returns the median over the rounds of what values take more than base, divided by what hand takes more.
func overhead(values, base, hand []float64) float64 {
	ratios := make([]float64, 0, len(values))
	for i := range min(len(values), len(base), len(hand)) {
		ratios = append(ratios, (values[i]-base[i])/(hand[i]-base[i]))
	}
	return median(ratios)
}

// subjects are the parts of the table, in its order.
var subjects = []string{"HTTP", "Loopback", "Engine", "Log", "Metric", "Correlation", "Cost", "Size"} //nolint:gochecknoglobals // a constant

// arrange puts the rows of all sources into the order of the table; those of one subject stay as they are.
func arrange(sources ...[]row) []row {
	rows := slices.Concat(sources...)
	slices.SortStableFunc(rows, func(a, b row) int { return subject(a.what) - subject(b.what) })
	return rows
}

func subject(what string) int {
	name, _, _ := strings.Cut(what, "/")
	if i := slices.Index(subjects, name); i >= 0 {
		return i
	}
	return len(subjects)
}
