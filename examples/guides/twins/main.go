// snippet: program

// Command twins runs two services in one process: each has its own port, logger, metrics and spans, and both stop together.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal" //nolint:depguard // neither service can own the signals of both
	"sync"
	"syscall"

	"github.com/beatlabs/patron"
	phttp "github.com/beatlabs/patron/component/http"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, 50000, 50010)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "twins:", err)
		os.Exit(1)
	}
}

// run returns when both services have ended. If one fails, the other is stopped.
func run(ctx context.Context, ports ...int) error {
	services := make([]*patron.Service, len(ports))
	for i, port := range ports {
		var err error
		services[i], err = patron.New(fmt.Sprintf("twin-%d", i+1), "1.0.0",
			patron.WithHTTP(phttp.WithPort(port)),
			patron.WithoutSignals(), // the caller's context stops it
			patron.WithoutGlobals(), // it leaves slog.Default and OpenTelemetry's globals alone
		)
		if err != nil {
			return err
		}
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(services))
	var running sync.WaitGroup
	for i, service := range services {
		running.Go(func() {
			errs[i] = service.Run(ctx)
			stop()
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// end snippet
