package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// machine is where it is measured, and what it has to measure with.
type machine struct {
	dir      string    // for what is built
	progress io.Writer // where it is told what happens
	taskset  string    // the program that binds others to one processor; "": there is none, or one processor only
	wrk      string    // the program that loads servers; "": there is none, and the command does it itself
	load     string    // of the machine before anything was measured
}

// look finds the programs.
func look(dir string, progress io.Writer) *machine {
	m := &machine{dir: dir, progress: progress, load: loadAverage()}
	if runtime.NumCPU() > 1 {
		m.taskset, _ = exec.LookPath("taskset")
	}
	m.wrk, _ = exec.LookPath("wrk")
	return m
}

// pinned returns the arguments that run a program on one processor.
func (m *machine) pinned(processor int, args ...string) []string {
	if m.taskset == "" {
		return args
	}
	return append([]string{m.taskset, "-c", strconv.Itoa(processor)}, args...)
}

func (m *machine) sayf(format string, args ...any) {
	_, _ = fmt.Fprintf(m.progress, "compare: "+format+"\n", args...)
}

// describe writes where, when and how the table came to be.
func (m *machine) describe(w *bytes.Buffer, f flags, began time.Time) {
	load, pinning := "wrk", "one processor for each measured process, another for the load"
	if m.wrk == "" {
		load = "the generator of the command (wrk was not found)"
	}
	if m.taskset == "" {
		pinning = "processes not bound to processors"
	}
	_, _ = fmt.Fprintf(w, "Measured %s with %s on %s/%s, %d × %s, in %s: %d rounds of %v, over the network %d of %v.\n",
		began.Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), time.Since(began).Round(time.Second),
		f.rounds, f.benchtime, f.netRounds, f.load)
	_, _ = fmt.Fprintf(w, "Load by %s; %s. Load average of the machine: %s before, %s after.\n", load, pinning, m.load, loadAverage())
	_, _ = fmt.Fprintf(w, "Versions: %s.\n\n", versions())
	if busy(m.load) {
		_, _ = fmt.Fprintf(w, "%s\n\n", busyNote)
	}
}

// processor returns what the processor calls itself, where the system tells.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "processor of unknown name"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "processor of unknown name"
}

const busyNote = `**The machine was busy with other work.** Times and requests a second are worth little here, ratios somewhat more; allocations are exact.`

// busy reports whether a load average says that others wanted the processors too.
func busy(load string) bool {
	n, err := strconv.ParseFloat(load, 64)
	return err == nil && n > float64(runtime.NumCPU())/2
}

// loadAverage returns how many processes wanted to run during the last minute, where the system tells: above the number of processors the times are worth
// little.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// versions names the peers as they were linked.
func versions() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	var found []string
	for _, path := range []string{
		"go.opentelemetry.io/otel", "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "github.com/labstack/echo/v4",
		"go.opentelemetry.io/contrib/instrumentation/github.com/labstack/echo/otelecho", "github.com/go-kratos/kratos/v2",
		"github.com/prometheus/client_golang", "github.com/rs/zerolog",
	} {
		for _, dep := range info.Deps {
			if dep.Path == path {
				found = append(found, strings.TrimPrefix(strings.TrimPrefix(path, "github.com/"), "go.opentelemetry.io/")+" "+dep.Version)
			}
		}
	}
	return strings.Join(found, ", ")
}
