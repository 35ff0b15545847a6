// Package patron runs the components of a service: it starts and stops them in order, gives them logger, traces and metrics, and serves HTTP beside them.
//
//	service, err := patron.New("orders", "1.2.3",
//		patron.WithComponents(consumer),
//		patron.WithRoutes(route))
//	if err != nil {
//		return err
//	}
//	return service.Run(ctx)
//
// A [component.Component] is anything with a method Run. Components of one [WithComponents] form a group. Without options a service has one component: the
// HTTP server on port 50000 with /alive, /ready, /metrics and the routes of the service. pprof, /info and the log level are served for its operators on
// 127.0.0.1:51000.
//
// # Life
//
//	New ──> Starting ──> Running ──> Stopping ──> Stopped | Failed
//
// [New] checks everything and opens nothing. [Service.Run] then goes through these steps:
//
//   - It listens for signals, brings the traces up and starts the HTTP server: /alive answers 200 from then on, /ready 503, and routes 503 with Retry-After,
//     so that a slow start is seen and not killed.
//   - It starts the groups in their order: Start of each component, then Run of all. If one fails the rest is not started, and what had started is stopped.
//   - When all run, it waits until every check has passed once. Then the service is ready ([Service.Started]): /ready answers 200 and the routes are open. A
//     check that fails later makes the service degraded, which leaves it its traffic, unless the error is marked with [component.Critical].
//   - It is told to stop: by the end of its context, by SIGTERM or SIGINT, or by the first component that returns. /ready answers 503 at once, and for the
//     drain delay (0) the service goes on serving, so that load balancers notice.
//   - The groups stop in reverse: the HTTP server first, then the group that started last. A group is told to stop by the end of its take context when the
//     group before it has returned. What was taken may be finished within the grace period (10 s), which is one deadline for all groups; then every work
//     context ends.
//   - What confirms results has another 2 s. A component that has not returned by then is named in the log and in the error, and Run does not wait for it.
//   - The last spans are sent, within 3 s. So Run returns at most drain delay + grace period + 5 s after it was told to stop.
//
// A second SIGTERM or SIGINT makes Run return [ErrForced] within 200 ms. SIGHUP calls the hook of [WithSIGHUP] and the service goes on; without a hook it
// stops the service. A panic in a component is an error of that component.
//
// # Environment
//
// New reads the variables that docs/configuration.md lists. An option wins over a variable, and a variable over the default. A value that is not allowed is
// an error of New; a PATRON_ variable that does not exist is logged with the name that is nearest.
//
// # Telemetry
//
// The contexts of all components carry the logger and the telemetry of the service, so nobody wires them: use log.FromContext or slog with the context,
// trace.Start, and metric.FromContext. Two services in one process do not mix. The defaults of the process, for code without such a context, are those of
// the service that was made last without [WithoutGlobals].
package patron
