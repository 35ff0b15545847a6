// Package nats is a driver for NATS JetStream. It shows what a broker takes that the framework does not know: docs/guides/new-broker.md walks through it.
package nats
