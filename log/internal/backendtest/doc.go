// Package backendtest checks that a backend keeps the contract of log.Backend, with testing/slogtest, with random records and with values that misbehave.
package backendtest
