package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// limited returns a context for what must happen within a minute.
func limited(t *testing.T) context.Context {
	t.Helper()
	var log bytes.Buffer
	ctx, cancel := context.WithTimeout(observed(&log, slog.LevelWarn), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// send publishes messages with IDs and one key.
func send(t *testing.T, ctx context.Context, p async.Producer, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := p.Send(ctx, &async.Message{ID: id, Key: []byte("k"), Data: []byte(id)}); err != nil {
			t.Fatal(err)
		}
	}
}

func create(t *testing.T, ctx context.Context, cf async.ConsumerFactory) async.Consumer {
	t.Helper()
	c, err := cf.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func closed(t *testing.T, ctx context.Context, cc ...interface{ Close(context.Context) error }) {
	t.Helper()
	for _, c := range cc {
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

func receive(t *testing.T, ctx context.Context, c async.Consumer, limit int) []*async.Message {
	t.Helper()
	mm, err := c.Receive(ctx, limit)
	if err != nil {
		t.Fatal(err)
	}
	return mm
}

func TestAMessageThatTakesItsProcessDownIsStartedSoOftenAndThenDead(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	ctx := limited(t)
	p := h.Producer()
	defer closed(t, ctx, p)
	send(t, ctx, p, "poison", "follower")

	var starts []int
	for len(starts) < 5 {
		c := create(t, ctx, h.factory(append(h.quick(), kafka.WithSession(500*time.Millisecond), kafka.WithHeartbeat(100*time.Millisecond))...))
		m := receive(t, ctx, c, 1)[0]
		if m.ID != "poison" {
			t.Fatalf("received %q, want the poison again", m.ID)
		}
		starts = append(starts, m.Attempt)
		h.living()[0].Kill(ctx) // with its handler running
	}

	// The first crash makes the next consumer careful: from then on each start is counted.
	for i := 2; i < len(starts); i++ {
		if starts[i] != starts[i-1]+1 {
			t.Fatalf("starts before each delivery: got %v, want each counted from the second crash on", starts)
		}
	}
	r := start(t, ctx, h.Factory(), func(context.Context, *async.Message) error { return nil }, async.WithTries(3))
	eventually(t, "the poison is dead", 30*time.Second, func() bool {
		letters, err := h.DeadLetters(ctx)
		return err == nil && len(letters) == 1 && letters[0].ID == "poison" &&
			strings.Contains(letters[0].Headers.Get(async.HeaderDeadCause), async.ErrExhausted.Error())
	})
	r.stop(t)
}

func TestATopicThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	defer cluster.Close()
	cf, err := kafka.New(cluster.ListenAddrs(), "g", []string{"nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cf.Create(limited(t)); !errors.Is(err, kerr.UnknownTopicOrPartition) || !strings.Contains(err.Error(), `"nowhere"`) {
		t.Errorf("create: got %v, want that the topic is unknown, with its name", err)
	}
}

func TestTopicsThatMustNotBeMadeAreAskedFor(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t, kfake.SeedTopics(1, "orders"))
	defer cluster.Close()
	cf, err := kafka.New(cluster.ListenAddrs(), "g", []string{"orders"}, kafka.WithoutTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cf.Create(limited(t)); err == nil || !strings.Contains(err.Error(), `"orders.g.dead"`) {
		t.Errorf("create: got %v, want that the dead-letter topic is missing", err)
	}
}

func TestAWrongPasswordIsNotTold(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "alice", "right"), kfake.SeedTopics(1, "orders"))
	defer cluster.Close()
	for _, password := range []string{"right", "s3cret"} {
		cf, err := kafka.New(cluster.ListenAddrs(), "g", []string{"orders"}, kafka.WithSCRAM256("alice", password))
		if err != nil {
			t.Fatal(err)
		}
		ctx := limited(t)
		c, err := cf.Create(ctx)
		if password == "right" {
			if err != nil {
				t.Fatalf("with the right password: %v", err)
			}
			closed(t, ctx, c)
			continue
		}
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("with a wrong password: got %v, want an error without it", err)
		}
	}
}

func TestACommitThatFailsIsRepeated(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	ctx := limited(t)
	p := h.Producer()
	defer closed(t, ctx, p)
	send(t, ctx, p, "1", "2")
	c := create(t, ctx, h.Factory())
	mm := receive(t, ctx, c, 1)
	first := mm[0]

	fault := h.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorNotAvailable, Count: -1})
	short, cancel := context.WithTimeout(ctx, time.Second)
	ss := []async.Settlement{{Message: first}}
	if err := c.Settle(short, ss); err != nil || ss[0].Err == nil || errors.Is(ss[0].Err, async.ErrLost) {
		t.Errorf("settle while commits fail: got %v, %v, want an error of the settlement that is not ErrLost", err, ss[0].Err)
	}
	cancel()
	fault.Remove()
	if err := c.Settle(ctx, ss); err != nil || ss[0].Err != nil {
		t.Errorf("the settlement again: got %v, %v, want success", err, ss[0].Err)
	}
	closed(t, ctx, c)

	c = create(t, ctx, h.Factory())
	if m := receive(t, ctx, c, 1)[0]; m.ID != "2" {
		t.Errorf("the next consumer got %q, want 2", m.ID)
	}
	closed(t, ctx, c)
}

