// Package zerolog is the default backend of package log: lines of JSON, or of text for people, written with github.com/rs/zerolog.
//
// Import it under that name, or as pzerolog beside the library. It reads no environment and changes none of the library's global variables; those that shape
// a line (field names, time format, marshal functions) do not shape the lines of this package, so a program may use both. The exceptions are those that are
// made to reach everything: after zerolog.SetGlobalLevel(zerolog.Disabled) nothing is written, and zerolog.ErrorHandler is told of failed writes, which
// otherwise are reported on standard error.
//
// # Form
//
// A line has lvl, time, src, msg, the fields of the logger, the IDs of the context, and the attributes, in this order. Durations are seconds, times are RFC
// 3339 with nanoseconds, errors are their text, and other values are what encoding/json makes of them. A value that cannot be encoded, or panics, becomes a
// string that begins with !ERROR or !PANIC: a line is never lost to it.
//
// The text form has the same content: time, level in three letters, source, message, then key=value, with a.b=value for groups. Strings that hold more
// than plain characters are quoted as in JSON. Colours are used only if the writer is a terminal.
package zerolog
