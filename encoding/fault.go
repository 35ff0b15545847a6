package encoding

import "strconv"

// MaxFaults bounds the faults that are reported for one document: far above what an honest one has, so that its sender learns of all at once, and low enough
// that a hostile one does not come back much larger than it was.
const MaxFaults = 10_000

// Fault is one thing that is wrong with a document.
type Fault struct {
	// Pointer says where, as an RFC 6901 JSON pointer: "/lines/0/quantity". The empty pointer is the whole document. [Pointer] makes one.
	Pointer string `json:"pointer"`
	// Detail says what is wrong, for whoever sent the document: "must be at least 1".
	Detail string `json:"detail"`
}

// LimitFaults returns ff if it holds at most [MaxFaults] faults. Else it returns the first of them and, as the last one, a fault of the whole document that
// says that there are more. It may change ff.
func LimitFaults(ff []Fault) []Fault {
	if len(ff) <= MaxFaults {
		return ff
	}
	ff[MaxFaults-1] = Fault{Detail: "has more faults than these " + strconv.Itoa(MaxFaults-1)}
	return ff[:MaxFaults:MaxFaults]
}
