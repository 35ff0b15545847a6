package componenttest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	"github.com/google/go-cmp/cmp"
)

// recorder is a testing.TB that keeps what a test would have reported.
type recorder struct {
	testing.TB
	failure string
	skipped bool
}

func (r *recorder) Helper()                           {}
func (r *recorder) Logf(string, ...any)               {}
func (r *recorder) Fatal(args ...any)                 { r.fail(fmt.Sprint(args...)) }
func (r *recorder) Fatalf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }

func (r *recorder) fail(text string) {
	r.failure = text
	runtime.Goexit()
}

func (r *recorder) Skip(...any) {
	r.skipped = true
	runtime.Goexit()
}

// busyWorker gives a worker a job.
func busyWorker(_ testing.TB, c component.Component) func() error {
	w, ok := c.(*worker)
	if !ok {
		panic("not a worker")
	}
	j := job{taken: make(chan struct{}), finish: make(chan struct{}), done: make(chan error, 1)}
	w.jobs <- j
	<-j.taken
	return func() error {
		close(j.finish)
		return <-j.done
	}
}

// check runs every case on workers with f in virtual time and returns what failed, by the name of the case.
func check(t *testing.T, f faults, oo ...OptionFunc) map[string]string {
	t.Helper()
	cfg, err := newConfig(true, append([]OptionFunc{WithBusy(busyWorker), WithCycles(20)}, oo...))
	if err != nil {
		t.Fatal(err)
	}
	failed := make(map[string]string)
	for _, c := range cases() {
		synctest.Test(t, func(*testing.T) {
			r := &recorder{}
			w := newWorker(f)
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.run(r, func(testing.TB) component.Component { return w }, cfg)
			}()
			<-done
			close(w.over)
			synctest.Wait()
			if r.failure != "" {
				failed[c.name] = r.failure
			}
		})
	}
	return failed
}

func TestTheSuitePassesWhatKeepsTheContract(t *testing.T) {
	t.Parallel()
	t.Run("in real time", func(t *testing.T) {
		t.Parallel()
		Run(t, func(testing.TB) component.Component { return newWorker(faults{}) }, WithBusy(busyWorker))
	})
	t.Run("in virtual time", func(t *testing.T) {
		t.Parallel()
		Run(t, func(testing.TB) component.Component { return newWorker(faults{}) }, WithBusy(busyWorker), WithVirtualTime())
	})
	t.Run("with Run only", func(t *testing.T) {
		t.Parallel()
		Run(t, func(testing.TB) component.Component { return plain{} })
	})
}

// wrongWorker has faults which the case that is named must find, with the text; other cases may fail too.
type wrongWorker struct {
	faults faults
	fails  string
	text   string
}

func wrongWorkers() map[string]wrongWorker {
	return map[string]wrongWorker{
		"a start that ignores its context":             {faults{startHangs: true}, "stopped while starting", "Start: still running after 5s"},
		"a start that panics":                          {faults{startPanics: true}, "stopped before it runs", "Start: panic: no port"},
		"a start that gives up and keeps what it took": {faults{startKeepsPort: true}, "stopped while starting", "port taken"},
		"depending on the context of the start":        {faults{usesStartContext: true}, "runs until it is stopped", "returned before its context ended"},
		"keeping what the start took":                  {faults{runKeepsPort: true}, "twice in a row", "life 2: port taken"},
		"keeping it when stopped before it runs":       {faults{runKeepsPortEarly: true}, "stopped before it runs", "port taken"},
		"ignoring the stop":                            {faults{runIgnoresStop: true}, "runs until it is stopped", "Run: still running 5s after its context ended"},
		"ignoring the stop with work in flight":        {faults{runIgnoresStop: true}, "grace period over", "Run: still running 7.05s after its context ended"},
		"returning early":                              {faults{runReturnsEarly: true}, "runs until it is stopped", "Run: returned before its context ended"},
		"returning an error after a clean stop":        {faults{runReturnsError: true}, "stopped before it runs", "context canceled, want nil"},
		"a run that panics":                            {faults{runPanics: true}, "stopped before it runs", "Run: got the error Run: panic: no work"},
		"a run that ends its goroutine":                {faults{runExits: true}, "stopped before it runs", "Run ended its goroutine"},
		"dropping work in flight":                      {faults{dropsWork: true}, "stopped while busy", "returned while work was in flight"},
		"leaving work in flight behind":                {faults{leavesWork: true}, "stopped while busy", "returned while work was in flight"},
		"ignoring the grace period":                    {faults{ignoresGrace: true}, "grace period over", "still running"},
		"ignoring the force":                           {faults{ownGrace: true}, "forced to stop", "still running 7s"},
		"leaving a goroutine behind":                   {faults{leaks: true}, "twice in a row", "left goroutines behind"},
		"leaving goroutines behind":                    {faults{leaks: true}, "started and stopped again and again", "left goroutines behind"},
		"never getting ready":                          {faults{neverReady: true}, "runs until it is stopped", "Check: did not pass within 5s: not running"},
		"a check that hangs":                           {faults{checkHangs: true}, "describes itself", "Check: still running after 5s"},
		"changing its name":                            {faults{changesName: true}, "describes itself", `String: got "worker", then "worker again"`},
		"an empty name":                                {faults{noName: true}, "describes itself", "String: got an empty name"},
		"info that is shared":                          {faults{sharesInfo: true}, "describes itself", "Info: gives away a map that it keeps"},
		"info that is no JSON":                         {faults{badInfo: true}, "describes itself", "Info: cannot be encoded"},
	}
}

