package main

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what the command sees and says.
type world struct {
	environment

	vars        map[string]string
	stdout, log bytes.Buffer
}

func newWorld(vars map[string]string) *world {
	w := &world{vars: vars}
	w.environment = environment{
		lookup: func(name string) (string, bool) { value, ok := vars[name]; return value, ok },
		stdin:  strings.NewReader(""), stdout: &w.stdout, stderr: &w.log,
	}
	return w
}

// do runs the command and returns what it printed.
func (w *world) do(t *testing.T, args ...string) (string, error) {
	t.Helper()
	w.stdout.Reset()
	w.log.Reset()
	err := run(t.Context(), args, w.environment)
	return w.stdout.String(), err
}

func TestWhatIsNotUnderstoodIsAnError(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                          "usage: brokers up|down",
		"start":                     "start: usage:",
		"up nats":                   `broker "nats": want one of kafka`,
		"up -how rkt":               "-how rkt: want process or compose",
		"watch":                     "watch: want -record FILE",
		"table":                     "table: want -record FILE",
		"status -color":             "flag provided but not defined",
		"up -state /dev/null redis": "/dev/null",
	} {
		if _, err := newWorld(nil).do(t, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", args, err, want)
		}
	}
}