func TestTheNewestIsFoundOutOnceAndKept(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	ctx := limited(t)
	p := h.Producer()
	defer closed(t, ctx, p)
	send(t, ctx, p, "before")
	factory := h.factory(append(h.quick(), kafka.WithStart(async.Newest()))...)
	closed(t, ctx, create(t, ctx, factory)) // which processes nothing
	send(t, ctx, p, "after")

	c := create(t, ctx, factory)
	if m := receive(t, ctx, c, 1)[0]; m.ID != "after" {
		t.Errorf("received %q, want what was sent after the first consumer", m.ID)
	}
	closed(t, ctx, c)
}

func TestWhatWasDeletedBeforeItWasReceivedIsCounted(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	var log bytes.Buffer
	ctx, cancel := context.WithTimeout(observed(&log, slog.LevelWarn), time.Minute)
	defer cancel()
	p := h.Producer()
	defer closed(t, ctx, p)
	send(t, ctx, p, "1", "2", "3", "4")
	c := create(t, ctx, h.Factory())
	m := receive(t, ctx, c, 1)[0]
	if err := c.Settle(ctx, []async.Settlement{{Message: m}}); err != nil {
		t.Fatal(err)
	}
	closed(t, ctx, c)
	if err := h.cluster.DeleteRecords("orders", m.Source.Partition, 3); err != nil {
		t.Fatal(err)
	}

	c = create(t, ctx, h.Factory())
	if m := receive(t, ctx, c, 1)[0]; m.ID != "4" {
		t.Errorf("received %q, want 4, the first that is there", m.ID)
	}
	closed(t, ctx, c)
	if text := log.String(); !strings.Contains(text, "offset out of range") || strings.Count(text, "missing=2") != 1 {
		t.Errorf("the log does not say that 2 messages are missing:\n%s", text)
	}
}

func TestOptionsSayWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]kafka.OptionFunc{
		"option 0 is nil":        nil,
		"client ID: is empty":    kafka.WithClientID(""),
		"want a user":            kafka.WithPlain("alice", ""),
		"session: 1ns":           kafka.WithSession(1),
		"heartbeat 6s":           kafka.WithHeartbeat(6 * time.Second),
		"start: offset 3":        kafka.WithStart(async.Offset("orders", 3)),
		"no meaning for New":     kafka.WithBuffer(10),
		"uncommitted messages":   kafka.WithMaxUncommitted(0),
		"fetch bytes: 2":         kafka.WithFetchBytes(1, 2),
		"replication factor: 0":  kafka.WithReplicationFactor(0),
		"its own dead-letter":    kafka.WithDeadLetterTopic("orders"),
		"dialer: is empty":       kafka.WithDialer(nil),
		"TLS: is empty":          kafka.WithTLS(nil),
		"discovery: 0s":          kafka.WithDiscovery(0),
		"dead-letter retention:": kafka.WithDeadLetterRetention(0),
	} {
		if _, err := kafka.New([]string{"b:1"}, "g", []string{"orders"}, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if _, err := kafka.New([]string{"nowhere"}, "", nil); err == nil || !strings.Contains(err.Error(), "group is empty") ||
		!strings.Contains(err.Error(), `broker "nowhere"`) || !strings.Contains(err.Error(), "no topics") {
		t.Errorf("got %v, want every fault", err)
	}
	if _, err := kafka.NewBuffered([]string{"b:1"}, "t", nil); err == nil {
		t.Error("a buffered producer without a report: got nil")
	}
}

func TestABufferThatIsFullBlocksAndWhatIsUnsentIsCounted(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	ctx := limited(t)
	reports := make(chan kafka.Delivery, 10)
	b, err := kafka.NewBuffered(h.brokers, "orders", func(d kafka.Delivery) { reports <- d }, kafka.WithBuffer(2), kafka.WithDialer(h.network.DialContext))
	if err != nil {
		t.Fatal(err)
	}
	h.Down()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()

	err = b.Enqueue(short, &async.Message{ID: "1"}, &async.Message{ID: "2"}, &async.Message{ID: "3"})

	if batch, ok := errors.AsType[*async.BatchError](err); !ok || len(batch.Errors) != 1 || !errors.Is(batch.Errors[2], context.DeadlineExceeded) {
		t.Errorf("enqueue of three into a buffer of two: got %v, want the third refused when its time is over", err)
	}
	short, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := b.Close(short); !errors.Is(err, async.ErrUnknown) || !strings.Contains(err.Error(), "2 messages are not confirmed") {
		t.Errorf("close: got %v, want 2 messages counted", err)
	}
	for range 2 {
		if d := <-reports; !errors.Is(d.Err, async.ErrUnknown) {
			t.Errorf("report of %q: got %v, want ErrUnknown", d.Message.ID, d.Err)
		}
	}
	if err := b.Enqueue(ctx, &async.Message{}); !errors.Is(err, async.ErrClosed) {
		t.Errorf("enqueue after close: got %v, want ErrClosed", err)
	}
}

func TestAMessageThatIsTooLargeIsRefusedForGood(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	ctx := limited(t)
	p, err := kafka.NewProducer(h.brokers, "orders", kafka.WithMaxMessageBytes(1000))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(ctx, &async.Message{Data: make([]byte, 1000)}); !errors.Is(err, kafka.ErrTooLarge) {
		t.Errorf("send: got %v, want ErrTooLarge", err)
	}
	closed(t, ctx, p)
}
