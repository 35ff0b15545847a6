package sarama_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/async/kafka/sarama"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/internal/faultnet"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	partitions = 4
	largest    = 3 << 20 // bytes of a message
)

// harness is a topic with a group. Its consumers and producers are behind a network that can be broken.
type harness struct {
	tb      testing.TB
	brokers []string
	topic   string
	group   string
	options []sarama.OptionFunc
	network *faultnet.Network
	close   func()

	every    atomic.Int64 // each so many-th settlement fails
	settled  atomic.Int64
	failSend atomic.Int64 // index in the next Send, plus one

	mu      sync.Mutex // guards members
	members []sarama.Member
}

// fakeHarness has what only a cluster in the process can do.
type fakeHarness struct {
	*harness

	cluster *kfake.Cluster
	dead    *kfake.FaultHandle
}

// newCluster returns a cluster in the process with topics.
func newCluster(tb testing.TB, topics ...string) *kfake.Cluster {
	tb.Helper()
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond), kfake.SeedTopics(partitions, topics...),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "4194304"}),
	)
	if err != nil {
		tb.Fatal(err)
	}
	return cluster
}

func (s shape) fake(tb testing.TB) asynctest.Harness {
	tb.Helper()
	cluster := newCluster(tb, "orders")
	return &fakeHarness{harness: s.harness(tb, cluster.ListenAddrs(), "orders", "billing", cluster.Close), cluster: cluster}
}

func (s shape) harness(tb testing.TB, brokers []string, topic, group string, closer func()) *harness {
	tb.Helper()
	return &harness{tb: tb, brokers: brokers, topic: topic, group: group, options: s.options, network: faultnet.New(), close: closer}
}

func (h *harness) Factory() async.ConsumerFactory {
	f, err := sarama.New(h.brokers, h.group, []string{h.topic}, append([]sarama.OptionFunc{
		sarama.WithDialer(h.network.DialContext), sarama.WithSession(3 * time.Second), sarama.WithHeartbeat(50 * time.Millisecond),
		sarama.WithRebalanceTimeout(3 * time.Second),
	}, h.options...)...)
	if err != nil {
		h.tb.Error(err)
	}
	return &tamperedFactory{ConsumerFactory: f, harness: h}
}

func (h *harness) Producer() async.Producer {
	p, err := sarama.NewProducer(h.brokers, h.topic, sarama.WithDialer(h.network.DialContext), sarama.WithMaxMessageBytes(largest))
	if err != nil {
		h.tb.Error(err)
	}
	return &tamperedProducer{Producer: p, harness: h}
}

func (h *harness) Close() { h.close() }
func (h *harness) Down()  { h.network.Down() }
func (h *harness) Up()    { h.network.Up() }

func (h *harness) Absent() async.ConsumerFactory {
	nobody := faultnet.New()
	nobody.Down()
	f, err := sarama.New([]string{"127.0.0.1:9"}, h.group, []string{h.topic}, sarama.WithDialer(nobody.DialContext))
	if err != nil {
		h.tb.Error(err)
	}
	return f
}

func (h *harness) DeadLetters(ctx context.Context) ([]*async.Message, error) {
	f, err := sarama.New(h.brokers, h.group, []string{h.topic})
	if err != nil {
		return nil, err
	}
	var mm []*async.Message
	for l, err := range f.(async.DeadLetterKeeper).DeadLetters().List(ctx, async.DeadFilter{}) {
		if err != nil {
			return nil, err
		}
		m := l.Message
		async.MarkDead(m, errors.New(l.Cause), l.Attempts, nil, l.Time)
		m.Headers.Set(async.HeaderDeadOrigin, l.Origin)
		mm = append(mm, m)
	}
	return mm, nil
}

func (h *harness) FailSettlements(every int) {
	h.settled.Store(0)
	h.every.Store(int64(every))
}

func (h *harness) FailSend(i int) { h.failSend.Store(int64(i) + 1) }

func (h *harness) living() []sarama.Member {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members = slices.DeleteFunc(h.members, sarama.Member.Closed)
	return slices.Clone(h.members)
}

// balanced waits until the partitions have found their members: who joins a cooperative group is in it before others have let anything go, and what is received
// meanwhile may be revoked.
func (h *harness) balanced(ctx context.Context) {
	for ctx.Err() == nil {
		least, most := math.MaxInt, 0
		for _, m := range h.living() {
			n := m.Owned()
			least, most = min(least, n), max(most, n)
		}
		if most > 0 && most-least <= 1 {
			return
		}
		timer := time.NewTimer(5 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (h *harness) Revoke(context.Context) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, m := range h.living() {
		wg.Go(func() { m.Rejoin(ctx) })
	}
	wg.Wait()
}

func (h *harness) Lose() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, m := range h.living() {
		if err := m.ThrowOut(ctx); err != nil {
			h.tb.Errorf("throw a member out: %v", err)
		}
	}
}

func (h *fakeHarness) BreakDeadLetters() {
	h.dead = h.cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: h.topic + "." + h.group + ".dead", Err: kerr.TopicAuthorizationFailed, Count: -1,
	})
}

func (h *fakeHarness) MendDeadLetters() { h.dead.Remove() }

var errBroken = errors.New("broken on purpose")

// tamperedFactory makes consumers whose settlements fail when the harness says so.
type tamperedFactory struct {
	async.ConsumerFactory

	harness *harness
}

func (f *tamperedFactory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	g, err := f.ConsumerFactory.(async.Planner).Plan(p)
	if err != nil {
		return nil, err
	}
	return &tamperedFactory{ConsumerFactory: g, harness: f.harness}, nil
}

func (f *tamperedFactory) DeadLetters() async.DeadLetters {
	return f.ConsumerFactory.(async.DeadLetterKeeper).DeadLetters()
}

func (f *tamperedFactory) Create(ctx context.Context) (async.Consumer, error) {
	c, err := f.ConsumerFactory.Create(ctx)
	if err != nil {
		return nil, err
	}
	h := f.harness
	h.mu.Lock()
	h.members = append(h.members, sarama.MemberOf(c))
	h.mu.Unlock()
	h.balanced(ctx)
	return &tamperedConsumer{consumer: c.(consumer), harness: h}, nil
}

// consumer is everything that one of ours can do.
type consumer interface {
	async.Consumer
	async.Lagger
	async.Pauser
	async.Seeker
	component.Checker
}

type tamperedConsumer struct {
	consumer

	harness *harness
}

func (c *tamperedConsumer) Settle(ctx context.Context, ss []async.Settlement) error {
	every := c.harness.every.Load()
	if every == 0 {
		return c.consumer.Settle(ctx, ss)
	}
	var kept []async.Settlement
	var index []int
	for i := range ss {
		if c.harness.settled.Add(1)%every == 0 {
			ss[i].Err = errBroken
			continue
		}
		kept, index = append(kept, ss[i]), append(index, i)
	}
	err := c.consumer.Settle(ctx, kept)
	for k, i := range index {
		ss[i].Err = kept[k].Err
	}
	return err
}

// tamperedProducer makes one message too large when the harness says so.
type tamperedProducer struct {
	async.Producer

	harness *harness
}

func (p *tamperedProducer) Send(ctx context.Context, mm ...*async.Message) error {
	if i := int(p.harness.failSend.Swap(0)) - 1; i >= 0 && i < len(mm) {
		mm = slices.Clone(mm)
		mm[i] = mm[i].Clone()
		mm[i].Data = bytes.Repeat([]byte("x"), 2*largest)
	}
	return p.Producer.Send(ctx, mm...)
}
