package patron

import (
	"fmt"
	"log/slog"
	"maps"
	"os"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/zerolog"
)

// The fields of the service on every line.
const (
	fieldService = "srv"
	fieldVersion = "ver"
	fieldHost    = "host"
)

// newLogger returns the logger that was given, or the default one.
func newLogger(name, version string, c *config) (plog.Logger, error) {
	if c.logger != nil {
		if len(c.logFields) == 0 {
			return c.logger, nil
		}
		return plog.Wrap(c.logger).Sub(c.logFields), nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("log: name of the host: %w", err)
	}
	fields := maps.Clone(c.logFields)
	fields[fieldService], fields[fieldVersion], fields[fieldHost] = name, version, host
	format := c.env.logFormat
	if c.logText {
		format = zerolog.Text
	}
	return zerolog.New(os.Stderr, c.env.logLevel, fields, zerolog.WithFormat(format))
}

// installLogger makes l the default of the process, also for log/slog.
func installLogger(l plog.Logger) {
	plog.SetDefault(l)
	slog.SetDefault(slog.New(plog.Handler()))
}
