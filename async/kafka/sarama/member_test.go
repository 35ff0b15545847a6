package sarama_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/sarama"
	plog "github.com/beatlabs/patron/log"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lockedLog is a log that is written concurrently.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWhatIsDeletedWhileItIsConsumedIsCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var log lockedLog
	b.ctx = plog.WithContext(b.ctx, plog.New(plog.NewHandler(slog.NewTextHandler(&log, nil), plog.NewLevelVar(plog.InfoLevel))))
	b.send(1)
	c := b.open()
	defer b.close(c)
	b.ack(c, b.take(c, 1)...)

	fault := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Err: kerr.NotLeaderForPartition, Count: -1})
	if err := fault.Wait(b.ctx, 1); err != nil { // nothing is fetched from here on
		t.Fatal(err)
	}
	ids := b.send(7)
	if err := b.cluster.DeleteRecords("orders", 0, 6); err != nil {
		t.Fatal(err)
	}
	fault.Remove()
	m := b.take(c, 1)[0]
	if m.ID != ids[5] {
		t.Errorf("received %q, want %q, the first that is there", m.ID, ids[5])
	}
	b.ack(c, m)
	if text := log.String(); strings.Count(text, "missing=5") != 1 || !strings.Contains(text, "offset out of range") {
		t.Errorf("the log does not say once that 5 messages are missing:\n%s", text)
	}
}

func TestABrokerThatCallsAGoodOffsetOutOfRangeIsAskedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var log lockedLog
	b.ctx = plog.WithContext(b.ctx, plog.New(plog.NewHandler(slog.NewTextHandler(&log, nil), plog.NewLevelVar(plog.InfoLevel))))
	b.send(2)
	c := b.open()
	defer b.close(c)
	b.ack(c, b.take(c, 2)...)
	fault := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Err: kerr.OffsetOutOfRange, Count: 1})
	if err := fault.Wait(b.ctx, 1); err != nil {
		t.Fatal(err)
	}
	id := b.send(1)[0]
	if m := b.take(c, 1)[0]; m.ID != id {
		t.Errorf("received %q, want %q: what is settled must not come again", m.ID, id)
	}
	if text := log.String(); strings.Contains(text, "missing=") {
		t.Errorf("messages are called missing although none is:\n%s", text)
	}
}

// comesBack kills a static member while it holds a message, and makes it again: the rest of its session must not be waited for.
func comesBack(t *testing.T, h *harness) {
	t.Helper()
	defer h.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	b := &bench{T: t, ctx: ctx, harness: h}
	for i := range 2 {
		p := h.Producer()
		if err := p.Send(ctx, &async.Message{ID: strconv.Itoa(i), Key: []byte("k")}); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	c := b.open()
	b.ack(c, b.take(c, 1)...)
	b.take(c, 1)
	sarama.MemberOf(c).Kill()

	began := time.Now()
	c = b.open()
	m := b.take(c, 1)[0]
	took := time.Since(began)
	t.Logf("the same instance went on after %v", took)
	if took > 10*time.Second { // about one second where nothing else runs
		t.Errorf("the same instance went on after %v: it waited for the end of the session", took)
	}
	if m.ID != "1" {
		t.Errorf("received %q, want 1", m.ID)
	}
	b.ack(c, m)
	b.close(c)
}

func static() shape {
	return shape{options: []sarama.OptionFunc{sarama.WithInstanceID("instance-1"), sarama.WithSession(30 * time.Second)}}
}

func TestAStaticMemberThatDiedGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t, "orders")
	comesBack(t, static().harness(t, cluster.ListenAddrs(), "orders", "billing", cluster.Close))
}

func TestAStaticMemberThatDiedGoesOnAtOnceOnRealKafka(t *testing.T) {
	t.Parallel()
	h, ok := static().real(brokers(t))(t).(*harness)
	if !ok {
		t.Fatal("no harness")
	}
	comesBack(t, h)
}

func TestWhatABrokerRefusesIsNamedOneByOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.harness.Producer()
	refusing := func(err *kerr.Error, times int) *kfake.FaultHandle {
		return b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: err, Count: times})
	}
	refusing(kerr.NotLeaderForPartition, 1)
	if err := p.Send(b.ctx, &async.Message{ID: "1", Key: []byte("a")}); err != nil {
		t.Errorf("send that is refused once for a while: got %v, want success", err)
	}
	for refusal, unknown := range map[*kerr.Error]bool{kerr.TopicAuthorizationFailed: false, kerr.UnknownServerError: true} {
		fault := refusing(refusal, -1)
		err := p.Send(b.ctx, &async.Message{ID: "2", Key: []byte("a")}, &async.Message{ID: "3", Key: []byte("b")})
		checkRefused(t, err, 2, unknown)
		fault.Remove()
	}
	if err := p.Close(b.ctx); err != nil {
		t.Error(err)
	}
}

// checkRefused wants an error for each of n messages, and that it is said of each whether it may have arrived.
func checkRefused(t *testing.T, err error, n int, unknown bool) {
	t.Helper()
	batch, ok := errors.AsType[*async.BatchError](err)
	if !ok || len(batch.Errors) != n {
		t.Fatalf("send: got %v, want each of %d messages named", err, n)
	}
	for i, err := range batch.Errors {
		if errors.Is(err, async.ErrUnknown) != unknown {
			t.Errorf("message %d: got %v, unknown: want %t", i, err, unknown)
		}
	}
}
