// Package encoding turns bodies and messages into values and back, by content type.
//
// A [Codec] is one format: functions that decode and encode, and the media types it answers to. [Codecs] is a set of them, fixed when it is made. It finds
// the codec of a body by its Content-Type and the codec of an answer by negotiation over Accept (RFC 9110). The formats live in packages of their own,
// encoding/json and encoding/protobuf, so that a service links what it asked for:
//
//	codecs, err := encoding.NewCodecs(json.Codec(), protobuf.Codec())
//
// # Whose fault
//
// Whoever reacts to a failed decoding needs to know who caused it. A [DataError] says that the data did: the same data fails again, and the sender can be
// told why. An error that wraps [ErrValue] says that the program did, by passing a value that the codec cannot handle. Everything else is an error of the
// reader and is returned as it came, so that errors.As finds it.
package encoding
