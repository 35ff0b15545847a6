// Package log is the leveled logger with fields of a service, in two forms that write the same lines: [Logger], with methods like Infof, and log/slog.
//
//	plog.Slog(ctx).InfoContext(ctx, "order accepted", "invoice", invoice)
//	plog.FromContext(ctx).Infof("order %s accepted", invoice)
//
// The name shadows the standard library's package, so import it as plog.
//
// # Which logger
//
// A logger is found when it is used: the one in the context (see [WithContext]), else the one of the process (see [SetDefault] and [Setup]), else one that
// writes JSON at info and above to standard error, so that a line before the set-up is never lost. A service puts its logger into the context of everything
// it runs; two services in one process do not mix as long as the context is passed on.
//
// # What is on a line
//
// Every backend of this module writes the fields lvl, msg, time (RFC 3339 with nanoseconds, UTC) and src, the place of the call as dir/file.go:line. If the
// context has them it adds correlationID, trace_id and span_id, at the time of the line: a logger that was made before the span knows the span. That needs the
// context: log with the …Context methods of slog, or with [FromContext].
//
// One event is one line that parses, with each key once in an object, as long as keys are UTF-8. Control characters, escape sequences of terminals and
// characters that turn the direction of text never get out raw, wherever they come from. Of two attributes with the same key the later one counts; one that
// is named like a field of the line itself (lvl, msg, time, src) is written as fields.lvl and so on; an explicit attribute correlationID, trace_id or
// span_id replaces that of the context.
//
// # Levels
//
// A level is a number of log/slog under the name of this package; see [Level]. It may be changed while the service runs, for the [Logger] and the slog side at
// once: see [LevelVar] and [Leveled.SetLevel]. Fatal(f) always ends the process with status 1 and Panic(f) always panics with the message, whatever the
// level and whatever the backend does; the line comes first, if the level allows it.
//
// # Backends
//
// Package log/zerolog is the default that a service installs. [JSON] needs nothing but the standard library. [NewHandler] makes a backend of any
// slog.Handler, and [Setup] and [WithContext] take any [Logger], even if it has no more than the twelve methods.
package log
