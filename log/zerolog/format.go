package zerolog

import (
	"fmt"
	"strings"
)

// Format is the form of a line. The zero value is [JSON].
type Format uint8

// The formats.
const (
	JSON Format = iota // one object a line, for machines
	Text               // for people
)

// String returns the name in lower case.
func (f Format) String() string {
	switch f {
	case JSON:
		return "json"
	case Text:
		return "text"
	default:
		return fmt.Sprintf("format %d", uint8(f))
	}
}

// ParseFormat returns the format with the given name, in upper or lower case: json or text. The error names s and what is allowed.
func ParseFormat(s string) (Format, error) {
	for _, f := range [...]Format{JSON, Text} {
		if strings.ToLower(s) == f.String() { // EqualFold takes the long s for an s
			return f, nil
		}
	}
	return JSON, fmt.Errorf("log format %q: want json or text", s)
}
