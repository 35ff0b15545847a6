package sarama_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// bench is a cluster in the process with one topic of one partition, and what a test does on it.
type bench struct {
	*testing.T

	cluster *kfake.Cluster
	harness *harness
	ctx     context.Context
}

func newBench(t *testing.T, oo ...sarama.OptionFunc) *bench {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	t.Cleanup(cancel)
	h := shape{options: append([]sarama.OptionFunc{sarama.WithSession(10 * time.Second)}, oo...)}.harness(t, cluster.ListenAddrs(), "orders", "billing", nil)
	return &bench{T: t, cluster: cluster, harness: h, ctx: ctx}
}

func (b *bench) send(n int) []string {
	b.Helper()
	p := b.harness.Producer()
	defer func() {
		if err := p.Close(b.ctx); err != nil {
			b.Errorf("close producer: %v", err)
		}
	}()
	var ids []string
	for range n {
		m := &async.Message{Key: []byte("k"), Data: []byte("1")}
		if err := p.Send(b.ctx, m); err != nil {
			b.Fatalf("send: %v", err)
		}
		ids = append(ids, m.ID)
	}
	return ids
}

func (b *bench) open() async.Consumer {
	b.Helper()
	c, err := b.harness.Factory().Create(b.ctx)
	if err != nil {
		b.Fatalf("create: %v", err)
	}
	return c.(*tamperedConsumer).consumer
}

func (b *bench) close(c async.Consumer) {
	b.Helper()
	if err := c.Close(b.ctx); err != nil {
		b.Errorf("close: %v", err)
	}
}

// take receives n messages.
func (b *bench) take(c async.Consumer, n int) []*async.Message {
	b.Helper()
	var mm []*async.Message
	for len(mm) < n {
		got, err := c.Receive(b.ctx, n-len(mm))
		if err != nil {
			b.Fatalf("receive: %v after %d messages of %d", err, len(mm), n)
		}
		mm = append(mm, got...)
	}
	return mm
}

func (b *bench) ack(c async.Consumer, mm ...*async.Message) {
	b.Helper()
	ss := make([]async.Settlement, len(mm))
	for i, m := range mm {
		ss[i] = async.Settlement{Message: m}
	}
	if err := c.Settle(b.ctx, ss); err != nil {
		b.Fatalf("settle: %v", err)
	}
	for _, s := range ss {
		if s.Err != nil {
			b.Fatalf("ack message %q: %v", s.Message.ID, s.Err)
		}
	}
}

func idsOf(mm []*async.Message) []string {
	ids := make([]string, len(mm))
	for i, m := range mm {
		ids[i] = m.ID
	}
	return ids
}

func TestACrashRepeatsOnlyWhatWasInFlight(t *testing.T) {
	t.Parallel()
	b := newBench(t, sarama.WithSession(500*time.Millisecond)) // so long are the dead waited for
	ids := b.send(6)
	c := b.open()
	mm := b.take(c, 6)
	b.ack(c, mm[1], mm[3], mm[4])
	sarama.MemberOf(c).Kill()

	c = b.open()
	defer b.close(c)
	var got []string
	for range 3 { // one at a time: any of them may be why the process died
		m := b.take(c, 1)
		got = append(got, m[0].ID)
		b.ack(c, m...)
	}
	if want := []string{ids[0], ids[2], ids[5]}; !slices.Equal(got, want) {
		t.Errorf("after a crash: got %v, want %v", got, want)
	}
}

func TestAMessageThatTakesItsProcessDownIsCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, sarama.WithSession(500*time.Millisecond)) // so long are the dead waited for
	ids := b.send(3)
	c := b.open()
	b.take(c, 3)
	for crash := range 3 {
		sarama.MemberOf(c).Kill()
		c = b.open()
		if m := b.take(c, 1)[0]; m.ID != ids[0] || m.Attempt != crash {
			t.Fatalf("after crash %d: got %q after %d starts, want %q after %d", crash+1, m.ID, m.Attempt, ids[0], crash)
		}
	}
	b.close(c) // in good order: the last start is given back

	c = b.open()
	defer b.close(c)
	if m := b.take(c, 1)[0]; m.ID != ids[0] || m.Attempt != 2 {
		t.Errorf("after a stop: got %q after %d starts, want %q after 2", m.ID, m.Attempt, ids[0])
	}
}

