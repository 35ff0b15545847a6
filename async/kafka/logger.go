package kafka

import (
	"context"
	"log/slog"

	plog "github.com/beatlabs/patron/log"
	"github.com/twmb/franz-go/pkg/kgo"
)

// logger is where the client writes. What it calls information is for those who look for a fault; what it calls debugging is for those who look for
// one in the client, and is dropped.
type logger struct{ log *slog.Logger }

var _ kgo.Logger = (*logger)(nil)

// Level implements kgo.Logger.
func (l *logger) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

// Log implements kgo.Logger.
func (l *logger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	switch level {
	case kgo.LogLevelError:
		to = slog.LevelError
	case kgo.LogLevelWarn:
		to = slog.LevelWarn
	case kgo.LogLevelInfo:
	case kgo.LogLevelDebug, kgo.LogLevelNone:
		return
	}
	l.log.Log(context.Background(), to, "kafka client: "+msg, keyvals...) //nolint:sloglint // the texts of the client are constant
}

func logOf(ctx context.Context) *slog.Logger { return plog.Slog(ctx) }