func TestTheSuiteFindsWhatBreaksTheContract(t *testing.T) {
	t.Parallel()
	for name, tt := range wrongWorkers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			failed := check(t, tt.faults)

			if !strings.Contains(failed[tt.fails], tt.text) {
				t.Errorf("case %q: got the failure %q, want one with %q\nall failures: %q", tt.fails, failed[tt.fails], tt.text, failed)
			}
		})
	}
}

// TestEachCaseIsShownToFail holds the table of wrong workers complete.
func TestEachCaseIsShownToFail(t *testing.T) {
	t.Parallel()
	shown := make(map[string]bool)
	for _, wrong := range wrongWorkers() {
		shown[wrong.fails] = true
	}
	names := make(map[string]bool)
	for _, c := range cases() {
		if names[c.name] {
			t.Errorf("two cases are named %q", c.name)
		}
		names[c.name] = true
		if !shown[c.name] {
			t.Errorf("no wrong worker is caught by case %q", c.name)
		}
	}
	for name := range shown {
		if !names[name] {
			t.Errorf("there is no case %q", name)
		}
	}
}

func TestTheSuiteSkipsWhatItCannotCheck(t *testing.T) {
	t.Parallel()
	cfg, err := newConfig(true, nil)
	if err != nil {
		t.Fatal(err)
	}
	var skipped []string
	for _, c := range cases() {
		synctest.Test(t, func(*testing.T) {
			r := &recorder{}
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.run(r, func(testing.TB) component.Component { return plain{} }, cfg)
			}()
			<-done
			if r.skipped {
				skipped = append(skipped, c.name)
			}
			if r.failure != "" {
				t.Errorf("case %q: %s", c.name, r.failure)
			}
		})
	}
	if diff := cmp.Diff([]string{"stopped while starting", "stopped while busy"}, skipped); diff != "" {
		t.Errorf("skipped cases (-want +got):\n%s", diff)
	}
}

func TestAStuckComponentIsShownWithItsStacks(t *testing.T) {
	t.Parallel()
	failed := check(t, faults{runIgnoresStop: true})
	if got := failed["runs until it is stopped"]; !strings.Contains(got, "componenttest.(*worker).Run") {
		t.Errorf("the failure does not show where Run is:\n%s", got)
	}
}

func TestGoroutinesThatAreExcusedAreNotReported(t *testing.T) {
	t.Parallel()
	failed := check(t, faults{leaks: true}, WithIgnoredGoroutine("(*worker).Run.func"))
	if len(failed) > 0 {
		t.Errorf("got the failures %q, want none", failed)
	}
}

func TestAFunctionThatMakesNothingIsAFailure(t *testing.T) {
	t.Parallel()
	cfg, err := newConfig(true, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cases()[0].run(r, func(testing.TB) component.Component { return nil }, cfg)
	}()
	<-done
	if r.failure != "componenttest: the function made no component" {
		t.Errorf("got the failure %q", r.failure)
	}
}

func TestOptionsSayWhatTheyDoNotAccept(t *testing.T) {
	t.Parallel()
	_, err := newConfig(false, []OptionFunc{WithBusy(nil), WithCycles(0), WithTimeout(-time.Second), nil, WithIgnoredGoroutine("")})
	want := "busy: nil function\ncycles 0: want at least 1\ntimeout -1s: want more than 0\noption 4: nil\nignored goroutine: empty function name"
	if err == nil || err.Error() != want {
		t.Errorf("got the error %v, want\n%s", err, want)
	}
}

func TestOptionsChangeTheDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := newConfig(false, nil)
	if err != nil || cfg.cycles != 500 || cfg.timeout != 5*time.Second || cfg.virtual || cfg.busy != nil {
		t.Errorf("defaults: got %+v, %v", cfg, err)
	}
	cfg, err = newConfig(true, []OptionFunc{WithCycles(7), WithTimeout(time.Minute), WithVirtualTime()})
	if err != nil || cfg.cycles != 7 || cfg.timeout != time.Minute || !cfg.virtual {
		t.Errorf("with options: got %+v, %v", cfg, err)
	}
}