func TestNewestIsFoundOutOnceAndCommittedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, sarama.WithStart(async.Newest()))
	b.send(3)
	b.close(b.open()) // which received nothing
	ids := b.send(2)

	c := b.open()
	defer b.close(c)
	if got := idsOf(b.take(c, 2)); !slices.Equal(got, ids) {
		t.Errorf("got %v, want those that were sent since the first start, %v", got, ids)
	}
}

func TestASettlementWaitsForItsCommitAndIsRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.send(1)
	c := b.open()
	defer b.close(c)
	mm := b.take(c, 1)
	fault := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: -1})

	ctx, cancel := context.WithTimeout(b.ctx, 300*time.Millisecond)
	defer cancel()
	ss := []async.Settlement{{Message: mm[0]}}
	if err := c.Settle(ctx, ss); err != nil || ss[0].Err == nil || errors.Is(ss[0].Err, async.ErrLost) {
		t.Fatalf("while commits fail: got %v, %v, want an error that can be repeated", err, ss[0].Err)
	}
	if err := c.(interface {
		Check(ctx context.Context) error
	}).Check(b.ctx); err == nil {
		t.Error("while commits fail the check says nothing")
	}
	fault.Remove()
	b.ack(c, mm...)
	if err := c.Settle(b.ctx, ss); err != nil || !errors.Is(ss[0].Err, async.ErrLost) {
		t.Errorf("a third time: got %v, %v, want ErrLost", err, ss[0].Err)
	}
}

func TestAPositionThatIsOutOfRangeGoesOnAtTheOldestMessage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ids := b.send(5)
	c := b.open()
	b.ack(c, b.take(c, 1)...)
	b.close(c)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 1000
	topic, partition := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
	topic.Topic, partition.Offset = "orders", 3
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	if _, err := req.RequestWith(b.ctx, client); err != nil {
		t.Fatal(err)
	}

	c = b.open()
	defer b.close(c)
	if got := idsOf(b.take(c, 2)); !slices.Equal(got, ids[3:]) {
		t.Errorf("got %v, want what is left, %v", got, ids[3:])
	}
}

// TestAKeyIsInThePartitionWhereFranzGoPutsIt: the producers of both drivers, and those of Java, keep the order of a key together.
func TestAKeyIsInThePartitionWhereFranzGoPutsIt(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t, "orders")
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p, err := sarama.NewProducer(cluster.ListenAddrs(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	const keys = 50
	for i := range keys {
		key := []byte(fmt.Sprint("key-", i*i))
		if err := p.Send(ctx, &async.Message{Key: key, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Key: key}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	where := make(map[string]int32)
	for n := 0; n < 2*keys; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			if at, ok := where[string(r.Key)]; ok && at != r.Partition {
				t.Errorf("key %q is in the partitions %d and %d", r.Key, at, r.Partition)
			}
			where[string(r.Key)] = r.Partition
		})
	}
}

func TestOneStuckPartitionIsFullAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t, "orders")
	defer cluster.Close()
	b := &bench{T: t, cluster: cluster, ctx: t.Context()}
	b.harness = shape{options: []sarama.OptionFunc{sarama.WithMaxUncommitted(10)}}.harness(t, cluster.ListenAddrs(), "orders", "billing", nil)
	p := b.harness.Producer()
	for i := range 200 {
		if err := p.Send(b.ctx, &async.Message{Key: []byte(strconv.Itoa(i)), Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(b.ctx); err != nil {
		t.Error(err)
	}
	c := b.open()
	defer b.close(c)
	var stuck *async.Source
	held, done := 0, 0
	for done+held < 150 {
		for _, m := range b.take(c, 1) {
			if stuck == nil {
				stuck = m.Source
			}
			if m.Source == stuck {
				held++
				continue
			}
			done++
			b.ack(c, m)
		}
		if held == 10 && done > 100 {
			return
		}
	}
	t.Errorf("of the stuck partition %d messages were given, of the others %d: want 10 and more than 100", held, done)
}
