package async_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"pgregory.net/rapid"
)

func TestWhatIsPackedIsUnpacked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "set") {
				return time.Unix(rapid.Int64Range(-1<<33, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
			}
			return time.Time{}
		})
		m := &async.Message{
			ID: rapid.String().Draw(t, "ID"), Key: rapid.SliceOf(rapid.Byte()).Draw(t, "key"), Data: []byte("data"),
			Time: at.Draw(t, "time"), Due: at.Draw(t, "due"), Expires: at.Draw(t, "expires"),
			Headers: async.Headers{{Key: "x-own", Value: "1"}, {Key: "X-Empty"}, {Key: "X-Own", Value: "2"}},
		}
		before := m.Clone()

		got := async.Unpack(async.Pack(m), m.Data)

		if got.ID != m.ID || !bytes.Equal(got.Key, m.Key) || string(got.Data) != "data" || !slices.Equal(got.Headers, before.Headers) {
			t.Errorf("got ID %q, key %q, data %q, headers %v, want those of %+v", got.ID, got.Key, got.Data, got.Headers, before)
		}
		if !got.Time.Equal(m.Time) || !got.Due.Equal(m.Due) || !got.Expires.Equal(m.Expires) {
			t.Errorf("got times %v, %v, %v, want %v, %v, %v", got.Time, got.Due, got.Expires, m.Time, m.Due, m.Expires)
		}
		if !slices.Equal(m.Headers, before.Headers) {
			t.Errorf("the headers of the message were changed to %v", m.Headers)
		}
	})
}

func TestPackReplacesWhatIsOfAnEarlierJourney(t *testing.T) {
	t.Parallel()
	m := &async.Message{ID: "new", Headers: async.Headers{
		{Key: "patron-message-id", Value: "old"},
		{Key: async.HeaderKey, Value: "b2xk"},
		{Key: async.HeaderDue, Value: "2001-01-01T00:00:00Z"},
		{Key: "X-Own", Value: "1"},
	}}

	h := async.Pack(m)

	if want := (async.Headers{{Key: "X-Own", Value: "1"}, {Key: async.HeaderID, Value: "new"}}); !slices.Equal(h, want) {
		t.Errorf("got %v, want %v", h, want)
	}
}

func TestUnpackTakesForeignMessagesAsTheyAre(t *testing.T) {
	t.Parallel()
	h := async.Headers{{Key: async.HeaderKey, Value: "not base64!"}, {Key: async.HeaderTime, Value: "yesterday"}, {Key: "traceparent", Value: "x"}}
	got := async.Unpack(h, nil)
	if got.ID != "" || got.Key != nil || !got.Time.IsZero() || !slices.Equal(got.Headers, async.Headers{{Key: "traceparent", Value: "x"}}) {
		t.Errorf("got %+v, want a message with one header", got)
	}
}
