package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// benchmarks builds the benchmarks, finds their cases and runs them in rounds.
func (m *machine) benchmarks(ctx context.Context, f flags) ([]row, error) {
	binary := filepath.Join(m.dir, "bench.test")
	if _, err := m.command(ctx, "go", "test", "-c", "-o", binary, "github.com/beatlabs/patron/bench"); err != nil {
		return nil, err
	}
	out, err := m.command(ctx, binary, "-test.run=^$", "-test.bench=.", "-test.benchtime=1x", "-test.cpu=1")
	if err != nil {
		return nil, err
	}
	var rows []row
	for line := range strings.Lines(string(out)) {
		if l, ok, err := parseLine(line, 1); err != nil {
			return nil, err
		} else if ok && f.only.MatchString(l.name) {
			what, who := l.names()
			rows = append(rows, row{what: what, who: who})
		}
	}
	for round := range f.rounds {
		for i := range rows {
			m.sayf("round %d of %d: %s/%s", round+1, f.rounds, rows[i].what, rows[i].who)
			if err := m.round(ctx, f, binary, &rows[i]); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// round runs one case once, in a process of its own. The engine has all processors, everything else has one.
func (m *machine) round(ctx context.Context, f flags, binary string, r *row) error {
	threads, args := 1, []string{binary}
	onClock := strings.HasPrefix(r.what, "Engine/")
	if onClock {
		threads = runtime.NumCPU()
	} else {
		args = m.pinned(0, binary)
	}
	elements := strings.Split("Benchmark"+r.what+"/"+r.who, "/")
	for i, e := range elements {
		elements[i] = "^" + regexp.QuoteMeta(e) + "$"
	}
	args = append(args, "-test.run=^$", "-test.bench="+strings.Join(elements, "/"), "-test.benchtime="+f.benchtime.String(), "-test.cpu="+strconv.Itoa(threads))
	out, err := m.command(ctx, args[0], args[1:]...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		l, ok, err := parseLine(line, threads)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		value, cpu := l.metrics["ns/op"], l.metrics["cpu-ns/op"]
		switch {
		case onClock:
			r.cpu = append(r.cpu, cpu)
		case cpu > 0:
			value = cpu
		default: // a system that does not tell
		}
		r.values = append(r.values, value)
		r.count(l.metrics["B/op"], l.metrics["allocs/op"])
		return nil
	}
	return fmt.Errorf("%s/%s: no result in %q", r.what, r.who, out)
}

// benchLine is a line that go test writes for a benchmark.
type benchLine struct {
	name    string // without Benchmark, and without the number of threads
	metrics map[string]float64
}

// names returns the what and the who, which is the last element.
func (l benchLine) names() (what, who string) {
	i := strings.LastIndexByte(l.name, '/')
	if i < 0 {
		return l.name, ""
	}
	return l.name[:i], l.name[i+1:]
}

// parseLine reads a line, and reports whether it is one of a benchmark. The name says the number of threads unless it is 1.
func parseLine(line string, threads int) (benchLine, bool, error) {
	fields := strings.Fields(line)
	if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
		return benchLine{}, false, nil
	}
	l := benchLine{name: strings.TrimPrefix(fields[0], "Benchmark"), metrics: make(map[string]float64)}
	if threads > 1 {
		l.name = strings.TrimSuffix(l.name, "-"+strconv.Itoa(threads))
	}
	for i := 2; i+1 < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return l, false, fmt.Errorf("benchmark line %q: %w", line, err)
		}
		l.metrics[fields[i+1]] = value
	}
	return l, true, nil
}

// command runs a program and returns what it writes to standard output.
func (m *machine) command(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // go, wrk and what this command has built
	cmd.Env = append(cmd.Environ(), "GOWORK=off")
	return output(ctx, cmd)
}

// output runs cmd and returns what it writes to standard output. The error has what it said.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()+stdout.String()))
	}
	return stdout.Bytes(), nil
}
