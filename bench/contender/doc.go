// Package contender holds the HTTP servers that are compared, and the requests that they answer.
//
// All of them serve GET /users/{id} with 111 bytes of JSON and POST /orders, which decodes and validates an order, and all but net/http itself trace, count and
// measure requests and give each an ID. A contender counts only if it does that work: the tests of this package ask each for the body, the ID, one
// observation of a histogram for each request, and as many spans as there were requests or none.
//
// Equal duties are not equal riches. OpenTelemetry's handler records three histograms, kratos a histogram and a counter, those with client_golang a histogram
// and a counter; patron records a histogram and a gauge, recovers panics, bounds bodies and watches the connection. Where a peer leaves something out that
// costs time (recovery, limits), it is not added: it makes the peer faster.
package contender
