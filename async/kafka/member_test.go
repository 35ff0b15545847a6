package kafka_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// comesBack kills a static member while it holds a message, and makes it again: the rest of its session must not be waited for.
func comesBack(t *testing.T, h *harness) {
	t.Helper()
	defer h.Close()
	ctx := limited(t)
	p := h.Producer()
	defer closed(t, ctx, p)
	send(t, ctx, p, "1", "2")
	factory := h.factory(append(h.quick(), kafka.WithInstanceID("instance-1"), kafka.WithSession(30*time.Second))...)
	c := create(t, ctx, factory)
	m := receive(t, ctx, c, 1)[0]
	acked(t, ctx, c, m)
	_ = receive(t, ctx, c, 1)
	h.living()[0].Kill(ctx)

	began := time.Now()
	c = create(t, ctx, factory)
	m = receive(t, ctx, c, 1)[0]
	took := time.Since(began)
	t.Logf("the same instance went on after %v", took)
	if took > 10*time.Second { // about one second where nothing else runs
		t.Errorf("the same instance went on after %v: it waited for the end of the session", took)
	}
	if m.ID != "2" {
		t.Errorf("received %q, want 2", m.ID)
	}
	acked(t, ctx, c, m)
	closed(t, ctx, c)
}

func TestAStaticMemberThatDiedGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	comesBack(t, shapes()["partitions"].onFake(t).harness)
}

func TestAStaticMemberThatDiedGoesOnAtOnceOnRealKafka(t *testing.T) {
	t.Parallel()
	comesBack(t, shapes()["partitions"].onReal(t).harness)
}

// discovers consumes topics by a pattern, one of which comes up later.
func discovers(t *testing.T, h *harness) {
	t.Helper()
	defer h.Close()
	ctx := limited(t)
	cf, err := kafka.New(h.brokers, h.group, []string{h.topic + `(\.later)?`},
		append(h.quick(), kafka.WithRegex(), kafka.WithDiscovery(100*time.Millisecond), kafka.WithoutDeadLetters())...)
	if err != nil {
		t.Fatal(err)
	}
	p, later, other := h.Producer(), h.producer(h.topic+".later"), h.producer(h.topic+".latest")
	defer closed(t, ctx, p, later, other)
	c := create(t, ctx, cf)
	send(t, ctx, p, "1")
	acked(t, ctx, c, receive(t, ctx, c, 1)...)

	for _, topic := range []string{h.topic + ".later", h.topic + ".latest"} { // of which the pattern is only the beginning
		if _, err := h.admin.CreateTopic(ctx, 2, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
		eventually(t, topic+" is known", 30*time.Second, func() bool {
			topics, err := h.admin.ListTopics(ctx, topic)
			return err == nil && topics.Error() == nil
		})
	}
	send(t, ctx, other, "never")
	send(t, ctx, later, "2", "3")
	var ids []string
	for len(ids) < 2 {
		mm := receive(t, ctx, c, 2)
		for _, m := range mm {
			ids = append(ids, m.ID)
			if m.Source.Name != h.topic+".later" {
				t.Errorf("message %q is of %v, want of the new topic", m.ID, m.Source)
			}
		}
		acked(t, ctx, c, mm...)
	}
	if want := []string{"2", "3"}; !slices.Equal(ids, want) {
		t.Errorf("received %v of the new topic, want %v", ids, want)
	}
	closed(t, ctx, c)
}

func TestATopicThatComesUpLaterIsConsumedFromItsBeginning(t *testing.T) {
	t.Parallel()
	discovers(t, shapes()["partitions"].onFake(t).harness)
}

func TestATopicThatComesUpLaterIsConsumedFromItsBeginningOnRealKafka(t *testing.T) {
	t.Parallel()
	discovers(t, shapes()["partitions"].onReal(t).harness)
}

// transactions sends messages in a transaction that is aborted, in one that is committed, and leaves the markers of both in the log.
func transactions(t *testing.T, ctx context.Context, h *harness) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(h.brokers...), kgo.DefaultProduceTopic(h.topic), kgo.TransactionalID("t-"+h.topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, end := range []struct {
		id  string
		try kgo.TransactionEndTry
	}{{"aborted", kgo.TryAbort}, {"committed", kgo.TryCommit}} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Key: []byte("k"), Headers: []kgo.RecordHeader{{Key: async.HeaderID, Value: []byte(end.id)}}}
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(ctx, end.try); err != nil {
			t.Fatal(err)
		}
	}
}

// committedOnly receives what transactions sent.
func committedOnly(t *testing.T, h *harness) {
	t.Helper()
	defer h.Close()
	ctx := limited(t)
	transactions(t, ctx, h)

	c := create(t, ctx, h.Factory())
	mm := receive(t, ctx, c, 10)
	if len(mm) != 1 || mm[0].ID != "committed" {
		t.Errorf("received %d messages, the first %q, want the committed one alone", len(mm), mm[0].ID)
	}
	acked(t, ctx, c, mm...)
	eventually(t, "the lag is 0 although markers are at the end", 20*time.Second, func() bool {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_, _ = c.Receive(short, 1) // which takes the markers
		cancel()
		lags, err := c.(async.Lagger).Lag(ctx)
		var n int64
		for _, l := range lags {
			n += l.Messages
		}
		return err == nil && n == 0
	})
	closed(t, ctx, c)
}

func TestAbortedMessagesAreNotSeen(t *testing.T) {
	t.Parallel()
	committedOnly(t, shapes()["partitions"].onFake(t).harness)
}

func TestAbortedMessagesAreNotSeenOnRealKafka(t *testing.T) {
	t.Parallel()
	committedOnly(t, shapes()["partitions"].onReal(t).harness)
}
