// Package http calls HTTP services: a net/http client whose requests are seen and carry on what they belong to.
//
// The name shadows the standard library's package, so import it as phttpclient.
//
//	stock, err := phttpclient.New()
//	…
//	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stock/items/85123A", nil)
//	…
//	resp, err := stock.Do(req)
//
// A [Transport] is an http.RoundTripper, for whoever has a client already; a [Client] adds redirects and a time for the whole call. Both are made once and
// shared: they hold the connections. Requests, responses and errors are those of net/http.
//
// # What is seen
//
// Each exchange, and so each redirect, is a span of the kind client that is named after its method and ends when the header of the response is there, as
// is the duration in http_client_request_duration_seconds; reading the body is the caller's time. A status of 400 or more is the error_type of the metric
// and makes the span one of an error, but it is no error of the call. The client never logs: its caller decides. Spans and metrics go where the context of
// the request says, see trace.FromContext.
//
// The label server_address is the name of the host. The first [WithTargets] names that a client sees are labels, further ones are _OTHER, because names
// may come from outside. Neither spans nor errors hold the user, the query or the fragment of a URL; that the errors of Client.HTTPClient hold the query
// is net/http's doing.
//
// # What goes out
//
// The trace context, the baggage and the correlation ID of the context are written to a copy of the header, unless [WithoutPropagation] says otherwise. To
// make a call repeatable, set the header Idempotency-Key on the request.
//
// # Redirects
//
// A redirect to another host gets neither trace context, baggage and correlation ID, nor any other header than those that describe content and
// preferences: an API key may stand in any header, so all are dropped that are not known to be harmless. Another port is another host, and so is http
// after https; only the step from http to https on the default ports is not. What was dropped does not come back, even if the redirects lead back to the
// first host. Cookies are left to http.Client, which removes those of the caller for another domain but does not tell ports apart and adds those of its
// Jar; a Client without a Jar sends none to another host. The body of a request that is redirected with 307 or 308 is sent again, as net/http does it;
// WithMaxRedirects(0) prevents that.
//
// # Time and size
//
// Nothing waits for ever: see the defaults of [WithTimeout], [WithDialTimeout], [WithTLSHandshakeTimeout] and [WithResponseHeaderTimeout]. A body is read
// by the caller, who bounds it with [WithMaxResponseBody] or reads it in pieces, and who closes it. Connections are kept for each host; proxies are those
// of http.DefaultTransport, which is copied and never changed.
package http
