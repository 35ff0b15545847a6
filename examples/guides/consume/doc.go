// Package consume holds what docs/guides/async.md shows, so that it is compiled and its output is checked.
package consume
