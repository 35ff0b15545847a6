package async

import (
	"context"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
)

// metricMissing is counted by drivers of logs.
const metricMissing = "patron_consumer_missing_messages_total"

// ReportMissing says that a log no longer has n messages of source which its group has not received, and why: they were deleted too soon, or the log lost its
// end. A driver calls it when it finds the position of the group out of range, before it goes on with the oldest message that is there: never does a consumer
// pass messages over without an error in the log and a number in patron_consumer_missing_messages_total. Ctx is that of Create, whose telemetry and logger it
// uses; it does not block and may be called concurrently.
func ReportMissing(ctx context.Context, source *Source, n int64, why string) {
	plog.Slog(ctx).ErrorContext(ctx, "messages missing", "source", source.String(), "group", source.Group, "missing", n, "error", why)
	trace.FromContext(ctx).Metrics().Counter(metric.Opts{
		Name: metricMissing, Labels: []string{"messaging_system", "messaging_destination_name", "messaging_consumer_group_name"},
		Help: "Messages that a log no longer has, between the position of the group and what is there.",
	}).With(source.System, source.Name, source.Group).Add(float64(max(0, n)))
}
