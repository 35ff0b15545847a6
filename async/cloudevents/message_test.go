package cloudevents_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/cloudevents"
	"github.com/beatlabs/patron/reliability"
	"github.com/google/go-cmp/cmp"
)

func full() cloudevents.Event {
	return cloudevents.Event{
		ID: "536365", Source: "/shop/orders?x=1", Type: "com.example.order.placed", Subject: "Euro € 😀 \"100%\"",
		Time: time.Date(2010, 12, 1, 8, 26, 0, 1, time.UTC), DataContentType: "application/json; charset=utf-8", DataSchema: "https://example.com/order.json",
		Extensions: map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "partitionkey": "17850", "x": "1"},
		Data:       []byte(`{"invoice":"536365"}`),
	}
}

func TestAnEventComesBackFromEachBinding(t *testing.T) {
	t.Parallel()
	for _, b := range []cloudevents.Binding{cloudevents.Kafka, cloudevents.AMQP, cloudevents.HTTP} {
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			e := full()

			m, err := e.Message(b)
			if err != nil {
				t.Fatal(err)
			}
			got, err := cloudevents.Read(m)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(e, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
			if m.ID != e.ID || !m.Time.Equal(e.Time) || string(m.Key) != "17850" || async.TypeOf(m) != e.Type {
				t.Errorf("message: got ID %q, time %v, key %q, type %q, want those of the event", m.ID, m.Time, m.Key, async.TypeOf(m))
			}
		})
	}
}

func TestHeadersAreWhatTheBindingsSay(t *testing.T) {
	t.Parallel()
	e := cloudevents.Event{ID: "1", Source: "/s", Type: "t", Subject: "Euro € 😀 \"100%\"", DataContentType: "text/plain"}
	subject := e.Subject
	for b, want := range map[cloudevents.Binding]async.Headers{
		cloudevents.Kafka: {
			{Key: "ce_specversion", Value: "1.0"},
			{Key: "ce_id", Value: "1"},
			{Key: "ce_source", Value: "/s"},
			{Key: "ce_type", Value: "t"},
			{Key: "ce_subject", Value: subject},
			{Key: "Content-Type", Value: "text/plain"},
		},
		cloudevents.AMQP: {
			{Key: "cloudEvents_specversion", Value: "1.0"},
			{Key: "cloudEvents_id", Value: "1"},
			{Key: "cloudEvents_source", Value: "/s"},
			{Key: "cloudEvents_type", Value: "t"},
			{Key: "cloudEvents_subject", Value: subject},
			{Key: "Content-Type", Value: "text/plain"},
		},
		cloudevents.HTTP: {
			{Key: "ce-specversion", Value: "1.0"},
			{Key: "ce-id", Value: "1"},
			{Key: "ce-source", Value: "/s"},
			{Key: "ce-type", Value: "t"},
			{Key: "ce-subject", Value: "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22100%25%22"},
			{Key: "Content-Type", Value: "text/plain"},
		},
	} {
		m, err := e.Message(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, m.Headers); diff != "" {
			t.Errorf("%s (-want +got):\n%s", b, diff)
		}
	}
	if _, err := e.Message(9); err == nil || !strings.Contains(err.Error(), "binding 9: want Kafka, AMQP or HTTP") {
		t.Errorf("binding 9: got %v", err)
	}
}

// headers makes headers of names and values in turn.
func headers(pairs ...string) async.Headers {
	var h async.Headers
	for i := 0; i < len(pairs); i += 2 {
		h = append(h, async.Header{Key: pairs[i], Value: pairs[i+1]})
	}
	return h
}

