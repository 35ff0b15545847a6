package encoding

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What goes wrong beside the data; test with errors.Is.
var (
	// ErrValue says that the program passed a value that the codec can neither decode into nor encode. It is a bug of the caller, not of the data.
	ErrValue = errors.New("value not fit for the codec")
	// ErrTooLarge says that the data is longer than [MaxSize]. It comes inside a [DataError].
	ErrTooLarge = errors.New("data too large")
	// ErrContentType says that no codec reads the content type: 415 in HTTP.
	ErrContentType = errors.New("unsupported content type")
	// ErrAccept says that no codec writes what the header Accept asks for: 406 in HTTP.
	ErrAccept = errors.New("not acceptable")
)

// DataError says that data could not be decoded and that the data is why: the same data fails again.
type DataError struct {
	// Detail says what is wrong, for whoever sent the data: "malformed JSON at byte 17". It holds none of the data.
	Detail string
	// Faults are the values that do not fit the target, if the data is well formed. They hold none of the data but the keys of maps in their pointers.
	Faults []Fault
	// Filled says that the value decoded into holds all of the document but what the Faults point at, so that the rest can be checked, too.
	Filled bool
	// Err is the cause, for the log; it may be nil, and it may quote the data.
	Err error
}

// Error returns the detail and the first fault. It holds none of the data: the cause, which may, is left to Unwrap.
func (e *DataError) Error() string {
	var b strings.Builder
	b.WriteString(e.Detail)
	if len(e.Faults) > 0 {
		fmt.Fprintf(&b, ": %q %s", e.Faults[0].Pointer, e.Faults[0].Detail)
	}
	if more := len(e.Faults) - 1; more > 0 {
		fmt.Fprintf(&b, " (and %d more)", more)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *DataError) Unwrap() error { return e.Err }

// MediaTypeError says that a header names nothing that a set of codecs can handle. It wraps [ErrContentType] or [ErrAccept].
type MediaTypeError struct {
	Header    string   // as it was received
	Supported []string // the media types that would have been fine, the preferred one first
	Err       error    // ErrContentType or ErrAccept
}

// Error quotes the header, shortened, and lists what is supported.
func (e *MediaTypeError) Error() string {
	const limit = 100
	header := e.Header
	if len(header) > limit {
		header = header[:limit] + "…"
	}
	return e.Err.Error() + ": " + strconv.Quote(header) + ": want " + strings.Join(e.Supported, ", ")
}

// Unwrap returns Err.
func (e *MediaTypeError) Unwrap() error { return e.Err }
