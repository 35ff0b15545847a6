package main

import (
	"errors"
	"fmt"
	"time"
)

// tally compares what was confirmed with what had an effect, while both grow.
type tally struct {
	confirmed []int // by key: how many of its messages are confirmed; they are confirmed in order
	first     []int // by key: how many first effects there are that followed each other
	seen      []map[int]bool
	effects   int
	distinct  int
	disorder  int
	foreign   int
	sent      int
	last      int // the instance that wrote the last effect
	example   string
}

func newTally(keys int) *tally {
	t := &tally{confirmed: make([]int, keys), seen: make([]map[int]bool, keys)}
	for i := range t.seen {
		t.seen[i] = make(map[int]bool)
	}
	t.first = make([]int, keys)
	return t
}

// confirm takes note of a message that the broker has.
func (t *tally) confirm(e entry) error {
	if e.key >= len(t.confirmed) || e.seq != t.confirmed[e.key] {
		return fmt.Errorf("confirmed %s: want the next of its key", e.ID())
	}
	t.confirmed[e.key]++
	t.sent++
	return nil
}

// effect takes note of an effect.
func (t *tally) effect(e entry, messages func(key int) int) {
	t.effects++
	t.last = e.by
	if e.key >= len(t.seen) || e.seq >= messages(e.key) {
		t.foreign++
		return
	}
	if t.seen[e.key][e.seq] {
		return
	}
	t.seen[e.key][e.seq] = true
	t.distinct++
	if e.seq != t.first[e.key] {
		t.disorder++
		if t.example == "" {
			t.example = fmt.Sprintf("%s came when %d was next of its key", e.ID(), t.first[e.key])
		}
	}
	t.first[e.key] = max(t.first[e.key], e.seq+1)
}

// verdict is the end of a run.
type verdict struct {
	Confirmed, Effects, Lost, Disorder, Duplicates, Foreign int

	Took time.Duration

	example string
}

// rate is how many messages were handled a second.
func (v verdict) rate() float64 {
	if v.Took == 0 {
		return 0
	}
	return float64(v.Confirmed) / v.Took.Seconds()
}

// verdict sums up.
func (t *tally) verdict() verdict {
	v := verdict{Confirmed: t.sent, Effects: t.effects, Disorder: t.disorder, Foreign: t.foreign, example: t.example}
	for key, n := range t.confirmed {
		for seq := range n {
			if !t.seen[key][seq] {
				v.Lost++
				if v.Lost == 1 {
					v.example = entry{key: key, seq: seq}.ID() + " was confirmed and has no effect"
				}
			}
		}
	}
	v.Duplicates = t.effects - t.distinct - t.foreign
	return v
}

// err says what is wrong, if duplicates may be at most a share of the messages, and at least so many must be handled a second.
func (v verdict) err(duplicates, least float64) error {
	var errs []error
	add := func(n int, what string) {
		if n > 0 {
			errs = append(errs, fmt.Errorf("%d %s", n, what))
		}
	}
	add(v.Lost, "lost")
	add(v.Disorder, "out of order")
	add(v.Foreign, "of nobody")
	if share := v.share(); share > duplicates {
		errs = append(errs, fmt.Errorf("%.2f %% duplicates, want at most %.2f %%", 100*share, 100*duplicates))
	}
	if rate := v.rate(); rate < least {
		errs = append(errs, fmt.Errorf("%.0f handled a second, want at least %.0f", rate, least))
	}
	if len(errs) > 0 && v.example != "" {
		errs = append(errs, errors.New("for example "+v.example))
	}
	return errors.Join(errs...)
}

func (v verdict) share() float64 {
	if v.Confirmed == 0 {
		return 0
	}
	return float64(v.Duplicates) / float64(v.Confirmed)
}

// String is one line.
func (v verdict) String() string {
	return fmt.Sprintf("confirmed=%d effects=%d lost=%d disorder=%d duplicates=%d (%.3f%%) foreign=%d in %v, %.0f a second",
		v.Confirmed, v.Effects, v.Lost, v.Disorder, v.Duplicates, 100*v.share(), v.Foreign, v.Took.Round(100*time.Millisecond), v.rate())
}
