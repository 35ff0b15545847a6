// Package http is the HTTP server as a component: routes for processors and plain handlers, the life cycle end points, limits that never cut a stream, and a
// stop that answers every request it has read. Other packages import it as phttp.
//
//	route, err := phttp.NewPostRouteBuilder("/orders", psync.Handle(place)).Build()
//	…
//	server, err := phttp.New(phttp.WithPort(8080), phttp.WithRoutes(route))
//
// # Routes
//
// A path is a pattern of [net/http.ServeMux]: "/orders/{invoice}", "/files/{path...}", "/static/" with all that is below it. The path "/" is exact; for
// everything that no other route takes, write "/{rest...}". HEAD is answered by the route for GET, OPTIONS with what is allowed, and what matches no route is
// answered and counted like everything else, under the one route name "unmatched".
//
// A route runs a [psync.ProcessorFunc], for which bodies are decoded and encoded by content type and errors become problem details (RFC 9457), or a raw
// http.Handler, which answers as it likes; [WriteError] gives it the same errors.
//
// # The chain
//
// From the outside in: observation (trace, correlation ID, metrics, log), recovery, limits, the middlewares of the component, the authenticator of the route,
// the middlewares of the route, the processor or handler. Of several middlewares the first listed is the outermost. The chain is put together once, when the
// component is made. The middlewares of the component also see requests that match no route, so that a CORS middleware can answer a preflight; /alive, /ready
// and /metrics they do not see.
//
// A panic anywhere becomes a 500, or cuts the connection if an answer has begun. http.ErrAbortHandler cuts it without being an error.
//
// # Time
//
// The header of a request must come within 5 s. While a body is read, each wait for more of it may take 5 s, and the body of a processor must besides come
// at 1 KiB a second on average. Each write to the network may take 10 s. So nobody holds a connection by being slow, and yet no limit counts the whole
// of a response: a stream may be quiet for hours.
//
// # Stopping
//
// When the context of Run ends, the listener is closed, connections that never sent a byte are closed, and every answer from then on carries "Connection:
// close". A connection that is idle stays for another 750 ms, because a request may be on its way on it. Requests in flight have the grace period; then their
// contexts end, and after a short time to write their answers what is left is cut, counted and returned as an error. A handler that streams without end
// learns from [Draining] when it should end.
package http
