package kafka

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// connectTimeout bounds what a Create asks of the brokers.
const connectTimeout = 15 * time.Second

// fetchWait is how long a broker waits for something to send, and so the most that a partition which is resumed waits to be fetched again.
const fetchWait = 500 * time.Millisecond

// consumer is a member of a group, or a reader of a broadcast. Its life:
//
//	Create ─> assigned (assign.go) ─> Receive (receive.go) ─> Settle (settle.go) ─> committed (commit.go) ─> Close
//	              ^                                                                       │
//	              └────────────── revoked, lost (assign.go), sought (seek.go) <───────────┘
//
// Three threads of the client meet here: the caller of Receive, that of Settle, and the group's own, which calls back when partitions come and go.
// The client does not block a rebalance for what was polled (BlockRebalanceOnPoll would hold up every partition for the slowest handler of one).
// Instead a partition that comes is put into place while no poll is under way (settleIn), so what was fetched for an earlier claim of it is never
// taken for the new one's.
type consumer struct {
	factory *factory
	client  *kgo.Client
	admin   *kadm.Client
	log     *slog.Logger
	health  *health
	memory  *memory // of a broadcast; nil: the group remembers

	polling sync.Mutex // held while a poll is under way and its records are taken; before mu

	mu       sync.Mutex // guards everything below
	parts    map[place]*partition
	stashed  []*partition // those that have a stash
	sources  map[place]*async.Source
	halted   map[*async.Source]struct{} // paused by the engine, for the life of the consumer
	tiers    map[string]tier
	topics   map[string]int32       // that are consumed, with their partitions
	starts   map[place]int64        // where to begin without a committed position, if that is not the oldest
	fetched  map[place]ledger.Start // committed positions of partitions that are about to be assigned
	books    ledger.Set             // what is committed
	upcoming *flight                // the next commit
	commits  chan struct{}          // wakes the committer
	out      []*async.Message       // what Receive returns; the next one fills it anew
	slab     []async.Message        // memory for the next messages
	endPoll  context.CancelFunc     // of the poll under way, else nil
	woken    bool                   // Receive is to look again before it polls
	gate     chan struct{}          // closed when partitions have been put into place; nil: none are
	closed   bool

	life   context.Context //nolint:containedctx // ends with the consumer
	cancel context.CancelFunc
	aside  sync.WaitGroup
}

var (
	_ async.Consumer    = (*consumer)(nil)
	_ async.Lagger      = (*consumer)(nil)
	_ async.Pauser      = (*consumer)(nil)
	_ async.Seeker      = (*consumer)(nil)
	_ component.Checker = (*consumer)(nil)
)

// create connects a consumer.
func (f *factory) create(ctx context.Context) (*consumer, error) {
	c := &consumer{
		factory: f, log: plog.Slog(ctx).With("group", f.group), health: newHealth(f.group == ""),
		parts: make(map[place]*partition), sources: make(map[place]*async.Source), tiers: make(map[string]tier), topics: make(map[string]int32),
		halted: make(map[*async.Source]struct{}),
		starts: make(map[place]int64), fetched: make(map[place]ledger.Start), upcoming: newFlight(), commits: make(chan struct{}, 1),
	}
	c.life, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	client, err := f.config.client(c.options())
	if err != nil {
		c.cancel()
		return nil, f.errorf("%w", reliability.Permanent(err))
	}
	if f.orphans != nil {
		c.memory = f.orphans.take()
	}
	c.client, c.admin = client, kadm.NewClient(client)
	c.aside.Go(c.commitAll)
	if err := c.connect(ctx); err != nil {
		c.cancel()
		c.client.CloseAllowingRebalance()
		c.aside.Wait()
		c.orphan()
		return nil, f.errorf("%w", err)
	}
	c.aside.Go(c.discoverAll)
	return c, nil
}

