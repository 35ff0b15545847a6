// Package json is the JSON codec: encoding/json with an account of everything that does not fit, instead of the first thing only.
//
// What is decoded is what encoding/json decodes, with two differences. Data that is not UTF-8 is refused (RFC 8259, 8.1), where encoding/json puts in
// replacement characters. And if values do not fit the target, the document is walked again against its type, and the error, an
// [github.com/beatlabs/patron/encoding.DataError], has a fault for each of them:
//
//	/lines/0/quantity  must be an integer, not a string
//	/lines/3/price     must be a number, not a boolean
//
// Its details never quote the data, so they may be sent back. The second walk costs time only where the data is wrong.
//
// # What counts as wrong
//
// Unknown members are ignored, names are compared as encoding/json does it (exactly, then without regard to case), and of members with equal names the last
// one wins. null is as if the value were absent: it leaves what it cannot set to nil, and a whole document of null gives the zero value. An integer is written
// without fraction and exponent and lies within its type: 1.0, 1e3 and 300 for an int8 are faults. A type with UnmarshalJSON or UnmarshalText decides for
// itself; if its error is or wraps a DataError, that one's detail and faults are taken over, any other error reads "is not valid".
//
// An input that is empty, ends early, is not JSON, nests deeper than 10 000 levels or goes on after its value has no faults but a detail that says where.
package json
