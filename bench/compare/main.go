// Command compare measures patron beside its peers and prints one table with ratios, as docs/performance.md explains it.
//
// Benchmarks run in rounds, each case in a process of its own, those that are compared right after one another. Servers run on one processor and what loads
// them on another. What is not measured on a quiet machine is worth its ratios and allocations, not its times.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"time"

	"github.com/beatlabs/patron/bench/contender"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "compare:", err)
		}
		os.Exit(1)
	}
}

// flags are what the command is told.
type flags struct {
	rounds    int
	benchtime time.Duration
	netRounds int
	load      time.Duration
	only      *regexp.Regexp
	document  string
	serve     string
	mode      contender.Mode
}

func parseFlags(args []string, stderr io.Writer) (flags, error) {
	f := flags{only: regexp.MustCompile("")}
	set := flag.NewFlagSet("compare", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.IntVar(&f.rounds, "rounds", 6, "`rounds` of each benchmark")
	set.DurationVar(&f.benchtime, "benchtime", 200*time.Millisecond, "`time` of each benchmark in each round")
	set.IntVar(&f.netRounds, "net-rounds", 3, "`rounds` of requests over the network")
	set.DurationVar(&f.load, "load", time.Second, "`time` of each load over the network, in whole seconds")
	set.StringVar(&f.document, "write", "", "write the table into the `document`, between its markers, too")
	set.Func("only", "measure only what matches the regular `expression`, as HTTP/GET, Loopback, Engine, Log or Size", func(s string) (err error) {
		f.only, err = regexp.Compile(s)
		return err
	})
	set.StringVar(&f.serve, "serve", "", "do nothing but serve the `contender` until standard input ends; used by the command itself")
	set.Func("mode", "of -serve: unsampled or sampled", func(s string) (err error) {
		f.mode, err = contender.ParseMode(s)
		return err
	})
	if err := set.Parse(args); err != nil {
		return f, err
	}
	var errs []error
	if set.NArg() > 0 {
		errs = append(errs, fmt.Errorf("argument %q: want flags only", set.Arg(0)))
	}
	if f.rounds < 1 || f.netRounds < 1 {
		errs = append(errs, fmt.Errorf("rounds %d and net-rounds %d: want at least 1", f.rounds, f.netRounds))
	}
	if f.benchtime <= 0 {
		errs = append(errs, fmt.Errorf("benchtime %v: want more than 0", f.benchtime))
	}
	if f.load < time.Second || f.load%time.Second != 0 {
		errs = append(errs, fmt.Errorf("load %v: want whole seconds", f.load))
	}
	return f, errors.Join(errs...)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	f, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if f.serve != "" {
		return serve(ctx, f.serve, f.mode, stdin, stdout)
	}
	dir, err := os.MkdirTemp("", "compare")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	began := time.Now()
	m := look(dir, stderr)

	rows, err := m.benchmarks(ctx, f)
	if err != nil {
		return err
	}
	loopback, err := m.loopback(ctx, f)
	if err != nil {
		return err
	}
	sizes, err := m.sizes(ctx, f)
	if err != nil {
		return err
	}
	t := table{rows: arrange(rows, loopback, sizes)}
	if len(t.rows) == 0 {
		return fmt.Errorf("only %q: nothing matches", f.only)
	}
	if err := t.checkBars(); err != nil && f.only.String() == "" {
		return err
	}

	var text bytes.Buffer
	m.describe(&text, f, began)
	t.write(&text)
	if _, err := stdout.Write(text.Bytes()); err != nil {
		return err
	}
	if f.document != "" {
		return rewrite(f.document, text.String())
	}
	return nil
}
