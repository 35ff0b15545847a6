package asynctest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime/pprof"
	"strconv"
	"strings"
)

// goroutineGuard finds the goroutines that a case started, and those that these started. It marks the one that calls [watchGoroutines] with a profiler
// label, which goroutines inherit, so that cases and other tests may run beside each other.
type goroutineGuard struct{ mark string }

const guardLabel = "asynctest"

func watchGoroutines() goroutineGuard {
	g := goroutineGuard{mark: strconv.FormatUint(rand.Uint64(), 36)}
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(guardLabel, g.mark)))
	return g
}

// end takes the mark off the calling goroutine.
func (g goroutineGuard) end() { pprof.SetGoroutineLabels(context.Background()) }

// left returns the stacks of the marked goroutines but for the calling one.
func (g goroutineGuard) left() string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return "no goroutine profile: " + err.Error()
	}
	label := strconv.Quote(guardLabel) + ":" + strconv.Quote(g.mark)
	var left []string
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, label) && !strings.Contains(stack, "asynctest.goroutineGuard.left") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
