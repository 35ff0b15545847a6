// Command brokers keeps a set of real brokers for the tests on one machine. scripts/brokers calls it.
//
//	brokers up [NAME…]     starts what does not run and prints, for the shell, where everything is
//	brokers down [NAME…]   stops what up started
//	brokers status         prints what runs
//	brokers env            prints, for the shell, where what up started is
//	brokers watch          prints what go test -json writes as go test itself does, and remembers the integration tests
//	brokers table          prints which integration tests ran against what
//
// Without a name up and down mean all of them, without those that PATRON_TEST_WITHOUT lists. What a PATRON_TEST_ variable of the environment names already is
// left alone, and must answer. Brokers are containers of compose.yaml where a Docker engine answers, and processes of package broker elsewhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/beatlabs/patron/tests/broker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], environment{
		lookup: os.LookupEnv, //nolint:forbidigo // a program for tests, and no service
		stdin:  os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	})
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "brokers:", err)
		}
		os.Exit(1)
	}
}

// environment is what a program gets from outside.
type environment struct {
	lookup         func(string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
}

// options are what the command is told.
type options struct {
	root    string // of the repository
	state   string // directory of the set
	how     string // process, compose, or "" for what the machine can do
	started string // file
	record  string // file
	kinds   []broker.Kind
	named   bool // the kinds are named
}

// usage is what the command says when it is not understood.
const usage = "usage: brokers up|down|status|env|watch|table [flags] [NAME…]"

func parse(verb string, args []string, env environment) (options, error) {
	var o options
	flags := flag.NewFlagSet("brokers "+verb, flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	flags.StringVar(&o.root, "root", "..", "`directory` of the repository, which has compose.yaml")
	flags.StringVar(&o.state, "state", "", "`directory` that remembers what runs (default: .brokers in the repository)")
	switch verb {
	case "up":
		flags.StringVar(&o.how, "how", "", "process or compose (default: compose where a Docker engine answers)")
		flags.StringVar(&o.started, "started", "", "write the names of what this call starts to the end of the `file`, one a line")
	case "watch", "table":
		flags.StringVar(&o.record, "record", "", "`file` with the integration tests that ran")
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.how != "" && o.how != process && o.how != compose {
		return o, fmt.Errorf("-how %s: want %s or %s", o.how, process, compose)
	}
	if (verb == "watch" || verb == "table") && o.record == "" {
		return o, fmt.Errorf("%s: want -record FILE", verb)
	}
	if o.state == "" {
		o.state = filepath.Join(o.root, ".brokers")
	}
	o.named = flags.NArg() > 0
	var err error
	if o.kinds, err = broker.ParseKinds(strings.Join(flags.Args(), " ")); err != nil {
		return o, err
	}
	if !o.named {
		o.kinds = broker.Kinds()
	}
	return o, nil
}

func run(ctx context.Context, args []string, env environment) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	verb := args[0]
	o, err := parse(verb, args[1:], env)
	if err != nil {
		return err
	}
	s := &set{dir: o.state, root: o.root, env: env}
	switch verb {
	case "up":
		return s.up(ctx, o)
	case "down":
		return s.down(ctx, o.kinds)
	case "status":
		return s.status(ctx)
	case "env":
		return s.export(ctx)
	case "watch":
		return watch(env.stdin, env.stdout, o.record)
	case "table":
		return s.table(ctx, o.record)
	}
	return fmt.Errorf("%s: %s", verb, usage)
}
