package sarama

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
)

// consumer is a member of a group. The client library runs the group and fetches; what it brings waits in the claims until Receive takes it. All commits
// are our own, because those of the library carry neither metadata for the same offset nor an error for each partition.
//
//	run (group.go) ──> Setup, ConsumeClaim (claim.go) ──> claim.queue ──> Receive ──> engine ──> Settle ──> ledger ──> commitAll (commit.go)
type consumer struct {
	factory *factory
	log     *slog.Logger
	net     *network
	link    *link // for everything but the group, and for dead letters and retries
	group   sarama.ConsumerGroup
	admin   sarama.ClusterAdmin
	books   *coordinator
	topics  []string        // what is subscribed to, retry topics included
	tiers   map[string]tier // the retry topics among them

	life context.Context //nolint:containedctx // ends when the consumer is closed and everything is committed
	end  context.CancelFunc
	stop context.CancelFunc // ends the membership
	work sync.WaitGroup     // of the goroutines
	wake chan struct{}      // a Receive may find something
	kick chan struct{}      // a commit may have something to say

	mu      sync.Mutex // guards everything below
	sources map[place]*async.Source
	claims  []*claim // in no order: each Receive begins with another
	turn    int
	set     ledger.Set
	session sarama.ConsumerGroupSession
	restart context.CancelFunc // ends the session
	tick    chan struct{}      // closed and replaced when a commit is done or a claim is gone
	out     []*async.Message   // what Receive returned last
	trust   *time.Timer
	paused  map[*async.Source]bool
	invalid map[place]bool // positions that were out of range
	joined  chan struct{}  // closed when the group was joined for the first time
	fault   error          // why the group cannot be joined now, or did not answer
	unsaid  error          // why the last commit failed
	closing bool
}

var (
	_ async.Consumer    = (*consumer)(nil)
	_ async.Lagger      = (*consumer)(nil)
	_ async.Pauser      = (*consumer)(nil)
	_ component.Checker = (*consumer)(nil)
)

// create makes a consumer that has joined the group.
func (f *factory) create(ctx context.Context) (*consumer, error) {
	c := &consumer{
		factory: f, log: plog.Slog(ctx), wake: make(chan struct{}, 1), kick: make(chan struct{}, 1),
		sources: make(map[place]*async.Source), tick: make(chan struct{}), paused: make(map[*async.Source]bool), invalid: make(map[place]bool),
		joined: make(chan struct{}),
	}
	base := context.WithoutCancel(ctx)
	c.life, c.end = context.WithCancel(base)
	if err := c.connect(ctx); err != nil {
		c.abandon()
		return nil, err
	}
	var membership context.Context
	membership, c.stop = context.WithCancel(c.life)
	failed := make(chan error, 1)
	c.work.Go(c.commitAll)
	c.work.Go(c.drainErrors)
	c.work.Go(func() { c.run(membership, failed) })
	select {
	case <-c.joined:
		return c, nil
	case err := <-failed:
		return nil, errors.Join(err, c.Close(ctx))
	case <-ctx.Done():
		ended, cancel := context.WithCancel(base)
		cancel()
		_ = c.Close(ended) // says that it was not given time
		return nil, fmt.Errorf("join the group: %w", context.Cause(ctx))
	}
}

