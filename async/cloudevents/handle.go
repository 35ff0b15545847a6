package cloudevents

import (
	"context"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
)

// Process makes a processor of a function that takes the event. A message that is none, or a wrong one, gives an [*async.DecodeError], which is permanent.
func Process(fn func(context.Context, Event) error) async.ProcessorFunc {
	if fn == nil {
		return nil // async.New says that the processor is nil
	}
	return func(ctx context.Context, msg *async.Message) error {
		e, err := Read(msg)
		if err != nil {
			return err
		}
		return fn(ctx, e)
	}
}

// Handle makes a processor of a function that takes the event and its decoded data. The data's content type chooses the codec; without one it is JSON.
// [HandleWith] takes other codecs. What cannot be read or decoded gives an [*async.DecodeError], which is permanent.
func Handle[T any](fn func(context.Context, Event, T) error) async.ProcessorFunc {
	return HandleWith(json.Codecs(), fn)
}

// HandleWith is [Handle] with codecs of the caller's choice.
func HandleWith[T any](codecs *encoding.Codecs, fn func(context.Context, Event, T) error) async.ProcessorFunc {
	if codecs == nil || fn == nil {
		return nil // async.New says that the processor is nil
	}
	return Process(func(ctx context.Context, e Event) error {
		var v T
		codec, err := codecs.ForContentType(e.DataContentType)
		if err == nil {
			err = codec.DecodeRaw(e.Data, &v)
		}
		if err != nil {
			return &async.DecodeError{Err: err}
		}
		return fn(ctx, e, v)
	})
}
