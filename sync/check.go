package sync

import (
	"reflect"
	"regexp"
	"slices"
	"unicode/utf8"
)

// check is one compiled rule for a value that is there.
type check struct {
	kind    checkKind
	detail  string
	int     int64
	uint    uint64
	float   float64
	length  int
	pattern *regexp.Regexp
	strings []string
	ints    []int64
	uints   []uint64
}

// checkKind says which fields of a check count.
type checkKind uint8

const (
	_ checkKind = iota
	minInt
	maxInt
	minUint
	maxUint
	minFloat
	maxFloat
	minRunes
	maxRunes
	minItems
	maxItems
	inStrings
	inInts
	inUints
	matches
)

// ok reports whether v, of the kind that the check was made for, keeps to the rule.
func (c *check) ok(v reflect.Value) bool {
	switch c.kind {
	case minInt:
		return v.Int() >= c.int
	case maxInt:
		return v.Int() <= c.int
	case minUint:
		return v.Uint() >= c.uint
	case maxUint:
		return v.Uint() <= c.uint
	case minFloat:
		return v.Float() >= c.float
	case maxFloat:
		return v.Float() <= c.float
	case minRunes:
		return utf8.RuneCountInString(v.String()) >= c.length
	case maxRunes:
		s := v.String()
		return len(s) <= c.length || utf8.RuneCountInString(s) <= c.length
	case minItems:
		return v.Len() >= c.length
	case maxItems:
		return v.Len() <= c.length
	case inStrings:
		return slices.Contains(c.strings, v.String())
	case inInts:
		return slices.Contains(c.ints, v.Int())
	case inUints:
		return slices.Contains(c.uints, v.Uint())
	case matches:
		return c.pattern.MatchString(v.String())
	default:
		return true
	}
}
