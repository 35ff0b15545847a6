package record_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/record"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// read reads what was written at p.
func read(hh async.Headers, stamp time.Time, p record.Position) (*async.Message, record.Reader) {
	m := &async.Message{Time: stamp}
	r := record.Reader{Headers: len(hh)}
	for _, h := range hh {
		r.Read(m, h.Key, []byte(h.Value))
	}
	r.End(m, p)
	return m, r
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(1_800_000_000_000)
		m := &async.Message{ID: rapid.String().Draw(t, "id")}
		times := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "unset") {
				return time.Time{}
			}
			return time.UnixMilli(rapid.Int64Range(0, 4_000_000_000_000).Draw(t, "milliseconds"))
		})
		m.Time, m.Due, m.Expires = times.Draw(t, "time"), times.Draw(t, "due"), times.Draw(t, "expires")
		for range rapid.IntRange(0, 4).Draw(t, "headers") {
			m.Headers = append(m.Headers, async.Header{Key: "X-" + rapid.String().Draw(t, "key"), Value: rapid.String().Draw(t, "value")})
		}
		at := record.Position{Topic: "orders", Partition: 3, Offset: 42}

		stamp := record.Stamp(m, now)
		got, r := read(record.Headers(m, stamp), stamp, at)

		id, sent := m.ID, m.Time
		if id == "" {
			id = "orders/3/42"
		}
		if sent.IsZero() {
			sent = now
		}
		if got.ID != id || !got.Time.Equal(sent) || !got.Due.Equal(m.Due) || !got.Expires.Equal(m.Expires) {
			t.Fatalf("got %+v, want ID %q, time %v, due %v, expires %v", got, id, sent, m.Due, m.Expires)
		}
		if diff := cmp.Diff(m.Headers, got.Headers); diff != "" {
			t.Fatalf("headers (-sent +read):\n%s", diff)
		}
		if r.Position != at || r.Attempts != 0 || !r.Due.IsZero() || r.Removes {
			t.Fatalf("got %+v of a record in its own topic", r)
		}
	})
}

