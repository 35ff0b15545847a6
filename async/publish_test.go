package async_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/reliability"
)

func TestPublishSendsWhatItsOptionsSay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		h := async.Headers{{Key: "X-Two", Value: "2"}, {Key: "X-Three", Value: "3"}}
		several := async.WithHeaders(h)
		h[0].Value = "changed"

		err := async.Publish(t.Context(), b.Producer("q"), "k", 1, async.WithID("1"), async.WithType("placed"), async.WithHeader("X-One", "1"), several,
			async.WithDueIn(time.Hour), async.WithExpiresIn(2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		m := b.Messages("q")[0]
		if m.ID != "1" || async.TypeOf(m) != "placed" || m.Headers.Get("X-One") != "1" || m.Headers.Get("X-Two") != "2" || m.Headers.Get("X-Three") != "3" {
			t.Errorf("got ID %q and headers %v", m.ID, m.Headers)
		}
		if !m.Due.Equal(time.Now().Add(time.Hour)) || !m.Expires.Equal(time.Now().Add(2*time.Hour)) {
			t.Errorf("got due %v and expires %v, want in one hour and in two", m.Due, m.Expires)
		}
		at := time.Now().Add(3 * time.Hour)
		if err := async.Publish(t.Context(), b.Producer("q"), "k", 1, async.WithDueAt(at), async.WithExpiresAt(at.Add(1))); err != nil {
			t.Fatal(err)
		}
		if m := b.Messages("q")[1]; !m.Due.Equal(at) || !m.Expires.Equal(at.Add(1)) {
			t.Errorf("got due %v and expires %v, want %v and a moment later", m.Due, m.Expires, at)
		}
	})
}

func TestPublishSaysEverythingThatIsWrongWithItsOptionsAndSendsNothing(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	err := async.Publish(t.Context(), b.Producer("q"), "k", 1, async.WithID(""), async.WithType(""), async.WithHeader("", "x"),
		async.WithHeaders(async.Headers{{Value: "x"}}), nil, async.WithDueIn(-1), async.WithDueAt(time.Time{}), async.WithExpiresIn(0),
		async.WithExpiresAt(time.Time{}))
	if err == nil || reliability.Classify(err) != reliability.ClassPermanent {
		t.Fatalf("got %v, want a permanent error", err)
	}
	want := "async: publish: id is empty\ntype is empty\nheader without a key\nheader without a key\noption 4 is nil\ndue in -1ns: want at least 0\n" +
		"due at the zero time: want a time\nexpires in 0s: want above 0\nexpires at the zero time: want a time"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if n := b.Len("q"); n > 0 {
		t.Errorf("%d messages were sent, want none", n)
	}
}

// plain is a producer whose broker can hold messages back for limit.
type plain struct {
	limit time.Duration
	sent  int
}

func (p *plain) Send(_ context.Context, mm ...*async.Message) error { p.sent += len(mm); return nil }
func (p *plain) Close(context.Context) error                        { return nil }

type scheduling struct{ *plain }

func (p scheduling) MaxPublishDelay() time.Duration { return p.limit }

// messages makes the table short.
type messages = []*async.Message

func TestAProducerRefusesWhatItsBrokerCannotHoldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		past, soon, late := time.Now(), time.Now().Add(time.Minute), time.Now().Add(time.Hour)
		for name, tc := range map[string]struct {
			messages messages
			limit    time.Duration
			want     string // "": it is sent
		}{
			"no due time":     {messages: messages{{}}},
			"due already":     {messages: messages{{Due: past}}},
			"no delay at all": {messages: messages{{}, {Due: soon}}, want: "message 1 is due in 1m0s: this broker cannot hold messages back: unsupported operation"},
			"within":          {messages: messages{{Due: soon}}, limit: time.Minute},
			"too long": {
				messages: messages{{Due: late}}, limit: time.Minute,
				want: "message 0 is due in 1h0m0s: want at most 1m0s with this broker: unsupported operation",
			},
			"expires too soon": {messages: messages{{Due: soon, Expires: soon.Add(-time.Second)}}, limit: time.Hour, want: "message 0 expires 1s before it is due"},
		} {
			inner := &plain{limit: tc.limit}
			p := async.Observed("test", "t", inner)
			if tc.limit > 0 {
				p = async.Observed("test", "t", scheduling{inner})
			}
			err := p.Send(t.Context(), tc.messages...)
			switch {
			case tc.want == "":
				if err != nil || inner.sent != len(tc.messages) {
					t.Errorf("%s: got %v and %d sent, want all", name, err, inner.sent)
				}
				continue
			case err == nil || err.Error() != "async: send to t: "+tc.want:
				t.Errorf("%s: got %v, want %s", name, err, tc.want)
			case inner.sent > 0:
				t.Errorf("%s: %d messages were sent all the same", name, inner.sent)
			case reliability.Classify(err) != reliability.ClassPermanent:
				t.Errorf("%s: got class %v, want it permanent", name, reliability.Classify(err))
			}
			if unsupported := strings.Contains(tc.want, "unsupported"); errors.Is(err, errors.ErrUnsupported) != unsupported {
				t.Errorf("%s: got %v, wraps ErrUnsupported: %t", name, err, !unsupported)
			}
		}
	})
}

// A reminder is published now and given in an hour; nobody wants it after two.
func ExamplePublish_delayed() {
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	err = async.Publish(context.Background(), broker.Producer("reminders"), "17850", "pay invoice 536365",
		async.WithType("reminder"), async.WithID("reminder-536365"), async.WithDueIn(time.Hour), async.WithExpiresIn(2*time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range broker.Messages("reminders") {
		fmt.Println(m.ID, async.TypeOf(m), m.Expires.Sub(m.Due).Round(time.Minute))
	}
	// Output: reminder-536365 reminder 1h0m0s
}

func TestANilMessageIsAnErrorAndNotAPanic(t *testing.T) {
	t.Parallel()
	inner := &plain{}
	err := async.Observed("test", "t", inner).Send(t.Context(), &async.Message{}, nil)
	if want := "async: send to t: message 1 is nil"; err == nil || err.Error() != want || inner.sent > 0 {
		t.Errorf("got %v and %d sent, want %s and none", err, inner.sent, want)
	}
}

func TestObservedKeepsFromADriverWhatCannotBeSentAnyMore(t *testing.T) {
	t.Parallel()
	inner := &recording{}
	p := async.Observed("test", "t", inner)
	ended, cancel := context.WithCancel(t.Context())
	cancel()

	if err := p.Send(ended, &async.Message{}); !errors.Is(err, context.Canceled) {
		t.Errorf("send with an ended context: got %v, want its error", err)
	}
	for range 2 {
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Send(t.Context(), &async.Message{}); !errors.Is(err, async.ErrClosed) {
		t.Errorf("send after close: got %v, want ErrClosed", err)
	}
	if inner.sends != 0 || inner.closes != 1 {
		t.Errorf("the driver was asked to send %d times and to close %d times, want 0 and 1", inner.sends, inner.closes)
	}
}

// recording counts what it is asked.
type recording struct{ sends, closes int }

func (p *recording) Send(context.Context, ...*async.Message) error { p.sends++; return nil }
func (p *recording) Close(context.Context) error                   { p.closes++; return nil }
