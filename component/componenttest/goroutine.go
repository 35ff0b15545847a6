package componenttest

import (
	"bytes"
	"context"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// labelKey names the profiler label by which goroutines of a component are found.
const labelKey = "componenttest"

// goroutines finds the goroutines that were started, directly or not, below its do.
type goroutines struct {
	id      string
	ignored []string
}

// do calls f with the label.
func (g goroutines) do(f func()) {
	pprof.Do(context.Background(), pprof.Labels(labelKey, g.id), func(context.Context) { f() })
}

// stacks returns the stacks of the goroutines that carry the label, equal ones once with their number.
func (g goroutines) stacks() []string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return []string{err.Error()}
	}
	label := `"` + labelKey + `":"` + g.id + `"`
	var found []string
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		excused := slices.ContainsFunc(g.ignored, func(function string) bool { return strings.Contains(stack, function) })
		if strings.Contains(stack, label) && !excused {
			found = append(found, stack)
		}
	}
	return found
}

// left returns the stacks of what is still there after limit, nil if nothing is. A goroutine that is just about to end is waited for.
func (g goroutines) left(limit time.Duration) []string {
	deadline := time.After(limit)
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, 500*time.Millisecond) {
		stacks := g.stacks()
		if len(stacks) == 0 {
			return nil
		}
		select {
		case <-deadline:
			return stacks
		case <-time.After(pause):
		}
	}
}
