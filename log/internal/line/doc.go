// Package line holds what every backend of package log does with a line: the names of its fields, the IDs of its context, the source of its call, and the
// rules that make it exactly one line that parses.
package line
