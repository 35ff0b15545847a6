// Package protobuf is the codec for Protocol Buffers messages, by google.golang.org/protobuf. A service that wants it names it in its set of codecs; nothing
// else in the framework links that module through this package.
//
//	codecs, err := encoding.NewCodecs(json.Codec(), protobuf.Codec())
//
// It encodes and decodes values that implement proto.Message and refuses all others with an error that wraps encoding.ErrValue: it never panics. A processor
// that answers with something else, or an error with a payload that is no message, therefore needs a caller who also accepts JSON.
package protobuf
