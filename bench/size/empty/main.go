// Command empty is a service of patron without anything of its own.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/beatlabs/patron"
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("run", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	service, err := patron.New("empty", "1.0.0")
	if err != nil {
		return err
	}
	return service.Run(ctx)
}
