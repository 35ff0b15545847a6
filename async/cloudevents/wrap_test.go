package cloudevents_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/cloudevents"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/reliability"
	"github.com/google/go-cmp/cmp"
	oteltrace "go.opentelemetry.io/otel/trace"
)

func newBroker(t *testing.T) *memory.Broker {
	t.Helper()
	b, err := memory.New(memory.WithoutDrain())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wrap(t *testing.T, p async.Producer, oo ...cloudevents.OptionFunc) async.Producer {
	t.Helper()
	w, err := cloudevents.Wrap(p, "/orders", oo...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWrappedProducersSendEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type order struct{ Invoice string }
		for _, binding := range []cloudevents.Binding{cloudevents.Kafka, cloudevents.AMQP, cloudevents.HTTP} {
			b := newBroker(t)
			p := wrap(t, b.Producer("q"), cloudevents.WithBinding(binding))
			err := async.Publish(t.Context(), p, "17850", order{"536365"}, async.WithType("placed"), async.WithID("1"),
				cloudevents.WithSubject("a ü"), cloudevents.WithAttribute("tenant", "uk"))
			if err != nil {
				t.Fatal(err)
			}

			var got cloudevents.Event
			handler := cloudevents.Handle(func(_ context.Context, e cloudevents.Event, o order) error {
				if o.Invoice != "536365" {
					t.Errorf("data: got %+v", o)
				}
				got = e
				return nil
			})
			m := b.Messages("q")[0]
			if err := handler(t.Context(), m); err != nil {
				t.Fatal(err)
			}

			want := cloudevents.Event{
				ID: "1", Source: "/orders", Type: "placed", Subject: "a ü", Time: time.Now().UTC(), DataContentType: "application/json",
				Extensions: map[string]string{"tenant": "uk"}, Data: got.Data,
			}
			want.DataContentType = m.Headers.Get(async.HeaderContentType)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: event (-want +got):\n%s", binding, diff)
			}
			if string(m.Key) != "17850" || m.ID != "1" {
				t.Errorf("%s: message: got key %q and ID %q", binding, m.Key, m.ID)
			}
		}
	})
}

func TestAnEventThatIsSentOnStaysTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		e := full()
		m, err := e.Message(cloudevents.HTTP)
		if err != nil {
			t.Fatal(err)
		}

		if err := wrap(t, b.Producer("q"), cloudevents.WithDefaultType("other")).Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}

		sent := b.Messages("q")[0]
		got, err := cloudevents.Read(sent)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
		if sent.Headers.Has("ce-id") || !sent.Headers.Has("ce_id") {
			t.Errorf("headers: got %v, want those of one binding", sent.Headers)
		}
	})
}

func TestAnEventKnowsTheTraceItWasBornIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		state, err := oteltrace.ParseTraceState("k=v")
		if err != nil {
			t.Fatal(err)
		}
		sc := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
			TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2}, TraceFlags: oteltrace.FlagsSampled, TraceState: state,
		})
		p := wrap(t, b.Producer("q"), cloudevents.WithDefaultType("t"))
		m := &async.Message{ID: "1"}

		if err := p.Send(oteltrace.ContextWithSpanContext(t.Context(), sc), m); err != nil {
			t.Fatal(err)
		}
		sc = sc.WithTraceID(oteltrace.TraceID{9})
		if err := p.Send(oteltrace.ContextWithSpanContext(t.Context(), sc), m); err != nil { // sent on in another trace
			t.Fatal(err)
		}

		for i, m := range b.Messages("q") {
			e, err := cloudevents.Read(m)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"traceparent": "00-01000000000000000000000000000000-0200000000000000-01", "tracestate": "k=v"}
			if diff := cmp.Diff(want, e.Extensions); diff != "" {
				t.Errorf("message %d: extensions (-want +got):\n%s", i, diff)
			}
		}
	})
}

