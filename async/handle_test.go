package async_test

import (
	"context"
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/reliability"
)

func TestWithoutACodecNothingIsDecodedOrSent(t *testing.T) {
	t.Parallel()
	b := newBroker(t)

	_, decoding := async.Decode[int](nil, &async.Message{Data: []byte("1")})
	sending := async.PublishWith(t.Context(), b.Producer("q"), encoding.Codec{}, "k", 1)

	for want, err := range map[string]error{"decode: codecs are nil": decoding, "async: publish: codec without Encode": sending} {
		if err == nil || err.Error() != want || reliability.Classify(err) != reliability.ClassPermanent {
			t.Errorf("got %v, want %q, permanent", err, want)
		}
	}
	if n := b.Len("q"); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
	if async.HandleWith(nil, func(context.Context, int) error { return nil }) != nil || async.HandleWith[int](json.Codecs(), nil) != nil {
		t.Error("HandleWith: got a processor without codecs or a function, want nil, which New refuses")
	}
}
