package jaeger

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"
)

// Types of the Thrift compact protocol, as they stand in the headers of fields and lists.
const (
	typeTrue   = 1
	typeFalse  = 2
	typeI32    = 5
	typeI64    = 6
	typeDouble = 7
	typeBinary = 8 // strings too
	typeList   = 9
	typeStruct = 12
)

const (
	protocolID    = 0x82
	version       = 1
	messageOneway = 4
)

// encoder appends values of the Thrift compact protocol to buf (specification: thrift-compact-protocol.md of Apache Thrift). It knows just enough of the
// protocol for the messages of this package. The zero value is ready for use; it must not be used concurrently.
type encoder struct {
	buf  []byte
	last int // ID of the field that was written last in the current struct: headers carry the difference
}

// message begins a oneway call of method. The sequence ID is 0: nothing comes back that it could be matched with.
func (e *encoder) message(method string) {
	e.buf = append(e.buf, protocolID, messageOneway<<5|version, 0)
	e.bytes(method)
}

// begin starts a struct and returns what end needs to go on with the struct around it.
func (e *encoder) begin() (outer int) {
	outer, e.last = e.last, 0
	return outer
}

func (e *encoder) end(outer int) {
	e.buf = append(e.buf, 0)
	e.last = outer
}

// field writes the header of a field. The IDs of a struct must rise, by 15 at most.
func (e *encoder) field(id int, typ byte) {
	e.buf = append(e.buf, byte(id-e.last)<<4|typ)
	e.last = id
}

func (e *encoder) i32(id int, v int32) {
	e.field(id, typeI32)
	e.buf = binary.AppendVarint(e.buf, int64(v))
}

func (e *encoder) i64(id int, v int64) {
	e.field(id, typeI64)
	e.buf = binary.AppendVarint(e.buf, v)
}

// double is little endian: the one place where the compact protocol departs from the binary one.
func (e *encoder) double(id int, v float64) {
	e.field(id, typeDouble)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, math.Float64bits(v))
}

// bool has no value of its own: it is the type in the header.
func (e *encoder) bool(id int, v bool) {
	if v {
		e.field(id, typeTrue)
		return
	}
	e.field(id, typeFalse)
}

func (e *encoder) string(id int, s string) {
	e.field(id, typeBinary)
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	e.bytes(s)
}

func (e *encoder) binary(id int, s string) {
	e.field(id, typeBinary)
	e.bytes(s)
}

// list writes the header of a field that is a list of n structs.
func (e *encoder) list(id, n int) {
	e.field(id, typeList)
	e.buf = appendListHeader(e.buf, n)
}

func (e *encoder) bytes(s string) {
	e.buf = binary.AppendUvarint(e.buf, uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// maxListHeader is the most that appendListHeader appends for a list that fits into a packet.
const maxListHeader = 1 + 3

// appendListHeader appends the size and element type of a list of n structs.
func appendListHeader(b []byte, n int) []byte {
	if n < 15 {
		return append(b, byte(n)<<4|typeStruct)
	}
	return binary.AppendUvarint(append(b, 15<<4|typeStruct), uint64(n))
}