func TestWhatCannotBeAnEventIsNotSent(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	p := wrap(t, b.Producer("q"))

	err := p.Send(t.Context(), &async.Message{Headers: headers(async.HeaderType, "t")}, &async.Message{}, nil)

	if err == nil || reliability.Classify(err) != reliability.ClassPermanent {
		t.Fatalf("got %v, want a permanent error", err)
	}
	for _, part := range []string{"message 1: cloudevents: attribute type is required", "message 2: it is nil"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to say %q", err, part)
		}
	}
	if n := b.Len("q"); n > 0 {
		t.Errorf("%d messages were sent, want none", n)
	}
	structured := &async.Message{Headers: headers("Content-Type", "application/cloudevents+json"), Data: []byte("{}")}
	if err := p.Send(t.Context(), structured); !errors.Is(err, cloudevents.ErrNotEvent) {
		t.Errorf("structured mode without an event: got %v, want ErrNotEvent", err)
	}
	structured.Data = []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t"}`)
	if err := p.Send(t.Context(), structured); err != nil || len(structured.Headers) == 0 {
		t.Errorf("structured mode: got %v, want it to pass", err)
	}
}

func TestArgumentsThatMakeNoSenseAreSaid(t *testing.T) {
	t.Parallel()
	_, err := cloudevents.Wrap(nil, "", nil, cloudevents.WithBinding(7), cloudevents.WithDefaultType(""))
	want := "cloudevents: producer is nil\nsource \"\": want a URI-reference\noption 0 is nil\nbinding 7: want Kafka, AMQP or HTTP\ndefault type is empty"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for name, o := range map[string]async.PublishOption{
		"attribute id: it is a field of the message": cloudevents.WithAttribute("id", "1"),
		`attribute "No": want a name`:                cloudevents.WithAttribute("No", "1"),
		"want no control characters":                 cloudevents.WithSubject("\n"),
	} {
		err := async.Publish(t.Context(), newBroker(t).Producer("q"), "", 1, o)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want it to say %q", err, name)
		}
	}
	fn := func(context.Context, cloudevents.Event, int) error { return nil }
	if cloudevents.Process(nil) != nil || cloudevents.Handle[int](nil) != nil || cloudevents.HandleWith(nil, fn) != nil {
		t.Error("a processor was made of nothing")
	}
}

func TestDataThatCannotBeDecodedIsPermanent(t *testing.T) {
	t.Parallel()
	e := cloudevents.Event{ID: "1", Source: "/s", Type: "t", Data: []byte("{")}
	m, err := e.Message(cloudevents.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	handler := cloudevents.Handle(func(context.Context, cloudevents.Event, struct{}) error { return nil })
	for _, m := range []*async.Message{m, {}} {
		if err := handler(t.Context(), m); reliability.Classify(err) != reliability.ClassPermanent {
			t.Errorf("got %v, want a permanent error", err)
		}
	}
}

func TestAWrappedProducerHoldsBackWhatItsBrokerCan(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	p := wrap(t, b.Producer("q"), cloudevents.WithDefaultType("t"))
	if s, ok := p.(async.Scheduler); !ok || s.MaxPublishDelay() == 0 {
		t.Errorf("got no scheduler, want the one within")
	}
	if err := async.Publish(t.Context(), p, "", 1, async.WithDueIn(time.Hour)); err != nil {
		t.Error(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Send(t.Context(), &async.Message{}); !errors.Is(err, async.ErrClosed) {
		t.Errorf("send after close: got %v, want ErrClosed", err)
	}
	none := wrap(t, kafkaLike{})
	if s := none.(async.Scheduler); s.MaxPublishDelay() != 0 {
		t.Errorf("got a delay of %v from a broker that has none", s.MaxPublishDelay())
	}
}

// kafkaLike is a producer whose broker cannot hold messages back.
type kafkaLike struct{}

func (kafkaLike) Send(context.Context, ...*async.Message) error { return nil }
func (kafkaLike) Close(context.Context) error                   { return nil }