func TestEventsOfOthersAreRead(t *testing.T) {
	t.Parallel()
	want := cloudevents.Event{ID: "1", Source: "/s", Type: "t", Subject: "a b", DataContentType: "text/plain", Data: []byte("d")}
	for name, h := range map[string]async.Headers{
		"cases of headers": headers(
			"CE_SpecVersion", "1.0", "CE_ID", "1", "CE_Source", "/s", "CE_Type", "t", "CE_Subject", "a b", "content-type", "text/plain",
		),
		"AMQP with a colon": headers(
			"cloudEvents:specversion", "1.0", "cloudEvents:id", "1", "cloudEvents:source", "/s", "cloudEvents:type", "t", "cloudEvents:subject",
			"a b", "Content-Type", "text/plain",
		),
		"HTTP, quoted": headers(
			"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t", "Ce-Subject", `"a\ b"`, "Content-Type", "text/plain",
		),
		"HTTP, percent in lower": headers(
			"ce-specversion", "1.0", "ce-id", "%31", "ce-source", "%2fs", "ce-type", "t", "ce-subject", "a%20b", "Content-Type", "text/plain",
		),
		"content type as attribute": headers(
			"ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type", "t", "ce_subject", "a b", "ce_datacontenttype", "text/plain",
		),
		"left over from another one": headers(
			"ce-specversion", "1.0", "ce-id", "old", "ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type", "t", "ce_subject", "a b",
			"Content-Type", "text/plain",
		),
	} {
		got, err := cloudevents.Read(&async.Message{Headers: h, Data: []byte("d")})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatIsNoEventIsSaidForGood(t *testing.T) {
	t.Parallel()
	good := []string{"ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type", "t"}
	with := func(more ...string) async.Headers { return headers(append(slices.Clip(good), more...)...) }
	for name, tc := range map[string]struct {
		headers async.Headers
		body    string
		want    []string
	}{
		"nothing": {nil, "", []string{"cloudevents: not an event"}},
		"another version": {
			headers("ce_specversion", "0.3", "ce_id", "1", "ce_source", "/s", "ce_type", "t"),
			"",
			[]string{`attribute specversion "0.3": want 1.0`},
		},
		"nothing but a version": {
			headers("ce_specversion", "1.0"),
			"",
			[]string{"attribute id is required", "attribute source is required", "attribute type is required"},
		},
		"twice":             {with("CE_ID", "2"), "", []string{"attribute id is there twice"}},
		"bad extension":     {with("ce_my-ext", "1"), "", []string{`attribute "my-ext": want a name of 1 to 20 of a-z and 0-9`}},
		"long extension":    {with("ce_abcdefghijklmnopqrstu", "1"), "", []string{"want a name of 1 to 20"}},
		"data as extension": {with("ce_data", "1"), "", []string{"extension data: it is the name of an attribute"}},
		"bad time":          {with("ce_time", "yesterday"), "", []string{`attribute time "yesterday": want RFC 3339`}},
		"bad schema":        {with("ce_dataschema", "/relative"), "", []string{"want an absolute URI"}},
		"bad source": {
			headers("ce_specversion", "1.0", "ce_id", "1", "ce_source", "%zz", "ce_type", "t"),
			"",
			[]string{`attribute source "%zz": want a URI-reference`},
		},
		"control characters": {with("ce_subject", "a\x00b"), "", []string{"want no control characters"}},
		"not UTF-8":          {with("ce_subject", "\xff"), "", []string{"want UTF-8"}},
		"bad percent": {
			headers("ce-specversion", "1.0", "ce-id", "%4", "ce-source", "/s", "ce-type", "t"),
			"",
			[]string{"two hexadecimal digits", "attribute id"},
		},
		"bad content type":     {with("Content-Type", "text"+"/"), "", []string{"want a media type"}},
		"several things":       {with("ce_time", "x", "ce_A_B", "1"), "", []string{"attribute time", `attribute "a_b"`}},
		"structured batch":     {headers("Content-Type", "application/cloudevents-batch+json"), "[]", []string{"want application/cloudevents+json"}},
		"structured in XML":    {headers("Content-Type", "application/cloudevents+xml"), "<a/>", []string{"want application/cloudevents+json"}},
		"structured not UTF-8": {headers("Content-Type", "application/cloudevents+json; charset=latin1"), "{}", []string{"want UTF-8"}},
		"structured, no JSON":  {headers("Content-Type", "application/cloudevents+json"), "{", []string{"structured mode"}},
		"structured, nothing":  {headers("Content-Type", "application/cloudevents+json"), "{}", []string{"not an event"}},
		"structured, array": {
			headers("Content-Type", "application/cloudevents+json"),
			`{"specversion":"1.0","id":[1]}`,
			[]string{"attribute id: [1]: want a string"},
		},
		"structured, fraction": {
			headers("Content-Type", "application/cloudevents+json"),
			`{"specversion":"1.0","x":1.5}`,
			[]string{"attribute x: number 1.5: want an integer"},
		},
		"structured, two bodies": {
			headers("Content-Type", "application/cloudevents+json"),
			`{"specversion":"1.0","data":1,"data_base64":""}`,
			[]string{"both data and data_base64"},
		},
		"structured, base64": {headers("Content-Type", "application/cloudevents+json"), `{"specversion":"1.0","data_base64":"*"}`, []string{"data_base64"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := cloudevents.Read(&async.Message{Headers: tc.headers, Data: []byte(tc.body)})
			if _, ok := errors.AsType[*async.DecodeError](err); !ok || reliability.Classify(err) != reliability.ClassPermanent {
				t.Fatalf("got %v, want a *DecodeError, which is permanent", err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want it to say %q", err, part)
				}
			}
			if notEvent := strings.Contains(tc.want[0], "not an event"); errors.Is(err, cloudevents.ErrNotEvent) != notEvent {
				t.Errorf("got %v, is ErrNotEvent: %t, want %t", err, !notEvent, notEvent)
			}
		})
	}
}

func TestStructuredEventsAreRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want cloudevents.Event
	}{
		"JSON data": {
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2010-12-01T08:26:00Z","n":7,"yes":true,"none":null,"data":{"a":1}}`,
			cloudevents.Event{
				ID: "1", Source: "/s", Type: "t", Time: time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC),
				Extensions: map[string]string{"n": "7", "yes": "true"}, Data: []byte(`{"a":1}`),
			},
		},
		"a JSON string": {
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/vnd.x+json","data":"a"}`,
			cloudevents.Event{ID: "1", Source: "/s", Type: "t", DataContentType: "application/vnd.x+json", Data: []byte(`"a"`)},
		},
		"text": {
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/plain","data":"grüße"}`,
			cloudevents.Event{ID: "1", Source: "/s", Type: "t", DataContentType: "text/plain", Data: []byte("grüße")},
		},
		"bytes": {
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"image/png","data_base64":"AP8="}`,
			cloudevents.Event{ID: "1", Source: "/s", Type: "t", DataContentType: "image/png", Data: []byte{0, 0xff}},
		},
		"no data": {`{"specversion":"1.0","id":"1","source":"/s","type":"t"}`, cloudevents.Event{ID: "1", Source: "/s", Type: "t"}},
	} {
		m := &async.Message{Headers: headers("content-type", "Application/CloudEvents+JSON; charset=UTF-8"), Data: []byte(tc.body)}
		got, err := cloudevents.Read(m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := cloudevents.TypeOf(m); got != "t" {
			t.Errorf("%s: type: got %q, want t", name, got)
		}
	}
}

func TestAnEventThatIsWrongIsNotWritten(t *testing.T) {
	t.Parallel()
	e := cloudevents.Event{
		Source: "a b\x7f", DataSchema: "x", DataContentType: "/", Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		Extensions: map[string]string{"Upper": "1", "id": "2", "ok": "\xff"},
	}
	_, err := e.Message(cloudevents.Kafka)
	if err == nil || reliability.Classify(err) != reliability.ClassPermanent {
		t.Fatalf("got %v, want a permanent error", err)
	}
	for _, part := range []string{
		"attribute id is required", "attribute type is required", "no control characters", "absolute URI", "media type", "RFC 3339", `attribute "Upper"`,
		"extension id", "want UTF-8",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to say %q", err, part)
		}
	}
}

// FuzzRead reads whatever comes. What is an event must be writable in every binding, and come back.
func FuzzRead(f *testing.F) {
	f.Add("ce_", "1", "/s", "t", "subject", "Euro €", "application/json", []byte(`{}`))
	f.Add("ce-", "%31", "/s%20", `"t"`, "time", "2010-12-01T08:26:00.5+01:00", "", []byte(nil))
	f.Add("cloudEvents:", "1", "urn:x", "t", "dataschema", "urn:y", "text/plain; charset=\"utf-8\"", []byte{0xff})
	f.Add("CE_", "", "", "", "my-ext", "\x00", "application/cloudevents+json", []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"x","n":1}`))
	f.Add("x", "", "", "", "", "", "application/cloudevents+json", []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AA=="}`))
	f.Fuzz(func(t *testing.T, prefix, id, source, typ, name, value, contentType string, data []byte) {
		h := headers(prefix+"specversion", "1.0", prefix+"id", id, prefix+"source", source, prefix+"type", typ, prefix+name, value)
		if contentType != "" {
			h = append(h, async.Header{Key: async.HeaderContentType, Value: contentType})
		}
		e, err := cloudevents.Read(&async.Message{Headers: h, Data: data})
		if err != nil {
			return
		}
		for _, b := range []cloudevents.Binding{cloudevents.Kafka, cloudevents.AMQP, cloudevents.HTTP} {
			m, err := e.Message(b)
			if err != nil {
				t.Fatalf("%s: %+v was read, but cannot be written: %v", b, e, err)
			}
			if strings.HasPrefix(strings.ToLower(e.DataContentType), "application/cloudevents") {
				return // an event in an event, which only structured mode can carry
			}
			again, err := cloudevents.Read(m)
			if err != nil {
				t.Fatalf("%s: %+v was written, but cannot be read: %v", b, e, err)
			}
			if !e.Time.Equal(again.Time) {
				t.Errorf("%s: time: got %v, want %v", b, again.Time, e.Time)
			}
			again.Time = e.Time
			if diff := cmp.Diff(e, again); diff != "" {
				t.Errorf("%s (-want +got):\n%s", b, diff)
			}
		}
	})
}
