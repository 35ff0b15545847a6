package simtest

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/beatlabs/patron/async"
)

// Report is what came of a simulation.
type Report struct {
	Histories int
	Steps     int           // of the broker and of handlers, in histories with faults
	Faults    map[Fault]int // how often each was met with
	Failure   string        // "" if every property held in every history
	Property  Property      // that did not hold
	Length    int           // steps of the shortest failing history
	Made      int           // its faults
	Digest    uint64        // of everything that happened: the same for the same seed
}

// Run plays histories, beginning with number first: at least histories, and until there are so many steps.
func (c *Config) Run(t *testing.T, first, histories, steps int) Report {
	t.Helper()
	r := Report{Faults: make(map[Fault]int)}
	digest := fnv.New64a()
	for n := first; r.Histories < histories || r.Steps < steps; n++ {
		seed := mix(c.Seed, uint64(n)+1)
		mm := c.messages(seed)
		plan := newPlan(seed, c.possible())
		f, played := c.try(t, mm, plan)
		r.Histories++
		r.Steps += len(played)
		for _, s := range played {
			fmt.Fprintln(digest, int64(s.at), s.process, s.text)
		}
		r.Digest = digest.Sum64()
		for _, i := range plan.made {
			r.Faults[i.fault]++
		}
		if f == nil {
			continue
		}
		r.Property = f.property
		shortest, runs := c.shrink(t, seed, mm, f)
		if shortest == nil {
			r.Failure = c.report(n, mm, f, 0)
			r.Length, r.Made = len(f.steps), len(f.made)
			return r
		}
		r.Failure = c.report(n, mm, shortest, runs)
		r.Length, r.Made = len(shortest.steps), len(shortest.made)
		return r
	}
	return r
}

// possible returns those of the faults that this broker can have.
func (c *Config) possible() []Fault {
	return slices.DeleteFunc(slices.Clone(c.Faults), func(f Fault) bool { return f == Expire && c.Traits.Visibility == 0 })
}

// report is what a person reads about a failing history.
func (c *Config) report(number int, all []*async.Message, f *failure, runs int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "does not hold: %s\n", f.property)
	fmt.Fprintf(&b, "%s\n\n", f.text)
	fmt.Fprintf(&b, "seed %d, history %d, over %s\n", c.Seed, number, c.brokerName())
	if runs > 0 {
		fmt.Fprintf(&b, "the shortest of %d histories like it has %s of %d and %s:\n\n",
			runs, count(len(f.messages), "message"), len(all), count(len(f.made), "fault"))
	} else {
		fmt.Fprintf(&b, "It does not fail when it is repeated, so something in the handler is random: time of the machine, maps, goroutines, random numbers.\n"+
			"%s of %d and %s:\n\n", count(len(f.messages), "message"), len(all), count(len(f.made), "fault"))
	}
	for _, m := range f.messages {
		fmt.Fprintf(&b, "  message %s", m.ID)
		if len(m.Key) > 0 {
			fmt.Fprintf(&b, ", key %s", text(m.Key))
		}
		if len(m.Data) > 0 {
			fmt.Fprintf(&b, ": %s", text(m.Data))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	for _, s := range f.steps {
		mark := ' '
		if s.fault {
			mark = '*'
		}
		fmt.Fprintf(&b, "%c %12v  process %d %s\n", mark, shown(s.at), s.process, strings.TrimRight(s.text, " "))
	}
	if f.state != "" {
		fmt.Fprintf(&b, "\n  state:          %s\n  without faults: %s\n", f.state, f.faultless)
	} else {
		fmt.Fprintf(&b, "  %12v  %s\n", shown(f.at), f.text)
	}
	fmt.Fprintf(&b, "\nto repeat it: asynctest.Simulate(t, %d, …, asynctest.WithHistory(%d))", c.Seed, number)
	return b.String()
}

func (c *Config) brokerName() string {
	if c.Partitions > 0 {
		return "a log of " + count(c.Partitions, "partition")
	}
	return fmt.Sprintf("a queue with order %s, visibility %v", c.Traits.Ordered, c.Traits.Visibility)
}

// shown is how times are printed: what is below a microsecond tells actors apart, and nothing to people.
func shown(d time.Duration) time.Duration { return d.Truncate(time.Microsecond) }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// text shows data as text if it is that, and short.
func text(data []byte) string {
	const most = 80
	if !utf8.Valid(data) || strings.ContainsFunc(string(data), unicode.IsControl) {
		return fmt.Sprintf("%d bytes", len(data))
	}
	if len(data) > most {
		return string(data[:most]) + "…"
	}
	return string(data)
}
