// Package faultnet is a network that tests can break: a [Network] is given to the dial hook of a client library, and can then be taken down (connections break,
// dials are refused), stalled (bytes are neither sent nor received, as behind a router that lost its state) and brought back, without touching the server.
package faultnet
