package async

import (
	"context"
	"errors"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
)

// Handle makes a ProcessorFunc of a function that takes the decoded message. The header Content-Type chooses the codec; without one it is JSON.
// [HandleWith] takes other codecs. A message that cannot be decoded gives a [*DecodeError], which is permanent: no try would help.
func Handle[T any](fn func(context.Context, T) error) ProcessorFunc {
	return HandleWith(json.Codecs(), fn)
}

// HandleWith is [Handle] with codecs of the caller's choice.
func HandleWith[T any](codecs *encoding.Codecs, fn func(context.Context, T) error) ProcessorFunc {
	if codecs == nil || fn == nil {
		return nil // New says that the processor is nil
	}
	return func(ctx context.Context, msg *Message) error {
		v, err := Decode[T](codecs, msg)
		if err != nil {
			return err
		}
		return fn(ctx, v)
	}
}

// errNoCodecs is what Decode says without codecs.
var errNoCodecs = errors.New("codecs are nil")

// Decode decodes the data of msg by its content type. Errors are [*DecodeError], also for codecs that are nil.
func Decode[T any](codecs *encoding.Codecs, msg *Message) (T, error) {
	var v T
	if codecs == nil {
		return v, &DecodeError{Err: errNoCodecs}
	}
	codec, err := codecs.ForContentType(msg.Headers.Get(HeaderContentType))
	if err == nil {
		err = codec.DecodeRaw(msg.Data, &v)
	}
	if err != nil {
		return v, &DecodeError{Err: err}
	}
	return v, nil
}
