// Package correlation carries the correlation ID: the one name under which every span, log line, request and message that belongs to one piece of
// business can be found again, across services and transports.
//
// The ID enters with a request or a message in the header [HeaderID], or is created there when it is absent or not valid. From then on it lives in the
// context: the log package writes it on every line, every client and producer sends it on, and an HTTP response carries it back.
//
// What comes from outside is input. An ID that does not match ^[A-Za-z0-9._-]{1,128}$ is replaced, never repaired, so that nobody can forge a log line,
// split a header or fill a log with it. See [Valid].
package correlation