// connect makes the clients, and the topics that are ours to make.
func (c *consumer) connect(ctx context.Context) error {
	l, err := c.factory.config.connect(ctx)
	if err != nil {
		return err
	}
	c.link = l
	if err := l.net.within(ctx, func() error { return c.prepare(ctx, l.client) }); err != nil {
		return err
	}
	c.books = newCoordinator(l.client, c.factory.group)

	c.net = newNetwork(ctx, &c.factory.config)
	err = c.net.within(ctx, func() (err error) {
		c.group, err = sarama.NewConsumerGroup(c.factory.config.brokers, c.factory.group, c.factory.config.client(c.net))
		return err
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// abandon closes what connect has made.
func (c *consumer) abandon() {
	c.end()
	if c.group != nil {
		_ = c.group.Close() // it is of no use
	}
	if c.net != nil {
		c.net.close()
	}
	if c.books != nil {
		c.books.close()
	}
	if c.link != nil {
		c.link.close()
	}
}

// Receive implements async.Consumer. The slice that it returns is used again by the next Receive.
func (c *consumer) Receive(ctx context.Context, limit int) ([]*async.Message, error) {
	if limit < 1 {
		return nil, c.factory.errorf("receive: limit %d: want at least 1", limit)
	}
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		mm, next := c.collect(limit)
		if len(mm) > 0 {
			return mm, nil
		}
		if err := c.await(ctx, next); err != nil {
			return nil, err
		}
	}
}

// await blocks until there may be something, or next has come.
func (c *consumer) await(ctx context.Context, next time.Time) error {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-c.wake:
	case <-due:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// collect takes messages out of the claims, a share of each in turn, and returns when the next delayed one is due.
func (c *consumer) collect(limit int) (mm []*async.Message, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = c.out[:0]
	now := time.Now()
	n := len(c.claims)
	if n == 0 {
		return nil, time.Time{}
	}
	c.turn = (c.turn + 1) % n
	for i := range n {
		k := c.claims[(c.turn+i)%n]
		share := max(1, (limit-len(c.out))/(n-i))
		if due := c.takeLocked(k, share, now); !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
		if len(c.out) >= limit {
			break
		}
	}
	return c.out, next
}

func (c *consumer) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
}

// changedLocked tells those who wait for commits and claims.
func (c *consumer) changedLocked() {
	close(c.tick)
	c.tick = make(chan struct{})
}

// sourceLocked returns the source of a partition, one for the life of the consumer.
func (c *consumer) sourceLocked(p place) *async.Source {
	s := c.sources[p]
	if s == nil {
		s = &async.Source{System: system, Name: p.topic, Partition: p.partition, Group: c.factory.group}
		c.sources[p] = s
	}
	return s
}

// Sources implements async.Pauser.
func (c *consumer) Sources() []*async.Source {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ss []*async.Source
	for _, k := range c.claims {
		if !k.retry {
			ss = append(ss, k.source)
		}
	}
	return ss
}

// Pause implements async.Pauser. What comes back from a retry topic belongs to its source, and is paused with it.
func (c *consumer) Pause(source *async.Source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused[source] = true
}

// Resume implements async.Pauser.
func (c *consumer) Resume(source *async.Source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.paused, source)
	c.wakeUp()
}

// Check implements component.Checker: nil while the member is in its group, and its commits arrive.
func (c *consumer) Check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fault != nil:
		return c.factory.errorf("%w", c.fault)
	case c.session == nil:
		return c.factory.errorf("the group is not joined")
	case c.unsaid != nil:
		return c.factory.errorf("commit: %w", c.unsaid)
	default:
		return nil
	}
}

// Close implements async.Consumer. When ctx ends before it is done, the connections are cut: what was settled and not committed comes again.
func (c *consumer) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return nil
	}
	c.closing = true
	if c.trust != nil {
		c.trust.Stop()
	}
	c.mu.Unlock()

	cut := context.AfterFunc(ctx, func() {
		c.net.close()
		c.link.net.close()
		c.end()
	})
	c.stop()     // ends the session, and with it the claims
	c.leave(ctx) // blocks until that is so
	c.end()
	c.work.Wait()
	c.books.close()
	c.net.close()
	c.link.close()
	if !cut() {
		return c.factory.errorf("close: %w", context.Cause(ctx))
	}
	return nil
}

// leave leaves the group. If that fails its other members wait for the session to end, and nothing is lost.
func (c *consumer) leave(ctx context.Context) {
	err := c.group.Close()
	_, past := errors.AsType[*sarama.ConsumerError](err) // an error of before that nobody had fetched yet
	if err == nil || past || ctx.Err() != nil || errors.Is(err, sarama.ErrClosedClient) {
		return
	}
	c.log.WarnContext(ctx, "sarama: the group was not left, its partitions wait for the end of the session", "group", c.factory.group, "error", err.Error())
}
