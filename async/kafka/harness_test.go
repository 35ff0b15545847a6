package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/internal/faultnet"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	partitions = 4
	largest    = 2 << 20 // bytes of a message
)

// harness is a topic on a cluster, with a group. Its consumers and producers are behind a network that can be broken.
type harness struct {
	tb      testing.TB
	brokers []string
	topic   string
	group   string
	options []kafka.OptionFunc
	network *faultnet.Network
	client  *kgo.Client
	admin   *kadm.Client
	server  bool // the broker assigns partitions
	close   func()

	every    atomic.Int64 // each so many-th settlement fails
	settled  atomic.Int64
	failSend atomic.Int64 // index of the next Send, plus one

	mu      sync.Mutex // guards members
	members []kafka.Member
}

// fake returns a harness on a cluster in the process.
func (s shape) fake(tb testing.TB) asynctest.Harness {
	tb.Helper()
	return s.onFake(tb)
}

func (s shape) onFake(tb testing.TB) *fakeHarness {
	tb.Helper()
	cluster := newCluster(tb, kfake.SeedTopics(partitions, "orders", "news"))
	h := s.harness(tb, cluster.ListenAddrs(), "orders", "billing")
	h.close = cluster.Close
	return &fakeHarness{harness: h, cluster: cluster}
}

// newCluster returns a cluster in the process.
func newCluster(tb testing.TB, oo ...kfake.Opt) *kfake.Cluster {
	tb.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond),
		kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "100", "group.consumer.session.timeout.ms": "3000"}),
	}, oo...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return cluster
}

func (s shape) harness(tb testing.TB, brokers []string, topic, group string) *harness {
	tb.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		tb.Fatal(err)
	}
	return &harness{
		tb: tb, brokers: brokers, topic: topic, group: group, options: s.options, network: faultnet.New(), client: client, admin: kadm.NewClient(client),
		server: s.serverSide,
	}
}

// quick are the options of consumers in tests: a rebalance takes no longer than it must.
func (h *harness) quick() []kafka.OptionFunc {
	return append([]kafka.OptionFunc{kafka.WithDialer(h.network.DialContext), kafka.WithRebalanceTimeout(3 * time.Second)}, h.options...)
}

func (h *harness) Factory() async.ConsumerFactory { return h.factory(h.quick()...) }

func (h *harness) factory(oo ...kafka.OptionFunc) async.ConsumerFactory {
	f, err := kafka.New(h.brokers, h.group, []string{h.topic}, oo...)
	if err != nil {
		h.tb.Error(err)
	}
	return &tamperedFactory{ConsumerFactory: f, harness: h}
}

func (h *harness) Producer() async.Producer { return h.producer(h.topic) }

func (h *harness) producer(topic string) async.Producer {
	p, err := kafka.NewProducer(h.brokers, topic, kafka.WithDialer(h.network.DialContext), kafka.WithMaxMessageBytes(largest))
	if err != nil {
		h.tb.Error(err)
	}
	return &tamperedProducer{Producer: p, harness: h}
}

func (h *harness) Close() {
	if h.close != nil {
		h.close()
	}
	h.client.Close()
}

func (h *harness) Down() { h.network.Down() }
func (h *harness) Up()   { h.network.Up() }

func (h *harness) Absent() async.ConsumerFactory {
	nobody := faultnet.New()
	nobody.Down()
	f, err := kafka.New([]string{"127.0.0.1:9"}, h.group, []string{h.topic}, kafka.WithDialer(nobody.DialContext))
	if err != nil {
		h.tb.Error(err)
	}
	return f
}

func (h *harness) DeadLetters(ctx context.Context) ([]*async.Message, error) {
	f, err := kafka.New(h.brokers, h.group, []string{h.topic})
	if err != nil {
		return nil, err
	}
	keeper, ok := f.(async.DeadLetterKeeper)
	if !ok {
		return nil, errors.New("no dead letters")
	}
	var mm []*async.Message
	for l, err := range keeper.DeadLetters().List(ctx, async.DeadFilter{}) {
		if err != nil {
			return nil, err
		}
		m := l.Message
		async.MarkDead(m, errors.New(l.Cause), l.Attempts, m.Source, l.Time)
		mm = append(mm, m)
	}
	return mm, nil
}

