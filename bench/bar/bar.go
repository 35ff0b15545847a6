package bar

import "fmt"

// Kind says what is bounded.
type Kind uint8

// The kinds.
const (
	Overhead Kind = iota // time over that of the base, divided by the same of the peer that is assembled by hand: at most
	Times                // time or size by that of another row: at most
	Rate                 // requests a second by those of another row: at least
	Nanos                // nanoseconds: at most
	Allocs               // allocations: at most; exact, so a test gates them
)

// Bar bounds one measure of one row of the table.
type Bar struct {
	What  string // the row, as in HTTP/GET/unsampled
	Who   string
	Kind  Kind
	Limit float64
	To    string // for Times and Rate: who in the same What it is compared with
}

// String says the bar, as in "allocs ≤ 11".
func (b Bar) String() string {
	switch b.Kind {
	case Overhead:
		return fmt.Sprintf("overhead ≤ %g", b.Limit)
	case Times:
		return fmt.Sprintf("≤ %g × %s", b.Limit, b.To)
	case Rate:
		return fmt.Sprintf("≥ %g × %s", b.Limit, b.To)
	case Nanos:
		return fmt.Sprintf("≤ %g ns", b.Limit)
	case Allocs:
		return fmt.Sprintf("allocs ≤ %g", b.Limit)
	}
	return ""
}

// Met reports whether a measured value is within the bar.
func (b Bar) Met(value float64) bool {
	if b.Kind == Rate {
		return value >= b.Limit
	}
	return value <= b.Limit
}

const ours = "patron"

// All returns every bar.
func All() []Bar {
	return []Bar{
		{What: "HTTP/GET/unsampled", Who: ours, Kind: Overhead, Limit: 0.15},
		{What: "HTTP/GET/unsampled", Who: ours, Kind: Allocs, Limit: 11},
		{What: "HTTP/GET/unsampled", Who: "patron-Handle", Kind: Overhead, Limit: 0.35},
		{What: "HTTP/GET/unsampled", Who: "patron-Handle", Kind: Allocs, Limit: 20},
		{What: "HTTP/GET/sampled", Who: ours, Kind: Overhead, Limit: 0.35},
		{What: "HTTP/GET/sampled", Who: ours, Kind: Allocs, Limit: 18},
		{What: "HTTP/GET/sampled", Who: "patron-Handle", Kind: Overhead, Limit: 0.55},
		{What: "HTTP/GET/sampled", Who: "patron-Handle", Kind: Allocs, Limit: 27},

		{What: "Loopback/GET/unsampled", Who: ours, Kind: Rate, Limit: 0.88, To: "net-http"},
		{What: "Loopback/GET/sampled", Who: ours, Kind: Rate, Limit: 0.66, To: "net-http"},

		{What: "Engine/concurrency-1", Who: ours, Kind: Times, Limit: 1.3, To: "loop"},
		{What: "Engine/concurrency-1", Who: ours, Kind: Allocs, Limit: 6},
		{What: "Engine/handler-20µs", Who: "patron-4", Kind: Times, Limit: 0.667, To: "patron-1"}, // 1.5 times as fast as with one worker

		{What: "Log/5-fields", Who: "patron-slog", Kind: Times, Limit: 1.2, To: "zerolog"},
		{What: "Log/5-fields", Who: "patron-slog", Kind: Times, Limit: 1.2, To: "zerolog-same-content"},
		{What: "Log/5-fields", Who: "patron-logger-sub", Kind: Times, Limit: 1.2, To: "zerolog"},
		{What: "Log/5-fields", Who: "patron-logger-sub", Kind: Times, Limit: 1.2, To: "zerolog-same-content"},
		{What: "Log/disabled", Who: "patron-slog", Kind: Nanos, Limit: 5},
		{What: "Log/disabled", Who: "patron-slog", Kind: Allocs, Limit: 0},
		{What: "Log/disabled", Who: "patron-logger", Kind: Nanos, Limit: 5},
		{What: "Log/disabled", Who: "patron-logger", Kind: Allocs, Limit: 0},

		{What: "Size/stripped", Who: ours, Kind: Times, Limit: 1.15, To: "reference"},
	}
}

// Of returns the bars of one row.
func Of(what, who string) []Bar {
	var bars []Bar
	for _, b := range All() {
		if b.What == what && b.Who == who {
			bars = append(bars, b)
		}
	}
	return bars
}

// MostAllocs returns how many allocations one row may have, and whether there is a bar for them.
func MostAllocs(what, who string) (float64, bool) {
	for _, b := range Of(what, who) {
		if b.Kind == Allocs {
			return b.Limit, true
		}
	}
	return 0, false
}