func TestTimesFarFromNowAreNoTimestamps(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct{ sent, want time.Time }{
		"now":       {now, now},
		"none":      {time.Time{}, now},
		"a while":   {now.Add(-59 * time.Minute), now.Add(-59 * time.Minute)},
		"long ago":  {now.Add(-61 * time.Minute), now},
		"very long": {time.Unix(-1, 0), now},
		"to come":   {now.Add(2 * time.Hour), now},
	} {
		if got := record.Stamp(&async.Message{Time: tc.sent}, now); !got.Equal(tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestARetryKnowsWhereItWas(t *testing.T) {
	t.Parallel()
	now := time.Now()
	m := &async.Message{ID: "1", Time: now, Headers: async.Headers{{Key: "X-Own", Value: "kept"}}}
	p := record.Position{Topic: "orders", Partition: 3, Offset: 42}

	got, r := read(record.Retry(m, now, p, 4, now.Add(time.Minute)), now, record.Position{Topic: "orders.g.retry.0", Offset: 7})

	if r.Position != p || r.Attempts != 4 || !r.Due.Equal(now.Add(time.Minute)) {
		t.Errorf("got %+v, want position %v, 4 attempts, due in a minute", r, p)
	}
	if diff := cmp.Diff(m.Headers, got.Headers); diff != "" || got.ID != "1" {
		t.Errorf("got ID %q and headers (-sent +read):\n%s", got.ID, diff)
	}
}

func TestARetriedMessageWithoutAnIDKeepsItsFirstPosition(t *testing.T) {
	t.Parallel()
	p := record.Position{Topic: "orders", Partition: 3, Offset: 42}
	got, _ := read(record.Retry(&async.Message{}, time.Now(), p, 1, time.Now()), time.Now(), record.Position{Topic: "orders.g.retry.0", Offset: 7})
	if got.ID != "orders/3/42" {
		t.Errorf("got ID %q, want the position", got.ID)
	}
}

func TestADeadLetterSaysWhy(t *testing.T) {
	t.Parallel()
	now := time.Now()
	m := &async.Message{ID: "1", Time: now.Add(-time.Minute), Headers: async.Headers{{Key: "X-Own", Value: "kept"}}}
	p := record.Position{Topic: "orders", Partition: 3, Offset: 42}

	got, r := read(record.Dead(m, now, p, errors.New("poison"), 3), now, record.Position{Topic: "orders.g.dead", Offset: 7})
	l := async.NewDeadLetter(got)

	if l.Cause != "poison" || l.Attempts != 3 || l.Origin != "orders/3" || !l.Time.Equal(now) || r.Position != p {
		t.Errorf("got %+v at %v", l, r.Position)
	}
	if diff := cmp.Diff(m.Headers, l.Message.Headers); diff != "" || got.ID != "1" || got.Time.Sub(m.Time).Abs() > time.Millisecond {
		t.Errorf("got ID %q, time %v and headers (-sent +read):\n%s", got.ID, got.Time, diff)
	}
	if m.Headers.Has(async.HeaderDeadCause) {
		t.Error("the message itself was changed")
	}
}

func TestWhatMakesNoSenseIsAHeaderLikeAnyOther(t *testing.T) {
	t.Parallel()
	hh := async.Headers{
		{Key: async.HeaderTime, Value: "yesterday"},
		{Key: record.HeaderAttempts, Value: "-1"},
		{Key: record.HeaderPosition, Value: "orders/3"},
		{Key: record.HeaderRemoved, Value: "x"},
		{Key: record.HeaderDue, Value: ""},
		{Key: "patron-", Value: "short"},
		{Key: "", Value: "empty"},
	}
	m, r := read(hh, time.Time{}, record.Position{Topic: "t"})
	if diff := cmp.Diff(hh, m.Headers); diff != "" {
		t.Errorf("headers (-sent +read):\n%s", diff)
	}
	if r.Removes || r.Attempts != 0 || !r.Due.IsZero() || r.Position != (record.Position{Topic: "t"}) {
		t.Errorf("got %+v", r)
	}
}

func TestHeadersOfOursAreKnownInAnyCase(t *testing.T) {
	t.Parallel()
	hh := async.Headers{{Key: strings.ToUpper(async.HeaderID), Value: "1"}, {Key: strings.ToLower(record.HeaderAttempts), Value: "2"}}
	m, r := read(hh, time.Time{}, record.Position{})
	if m.ID != "1" || r.Attempts != 2 || len(m.Headers) > 0 {
		t.Errorf("got ID %q, %d attempts, headers %v", m.ID, r.Attempts, m.Headers)
	}
}

func TestPositionsAreParsedAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := record.Position{
			Topic: rapid.StringMatching(`[a-zA-Z0-9._-]{1,20}`).Draw(t, "topic"), Partition: rapid.Int32Min(0).Draw(t, "partition"),
			Offset: rapid.Int64Min(0).Draw(t, "offset"),
		}
		if got, ok := record.ParsePosition(p.String()); !ok || got != p {
			t.Fatalf("got %v, %t, want %v", got, ok, p)
		}
	})
	for _, text := range []string{"", "/", "//", "orders", "orders/1", "/1/2", "orders/-1/2", "orders/1/-2", "orders/1/x", "a/b/1/2", "orders/99999999999/1"} {
		if p, ok := record.ParsePosition(text); ok {
			t.Errorf("%q: got %v, want it refused", text, p)
		}
	}
}

func TestTopicsAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"billing", "a.b", ""} {
		name := record.RetryTopic("orders.new", group, 12)
		if topic, index, ok := record.RetryOf(name, group); !ok || topic != "orders.new" || index != 12 {
			t.Errorf("%s: got %q, %d, %t", name, topic, index, ok)
		}
		if !record.Ours(name) || !record.Ours(record.DeadTopic("orders", group)) {
			t.Errorf("group %q: topics of ours are not known", group)
		}
	}
	for _, name := range []string{"orders", "orders.retry", "orders.retry.x", "orders.billing.retry.01", "orders.other.retry.1", ".billing.retry.1", ""} {
		if topic, _, ok := record.RetryOf(name, "billing"); ok {
			t.Errorf("%q: taken for a retry topic of %q", name, topic)
		}
	}
	for _, name := range []string{"orders", "dead", "deadline", "orders.retry", "orders.retry.x", "retry.1"} {
		if record.Ours(name) {
			t.Errorf("%q: taken for one of ours", name)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(record.HeaderPosition, []byte("orders/3/42"))
	f.Add(async.HeaderTime, []byte("2026-01-02T03:04:05Z"))
	f.Add(record.HeaderRemoved, []byte("7"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		m := &async.Message{}
		var r record.Reader
		r.Read(m, key, value)
		r.End(m, record.Position{Topic: "t"})
		if m.ID == "" && len(m.Headers) == 0 && !strings.EqualFold(key, async.HeaderID) {
			t.Errorf("header %q = %q: no ID", key, value)
		}
	})
}