func (h *harness) Broadcast() (async.ConsumerFactory, async.Producer) {
	topic := h.topic + ".news"
	if h.close != nil && h.group == "billing" {
		topic = "news"
	}
	f, err := kafka.NewBroadcast(h.brokers, []string{topic}, kafka.WithDialer(h.network.DialContext))
	if err != nil {
		h.tb.Error(err)
	}
	return f, h.producer(topic)
}

func (h *harness) FailSettlements(every int) {
	h.settled.Store(0)
	h.every.Store(int64(every))
}

func (h *harness) FailSend(i int) { h.failSend.Store(int64(i) + 1) }

// living returns the members that were not closed.
func (h *harness) living() []kafka.Member {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members = slices.DeleteFunc(h.members, kafka.Member.Closed)
	return slices.Clone(h.members)
}

// settleDown waits until m has its share of the partitions: the suite may hold a message and look who else gets it.
func (h *harness) settleDown(ctx context.Context, m kafka.Member) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		owned := 0
		for _, o := range h.living() {
			owned += o.Owned()
		}
		if owned == m.Subscribed() && m.Owned() > 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Revoke ignores ctx: the consumer gives handlers two thirds of the rebalance time-out.
func (h *harness) Revoke(context.Context) {
	var wg sync.WaitGroup
	for _, m := range h.living() {
		wg.Go(m.Resubscribe)
	}
	wg.Wait()
}

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
	m := kafka.MemberOf(c)
	h.mu.Lock()
	h.members = append(h.members, m)
	h.mu.Unlock()
	h.settleDown(ctx, m)
	return &tamperedConsumer{
		Consumer: c, Lagger: c.(async.Lagger), Pauser: c.(async.Pauser), Seeker: c.(async.Seeker), Checker: c.(component.Checker), harness: h,
	}, nil
}

type tamperedConsumer struct {
	async.Consumer
	async.Lagger
	async.Pauser
	async.Seeker
	component.Checker

	harness *harness
}

func (c *tamperedConsumer) Settle(ctx context.Context, ss []async.Settlement) error {
	every := c.harness.every.Load()
	if every == 0 {
		return c.Consumer.Settle(ctx, ss)
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
	err := c.Consumer.Settle(ctx, kept)
	for k, i := range index {
		ss[i] = kept[k]
	}
	return err
}

// tamperedProducer makes one message too large when the harness says so.
type tamperedProducer struct {
	async.Producer

	harness *harness
}

func (p *tamperedProducer) Send(ctx context.Context, mm ...*async.Message) error {
	i := int(p.harness.failSend.Swap(0)) - 1
	if i < 0 || i >= len(mm) {
		return p.Producer.Send(ctx, mm...)
	}
	mm = slices.Clone(mm)
	large := mm[i].Clone()
	large.Data = bytes.Repeat([]byte("x"), largest)
	mm[i] = large
	return p.Producer.Send(ctx, mm...)
}

// fakeHarness has what only a cluster in the process can do.
type fakeHarness struct {
	*harness

	cluster *kfake.Cluster
	dead    *kfake.FaultHandle
}

func (h *fakeHarness) BreakDeadLetters() {
	h.dead = h.cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: h.topic + "." + h.group + ".dead", Err: kerr.TopicAuthorizationFailed, Count: -1,
	})
}

func (h *fakeHarness) MendDeadLetters() { h.dead.Remove() }

func (h *fakeHarness) Lose() { h.lose() }

// lose throws all members out of the group, and waits until they know.
func (h *harness) lose() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, m := range h.living() {
		if err := h.throwOut(ctx, m); err != nil {
			h.tb.Errorf("throw a member out: %v", err)
		}
	}
}

func (h *harness) throwOut(ctx context.Context, m kafka.Member) error {
	id, generation := m.Client().GroupMetadata()
	if id == "" {
		return nil
	}
	var code int16
	if h.server {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch = h.group, id, -1
		resp, err := req.RequestWith(ctx, h.client)
		if err != nil {
			return err
		}
		code = resp.ErrorCode
	} else {
		req := kmsg.NewPtrLeaveGroupRequest()
		member := kmsg.NewLeaveGroupRequestMember()
		req.Group, req.MemberID, member.MemberID = h.group, id, id
		req.Members = append(req.Members, member)
		resp, err := req.RequestWith(ctx, h.client)
		if err != nil {
			return err
		}
		code = resp.ErrorCode
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return err
	}
	for {
		if now, g := m.Client().GroupMetadata(); now != id || g != generation {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not notice: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