// options returns those of the client.
func (c *consumer) options() []kgo.Opt {
	f := &c.factory.config
	oo := append(f.base(c.log), f.producing()...)
	oo = append(oo,
		kgo.WithHooks(c.health),
		kgo.RecordDeliveryTimeout(writeTimeout),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.KeepControlRecords(), // for their offsets alone
		kgo.FetchMaxWait(fetchWait),
		kgo.Rack(f.rack),
	)
	if !f.uncommitted {
		oo = append(oo, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if f.fetch > 0 {
		oo = append(oo, kgo.FetchMaxBytes(f.fetch), kgo.FetchMaxPartitionBytes(f.partFetch))
	}
	if c.factory.group == "" {
		return oo
	}
	oo = append(oo,
		kgo.ConsumerGroup(c.factory.group),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(f.session), kgo.HeartbeatInterval(f.heartbeat), kgo.RebalanceTimeout(f.rebalance),
		kgo.OnPartitionsAssigned(c.assigned), kgo.OnPartitionsRevoked(c.revoked), kgo.OnPartitionsLost(c.lost),
		kgo.OnOffsetsFetched(c.offsetsFetched), kgo.AdjustFetchOffsetsFn(c.place),
	)
	if f.instanceID != "" {
		oo = append(oo, kgo.InstanceID(f.instanceID))
	}
	if f.serverSide {
		return append(oo, kgo.ServerSideBalancer())
	}
	return append(oo, kgo.Balancers(kgo.CooperativeStickyBalancer()))
}

// connect finds the topics and begins to consume them.
func (c *consumer) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := c.client.Ping(ctx); err != nil {
		return cause(err, c.health.connection())
	}
	if err := c.discover(ctx, true); err != nil {
		return cause(err, c.health.connection())
	}
	return nil
}

// Check implements component.Checker.
func (c *consumer) Check(ctx context.Context) error { return c.health.check(ctx, c.client.Ping) }

// wakeLocked makes Receive look again.
func (c *consumer) wakeLocked() {
	c.woken = true
	if c.endPoll != nil {
		c.endPoll()
	}
}

// pauseLocked adds a reason to pause p, or removes it.
func (c *consumer) pauseLocked(p *partition, why reasons, on bool) {
	if !p.pause(why, on) {
		return
	}
	if on {
		c.client.PauseFetchPartitions(p.list())
	} else {
		c.client.ResumeFetchPartitions(p.list())
	}
}

// dropLocked lets go of p: it is revoked, lost, or taken over by another claim.
func (c *consumer) dropLocked(p *partition) {
	p.clear()
	c.books.Remove(p.book)
	if c.parts[p.place] == p {
		delete(c.parts, p.place)
	}
	if p.paused != 0 { // at the client that outlives the claim
		c.client.ResumeFetchPartitions(p.list())
	}
}

// Close implements async.Consumer. It commits what is settled, says that nothing else was started, and leaves the group, unless it is a static
// member. A second Close does nothing.
func (c *consumer) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	var claims []*async.Claim
	for _, p := range c.parts {
		p.leaving = true
		p.clear()
		p.book.End()
		claims = append(claims, p.claim)
	}
	c.stashed = nil
	f := c.flushLocked()
	c.mu.Unlock()

	for _, claim := range claims {
		claim.Lose(errClosed)
	}
	err := f.wait(ctx)
	leave, stop := context.WithTimeout(ctx, leaveTimeout)
	_ = c.client.LeaveGroupContext(leave) // what it says changes nothing: without it the session ends by itself
	stop()
	c.client.CloseAllowingRebalance()
	c.cancel()
	c.aside.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.parts {
		c.books.Remove(p.book)
	}
	clear(c.parts)
	c.orphan()
	if err != nil && !errors.Is(err, async.ErrLost) {
		return c.factory.errorf("close: %w", err)
	}
	return nil
}

// leaveTimeout bounds how long a member waits for its group to take note that it leaves.
const leaveTimeout = 5 * time.Second

var errClosed = errors.New("consumer closed")
