package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(command(os.Args[1:], os.Stdout)) }

// command is the controller, or one of its processes.
func command(args []string, output io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	role := ""
	if len(args) > 0 && (args[0] == roleProduce || args[0] == roleConsume) {
		role, args = args[0], args[1:]
		handles()
	}
	if len(args) == 0 && role == "" {
		return exit(output, all(ctx, output))
	}
	s, err := parseSetting(args, output)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(output, "chaos:", err)
		return 2
	case role == roleProduce:
		err = produce(ctx, s)
	case role == roleConsume:
		err = consume(ctx, s)
	default:
		_, err = judge(ctx, s, output)
	}
	return exit(output, err)
}

// exit is the code of the process, after err was told.
func exit(output io.Writer, err error) int {
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(output, "chaos:", err)
	return 1
}

// judge makes a run and says whether it is as it must be: a right build loses nothing, a wrong one is found out.
func judge(ctx context.Context, s setting, output io.Writer) (verdict, error) {
	v, err := chaos(ctx, s, output)
	switch {
	case err != nil:
		return v, err
	case s.wrong == "":
		return v, v.err(s.duplicates, s.least)
	case v.Lost == 0:
		return v, fmt.Errorf("the wrong build %s was not found out: %v", s.wrong, v)
	}
	_, _ = fmt.Fprintf(output, "chaos: the wrong build %s was found out: %v\n", s.wrong, v)
	return v, nil
}
