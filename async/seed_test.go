package async_test

import (
	"context"
	"testing"

	"github.com/beatlabs/patron/async"
)

// Snippet 7 of the seed document: a processor takes a context and a message, whose data are bytes, and returns an error.
func TestTheSeedsProcessorIsOne(t *testing.T) {
	t.Parallel()
	var got []byte
	processor := async.ProcessorFunc(func(_ context.Context, msg *async.Message) error {
		got = msg.Data
		return nil
	})

	if err := processor(t.Context(), &async.Message{Data: []byte("data")}); err != nil || string(got) != "data" {
		t.Errorf("got %q and error %v, want the data and nil", got, err)
	}
}
