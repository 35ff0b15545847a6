// Command orders is the tour of patron: a shop that takes real invoices over HTTP, processes them in order per customer, and can be stopped at any moment
// without losing one.
//
// Without flags it serves until it is stopped. With -load it posts a month of orders to itself, waits for their effects, stops and sums up. README.md beside
// it shows what to look at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal" //nolint:depguard // a load ends its posting before its service
	"syscall"

	"github.com/beatlabs/patron"
)

// The exit codes.
const (
	exitClean = 0
	exitLost  = 1 // something was lost or went wrong
	exitUsage = 2 // bad flags or files
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command: standard output gets nothing but the last line of a load.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitClean
	case err != nil:
		return fail(stderr, exitUsage, err)
	case s.load:
		return load(ctx, s, stdout, stderr)
	default:
		return serve(ctx, s, stderr)
	}
}

// serve runs the shop until it is stopped.
func serve(ctx context.Context, s settings, stderr io.Writer) int {
	sh, err := newShop(ctx, s, nil)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	open, stop := context.WithCancel(ctx)
	welcomed := make(chan struct{})
	go func() {
		defer close(welcomed)
		if url := sh.url(open); url != "" {
			sh.welcome(stderr, url)
		}
	}()
	err = sh.service.Run(ctx)
	stop()
	<-welcomed
	return done(stderr, errors.Join(err, sh.close()))
}

// load posts orders to the shop, waits for their effects, and stops it. A signal ends the posting first.
func load(ctx context.Context, s settings, stdout, stderr io.Writer) int {
	feed, err := readFeed(s.orders)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	loader := NewLoader(feed, s.repeat, s.rate)
	sh, err := newShop(ctx, s, loader.Finished, patron.WithoutSignals())
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	posting, stopPosting := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stopPosting()
	open, closeShop := context.WithCancel(context.WithoutCancel(ctx))
	defer closeShop()
	ended := make(chan error, 1)
	go func() {
		err := sh.service.Run(open)
		stopPosting() // there is nobody to post to
		ended <- err
	}()

	if url := sh.url(posting); url != "" {
		sh.welcome(stderr, url)
		post(posting, loader, url, stderr)
	}
	stopPosting() // from here on a second signal ends the process at once
	closeShop()
	err = errors.Join(<-ended, sh.close(), loader.Err())

	report := loader.Report()
	_, _ = fmt.Fprintln(stdout, report)
	if report.Lost != 0 {
		err = errors.Join(err, fmt.Errorf("%d orders lost", report.Lost))
	}
	return done(stderr, err)
}

// post posts and waits for the effects, and shows how far it is.
func post(ctx context.Context, loader *Loader, url string, stderr io.Writer) {
	showing, hide := context.WithCancel(ctx)
	hidden := make(chan struct{})
	go func() {
		defer close(hidden)
		showProgress(showing, stderr, loader)
	}()
	loader.Post(ctx, url)
	loader.Wait(ctx)
	hide()
	<-hidden
}

func done(stderr io.Writer, err error) int {
	if err != nil {
		return fail(stderr, exitLost, err)
	}
	return exitClean
}

func fail(stderr io.Writer, code int, err error) int {
	_, _ = fmt.Fprintln(stderr, "orders:", err)
	return code
}
