package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action  string `json:"Action"`
	Package string `json:"Package"`
	Test    string `json:"Test"`
	Output  string `json:"Output"`
}

// How tests and packages end.
const (
	passed  = "pass"
	failed  = "fail"
	skipped = "skip"
)

// outcome is an integration test that has ended. A test of subtests has none of its own.
type outcome struct {
	Package string `json:"package"`
	Test    string `json:"test"`
	Result  string `json:"result"` // pass, fail or skip
	// Reason is why it was skipped, with the place in the source.
	Reason string `json:"reason,omitempty"`
}

// watch prints events as go test does that is not asked for JSON: a line for each package, and of those that fail also what the failed tests said. It adds the
// integration tests to a file.
func watch(events io.Reader, out io.Writer, record string) (err error) {
	file, err := os.OpenFile(record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // names of tests
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := &watcher{out: out, record: json.NewEncoder(file), runs: make(map[string]*packageRun)}
	lines := bufio.NewReader(events)
	for {
		line, readErr := lines.ReadString('\n')
		if line != "" {
			if err := w.take(line); err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return w.rest()
		}
		if readErr != nil {
			return readErr
		}
	}
}

type watcher struct {
	out    io.Writer
	record *json.Encoder
	runs   map[string]*packageRun
}

// packageRun is a package whose tests run.
type packageRun struct {
	tests []*testRun // in the order in which they began
	named map[string]*testRun
	said  []string // by the package itself
}

// testRun is a test, or a subtest.
type testRun struct {
	name   string
	result string // "" while it runs
	said   []string
	above  *testRun   // nil if it is no subtest
	below  []*testRun // its subtests
}

// test is the test of that name, a new one if none has it.
func (p *packageRun) test(name string) *testRun {
	if t, ok := p.named[name]; ok {
		return t
	}
	t := &testRun{name: name}
	// The name of a subtest may have a slash in it that means nothing.
	for i := strings.LastIndexByte(name, '/'); i >= 0 && t.above == nil; i = strings.LastIndexByte(name[:i], '/') {
		t.above = p.named[name[:i]]
	}
	if t.above != nil {
		t.above.below = append(t.above.below, t)
	}
	p.named[name] = t
	p.tests = append(p.tests, t)
	return t
}

func (w *watcher) take(line string) error {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil { // of the go command itself
		_, err := io.WriteString(w.out, line)
		return err
	}
	if e.Action == "build-output" {
		_, err := io.WriteString(w.out, e.Output)
		return err
	}
	if e.Package == "" {
		return nil
	}
	p := w.runs[e.Package]
	if p == nil {
		p = &packageRun{named: make(map[string]*testRun)}
		w.runs[e.Package] = p
	}
	ended := e.Action == passed || e.Action == failed || e.Action == skipped
	switch {
	case e.Test == "" && ended:
		delete(w.runs, e.Package)
		return w.finish(e.Package, p, e.Action)
	case e.Test == "" && e.Action == "output":
		p.said = append(p.said, e.Output)
	case e.Test != "" && ended:
		p.test(e.Test).result = e.Action
	case e.Test != "" && e.Action == "output" && !progress.MatchString(e.Output):
		t := p.test(e.Test)
		t.said = append(t.said, e.Output)
	case e.Test != "":
		p.test(e.Test)
	}
	return nil
}

// progress are lines that say which test runs.
var progress = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME) `)

// finish prints what a package has to say, and records its integration tests.
func (w *watcher) finish(name string, p *packageRun, result string) error {
	for _, t := range p.tests {
		if result == failed && t.above == nil {
			t.say(w.out, "")
		}
	}
	for _, line := range p.said {
		if result == failed && line != "PASS\n" || strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "? ") {
			fmt.Fprint(w.out, line)
		}
	}
	for _, t := range p.tests {
		if !integration(t.name) || len(t.below) > 0 {
			continue
		}
		o := outcome{Package: name, Test: t.name, Result: t.result}
		switch t.result {
		case "": // it did not end, since the package did
			o.Result = failed
		case skipped:
			o.Reason = reason(t.said)
		}
		if err := w.record.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

// say prints what a test said that failed, or did not end: first its result, then its own words, then its subtests, though they all ran at the same time. What
// has no place in the source stays at the left edge: a stack, for one.
func (t *testRun) say(out io.Writer, indent string) {
	if t.result != failed && t.result != "" {
		return
	}
	for _, results := range []bool{true, false} {
		for _, line := range t.said {
			switch result := strings.HasPrefix(line, "--- "); {
			case result != results:
			case result, strings.HasPrefix(line, "    "):
				fmt.Fprint(out, indent+line)
			default:
				fmt.Fprint(out, line)
			}
		}
	}
	for _, sub := range t.below {
		sub.say(out, indent+"    ")
	}
}

// rest is for packages of which no end was heard, since go test was stopped.
func (w *watcher) rest() error {
	var errs []error
	for name, p := range w.runs {
		if len(p.tests) > 0 {
			errs = append(errs, w.finish(name, p, failed))
			fmt.Fprintf(w.out, "FAIL\t%s [did not end]\n", name)
		}
	}
	return errors.Join(errs...)
}

// reals finds the word Real in the name of a test, and what follows.
var reals = regexp.MustCompile(`Real($|[^a-z].*)`)

// integration reports whether a test needs something real, which its name says; time is not meant.
func integration(test string) bool {
	test, _, _ = strings.Cut(test, "/")
	match := reals.FindStringSubmatch(test)
	return match != nil && !strings.HasPrefix(match[1], "Time")
}

// places is a line that a test wrote, with its place.
var places = regexp.MustCompile(`^\s*([^\s:]+\.go:\d+: .*)`)

// reason is the last that a test said with its place, which is why it was skipped.
func reason(said []string) string {
	for _, line := range slices.Backward(said) {
		if match := places.FindStringSubmatch(line); match != nil {
			return match[1]
		}
	}
	return ""
}
