// Package outbox holds the code of docs/guides/outbox.md.
package outbox
