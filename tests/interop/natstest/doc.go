// Package natstest runs a NATS server with JetStream in the process of a test.
package natstest
