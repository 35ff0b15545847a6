// Package trace makes work seen: one call at its beginning and one at its end give a span, the correlation ID, a duration histogram, an in-flight gauge and,
// when it went wrong, one log line.
//
// A unit of work is described by a [Unit]: what it is (an [Op], made once) and the carriers by which it came in or goes out. [Begin] joins the trace and the
// correlation ID of what came in, or starts new ones; [Span.End] records how it went:
//
//	var op = trace.NewOp(trace.Consumer, "process orders", trace.MessagingSystem("memory"), trace.MessagingDestination("orders"))
//
//	ctx, span := trace.Begin(ctx, trace.Unit{Op: op, In: &msg.Headers})
//	err := handle(ctx, msg)
//	span.End(err)
//
// A [Carrier] is the headers of a transport; [HeaderCarrier] is that of HTTP.
//
// A transport never starts a span, reads a correlation header or registers a metric by itself. Business code has [Start] for child spans of its own, and may
// use any library that speaks OpenTelemetry: the spans join.
//
// What spans and metrics go to is a [Telemetry], found in the context ([FromContext]), else the one of the process. Nothing here needs the OpenTelemetry SDK;
// the package trace/provider sets one up.
//
// # Cost
//
// An Op binds its metric children once for each Telemetry. A span that is not recorded gets no attributes: build them behind [Span.IsRecording]. A unit that is
// not sampled and whose correlation ID came in allocates three times, in memory of the caller's ([Span.Begin]): the context of the ID, and OpenTelemetry's span
// and context.
package trace
