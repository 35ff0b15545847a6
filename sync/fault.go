package sync

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/beatlabs/patron/encoding"
)

// Fault is one thing that is wrong with the input: an RFC 6901 pointer that says where, and a detail that says what.
type Fault = encoding.Fault

// Pointer returns the RFC 6901 JSON pointer made of tokens, strings for members and integers for elements, for use in a Validate method. "~" and "/" within
// a token are escaped.
func Pointer(tokens ...any) string { return encoding.Pointer(tokens...) }

// invalid returns the error for an input with faults.
func invalid(ff []Fault, cause error) *Error {
	message := "the input has 1 fault"
	if len(ff) != 1 {
		message = "the input has " + strconv.Itoa(len(ff)) + " faults"
	}
	return &Error{Code: InvalidArgument, Message: message, Faults: ff, Err: cause}
}

// merge joins the faults of decoding with those of validation.
func merge(decoding, validation []Fault) []Fault {
	all := slices.Concat(decoding, validation)
	sortFaults(all)
	return encoding.LimitFaults(all)
}

// covers reports whether the value at pointer p is the one at q or contains it.
func covers(p, q string) bool {
	return strings.HasPrefix(q, p) && (len(p) == len(q) || q[len(p)] == '/')
}

// sortFaults puts faults in the order of their pointers, token by token, indexes by number.
func sortFaults(ff []Fault) {
	slices.SortStableFunc(ff, func(a, b Fault) int { return comparePointers(a.Pointer, b.Pointer) })
}

func comparePointers(p, q string) int {
	for p != "" && q != "" {
		var a, b string
		a, p = cutToken(p)
		b, q = cutToken(q)
		if isIndex(a) && isIndex(b) {
			if c := cmp.Compare(len(a), len(b)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(a, b); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(p), len(q))
}

// cutToken cuts the first token off a pointer that is not empty.
func cutToken(p string) (token, rest string) {
	p = p[1:]
	if i := strings.IndexByte(p, '/'); i >= 0 {
		return p[:i], p[i:]
	}
	return p, ""
}

// isIndex reports whether a token may be the index of an element: digits without a leading zero, so that longer means larger.
func isIndex(token string) bool {
	if token == "" || token[0] == '0' && len(token) > 1 {
		return false
	}
	for i := range len(token) {
		if token[i] < '0' || token[i] > '9' {
			return false
		}
	}
	return true
}
