package simtest

import (
	"slices"
	"testing"

	"github.com/beatlabs/patron/async"
)

// shrinkRuns bounds how many histories are played to make a failing one shorter.
const shrinkRuns = 600

// shrinker makes a failing history shorter: it plays it again without some of its messages or faults, and keeps what fails in the same way.
type shrinker struct {
	config *Config
	seed   uint64
	runs   int

	all     []*async.Message // nil where a message is taken away
	faults  []injection
	brisk   bool
	variant uint64
	best    *failure
}

// variants is how many other pauses are tried for a history from which nothing can be taken away any more.
const variants = 16

// shrink returns the shortest failing history it finds, and how many it played. It returns nil if the history does not fail when it is repeated.
func (c *Config) shrink(t *testing.T, seed uint64, mm []*async.Message, found *failure) (*failure, int) {
	t.Helper()
	s := &shrinker{config: c, seed: seed, all: slices.Clone(mm), faults: found.made}
	first, _ := c.try(t, s.all, scriptOf(seed, s.faults, false, 0))
	s.runs++
	if first == nil || first.property != found.property {
		return nil, s.runs
	}
	s.best = first
	if s.fails(t, s.all, s.faults, true) {
		s.brisk = true
	}
	for shorter := true; shorter; {
		shorter = s.withoutFaults(t)
		shorter = s.withoutMessages(t) || shorter
		if !s.brisk && s.fails(t, s.all, s.faults, true) {
			s.brisk, shorter = true, true
		}
		if !shorter {
			shorter = s.otherwise(t)
		}
	}
	return s.best, s.runs
}

// otherwise takes one message away and tries other pauses, since it may have been there for its time only.
func (s *shrinker) otherwise(t *testing.T) bool {
	t.Helper()
	if len(s.best.messages) == 1 {
		return false
	}
	kept, brisk := s.variant, s.brisk
	for s.variant = kept + 1; s.variant <= kept+variants; s.variant++ {
		for i, m := range s.all {
			if m == nil {
				continue
			}
			fewer := slices.Clone(s.all)
			fewer[i] = nil
			if s.fails(t, fewer, s.faults, false) {
				s.all, s.brisk = fewer, false
				return true
			}
		}
	}
	s.variant, s.brisk = kept, brisk
	return false
}

// fails plays a candidate, and keeps it if it fails in the same way.
func (s *shrinker) fails(t *testing.T, mm []*async.Message, faults []injection, brisk bool) bool {
	t.Helper()
	if s.runs >= shrinkRuns {
		return false
	}
	s.runs++
	f, _ := s.config.try(t, mm, scriptOf(s.seed, faults, brisk, s.variant))
	if f == nil || f.property != s.best.property {
		return false
	}
	s.best = f
	return true
}

// withoutFaults takes away runs of faults, long ones first.
func (s *shrinker) withoutFaults(t *testing.T) bool {
	t.Helper()
	shorter := false
	if len(s.best.made) < len(s.faults) { // some are not reached any more
		s.faults = s.best.made
	}
	for size := len(s.faults); size > 0; size /= 2 {
		for from := 0; from+size <= len(s.faults); {
			fewer := slices.Delete(slices.Clone(s.faults), from, from+size)
			if s.fails(t, s.all, fewer, s.brisk) {
				s.faults, shorter = fewer, true
			} else {
				from += size
			}
		}
	}
	return shorter
}

// withoutMessages takes away runs of messages, long ones first.
func (s *shrinker) withoutMessages(t *testing.T) bool {
	t.Helper()
	shorter := false
	for size := len(s.all) / 2; size > 0; size /= 2 {
		for from := 0; from < len(s.all); from += size {
			fewer := slices.Clone(s.all)
			taken := 0
			for i := from; i < min(from+size, len(fewer)); i++ {
				if fewer[i] != nil {
					fewer[i] = nil
					taken++
				}
			}
			if taken > 0 && s.fails(t, fewer, s.faults, s.brisk) {
				s.all, shorter = fewer, true
			}
		}
	}
	return shorter
}
