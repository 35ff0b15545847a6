// Package brokers holds the code of docs/guides/brokers.md, and compares its table with what the drivers say of themselves.
package brokers
