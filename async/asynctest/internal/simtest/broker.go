package simtest

import (
	"bytes"
	"hash/fnv"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// broker is a queue with leases or a log with offsets. It survives every process. All of it is guarded by the mutex of the world.
type broker struct {
	w       *world
	entries []*entry
	byID    map[string]int
	parts   []*partition // of a log
	changed chan struct{}
	given   int // deliveries
}

// entry is a message at the broker.
type entry struct {
	index      int
	message    *async.Message // as it was published
	due        time.Duration  // not given before
	state      entryState
	delivery   *delivery // the last one
	deliveries int
	attempt    int // starts that the broker knows of

	effected  bool // a handler of it has succeeded
	discarded bool // acknowledged though it failed, which AckStrategy does
	dead      error
	deadLane  bool // its dead letter has been written at some time: its followers may go on
	failures  int  // attempts that failed
	injected  int  // those that failed because the simulation wanted it
	failing   bool // the last attempt failed
	touched   bool // some of its effects may have happened

	partition int
	offset    int64
}

// entryState is where a message is at the broker.
type entryState uint8

const (
	queued entryState = iota
	held              // a consumer has it
	parked            // given back to a log, which gives it again only to the next consumer of its partition
	gone              // settled
)

// done reports whether the messages behind e may be processed.
func (e *entry) done() bool { return e.effected || e.discarded || e.deadLane }

// delivery is a message on its way through one process.
type delivery struct {
	entry     *entry
	claim     *claim
	number    int // of those of its message
	serial    int // of all
	base      int // starts before it
	failed    int // attempts of it that failed
	unsure    bool
	running   bool
	succeeded bool
	passed    string // how its followers were handed out before it was settled
	lane      []byte
}

// claim is why a consumer has messages.
type claim struct {
	async    *async.Claim
	consumer *consumer
	first    int           // its first message, for the history
	until    time.Duration // of a lease
	revoked  time.Duration // when the engine was told to let go; 0: never
	ended    time.Duration // when it was told that it had to have let go; 0: never
	over     bool          // the broker has taken its messages back
}

// partition of a log.
type partition struct {
	entries   []*entry
	claim     *claim
	ledger    Ledger
	committed int64
	finished  []int64
}

func newBroker(w *world, mm []*async.Message) *broker {
	b := &broker{w: w, byID: make(map[string]int), changed: make(chan struct{})}
	for range w.config.Partitions {
		b.parts = append(b.parts, &partition{})
	}
	gaps := [...]time.Duration{0, 0, time.Millisecond, 20 * time.Millisecond}
	gap := gaps[mix(w.plan.seed, 3)%uint64(len(gaps))]
	if w.plan.brisk {
		gap = 0
	}
	for i, m := range mm {
		if m == nil {
			continue // taken away
		}
		e := &entry{index: i, message: m, due: time.Duration(i) * gap}
		b.byID[m.ID] = i
		b.entries = append(b.entries, e)
		if b.parts == nil {
			continue
		}
		e.partition = i % len(b.parts)
		if len(m.Key) > 0 {
			h := fnv.New32a()
			_, _ = h.Write(m.Key) // a hash takes everything
			e.partition = int(h.Sum32() % uint32(len(b.parts)))
		}
		part := b.parts[e.partition]
		e.offset = int64(len(part.entries))
		part.entries = append(part.entries, e)
	}
	return b
}

// newSources returns the sources of a consumer.
func newSources(partitions int) []*async.Source {
	if partitions == 0 {
		return []*async.Source{{System: "simulation", Name: "queue", Partition: -1}}
	}
	ss := make([]*async.Source, partitions)
	for i := range ss {
		ss[i] = &async.Source{System: "simulation", Name: "log", Partition: int32(i), Group: "service"}
	}
	return ss
}

// index returns which message has id, -1 if none has.
func (b *broker) index(id string) int {
	if i, ok := b.byID[id]; ok {
		return i
	}
	return -1
}

// shout tells everybody who waits that something has changed.
func (b *broker) shout() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// expire takes back what nobody holds any more: leases that ran out, and what processes had whose death is noticed by now.
func (b *broker) expire() {
	now := b.w.now()
	over := func(c *claim) bool {
		return c.until > 0 && now >= c.until || c.consumer.deaf > 0 && now >= c.consumer.deaf
	}
	for _, e := range b.entries {
		if (e.state == held || e.state == parked) && over(e.delivery.claim) {
			b.takeBack(e.delivery.claim)
		}
	}
	for _, part := range b.parts {
		if part.claim != nil && over(part.claim) {
			b.takeBack(part.claim)
		}
	}
}

// next returns when there is something to give to c: now, at another time, or false if that depends on others.
func (b *broker) next(c *consumer) (time.Duration, bool) {
	b.expire()
	if len(b.available(c, 1)) > 0 {
		return b.w.now(), true
	}
	var soonest time.Duration
	consider := func(at time.Duration) {
		if at > b.w.now() && (soonest == 0 || at < soonest) {
			soonest = at
		}
	}
	for _, e := range b.entries {
		switch e.state {
		case queued:
			consider(e.due)
		case held, parked:
			consider(e.delivery.claim.until)
			consider(e.delivery.claim.consumer.deaf)
		case gone:
		}
	}
	for _, part := range b.parts {
		if part.claim != nil {
			consider(part.claim.consumer.deaf)
		}
	}
	return soonest, soonest > 0
}

// available returns what may be given to c, in order.
func (b *broker) available(c *consumer, limit int) []*entry {
	if b.parts != nil {
		return b.availableOfLog(c, limit)
	}
	now, order := b.w.now(), b.w.config.Traits.Ordered
	var ee []*entry
	var blocked [][]byte // keys of which something is out
	for _, e := range b.entries {
		if len(ee) == limit {
			break
		}
		key := e.message.Key
		switch {
		case e.state == gone:
		case order == async.OrderedGroup && len(key) > 0 && slices.ContainsFunc(blocked, func(k []byte) bool { return bytes.Equal(k, key) }):
		case e.state == queued && e.due <= now:
			ee = append(ee, e)
		default:
			blocked = append(blocked, key)
		}
	}
	return ee
}

func (b *broker) availableOfLog(c *consumer, limit int) []*entry {
	now := b.w.now()
	var ee []*entry
	for i := range b.parts {
		i = (i + c.takes) % len(b.parts) // no partition is always the first
		part := b.parts[i]
		if part.claim != nil && part.claim.consumer != c || c.paused[c.sources[i]] {
			continue
		}
		for _, e := range part.entries {
			if len(ee) == limit || e.due > now {
				break // what is published later comes later
			}
			if e.state == queued && e.offset >= part.committed {
				ee = append(ee, e)
			}
		}
	}
	return ee
}

// give makes deliveries of entries to c.
func (b *broker) give(c *consumer, ee []*entry) []*delivery {
	t := b.w.config.Traits
	runs := make(map[string]*claim)
	dd := make([]*delivery, len(ee))
	for i, e := range ee {
		var cl *claim
		key := string(e.message.Key)
		switch {
		case b.parts != nil:
			part := b.parts[e.partition]
			if part.claim == nil {
				part.claim = newClaim(c, e)
				ledger := b.w.config.Ledger
				if ledger == nil {
					ledger = NewLedger
				}
				part.ledger = ledger(part.committed, part.finished)
			}
			cl = part.claim
		case t.Visibility == 0 && t.Ordered != async.OrderedGroup: // a channel
			if c.channel == nil {
				c.channel = newClaim(c, e)
			}
			cl = c.channel
		case t.Ordered == async.OrderedGroup && key != "": // a lease of a run
			if runs[key] == nil {
				runs[key] = newClaim(c, e)
			}
			cl = runs[key]
		default: // a receipt
			cl = newClaim(c, e)
		}
		if t.Visibility > 0 {
			cl.until = b.w.now() + t.Visibility
		}
		e.deliveries++
		e.state = held
		b.given++
		e.delivery = &delivery{entry: e, claim: cl, number: e.deliveries, serial: b.given, base: e.attempt}
		dd[i] = e.delivery
	}
	return dd
}

func newClaim(c *consumer, e *entry) *claim {
	return &claim{async: async.NewClaim(), consumer: c, first: e.index}
}

// holds reports whether d may still be settled.
func (b *broker) holds(d *delivery) bool {
	return d.entry.delivery == d && d.entry.state == held && !d.claim.over
}

// takeBack ends a claim at the broker: what is not settled may be given again.
func (b *broker) takeBack(c *claim) {
	if c.over {
		return
	}
	c.over = true
	for _, e := range b.entries {
		if (e.state == held || e.state == parked) && e.delivery.claim == c {
			e.state = queued
		}
	}
	for _, part := range b.parts {
		if part.claim == c {
			part.claim, part.ledger = nil, nil
		}
	}
	if c.consumer.channel == c {
		c.consumer.channel = nil
	}
	b.shout()
}

// takeBackAll ends the claims of c.
func (b *broker) takeBackAll(c *consumer) {
	for _, e := range b.entries {
		if (e.state == held || e.state == parked) && e.delivery.claim.consumer == c {
			b.takeBack(e.delivery.claim)
		}
	}
	for _, part := range b.parts {
		if part.claim != nil && part.claim.consumer == c {
			b.takeBack(part.claim)
		}
	}
}

// remove takes a message off its source for good.
func (b *broker) remove(e *entry) {
	e.state = gone
	if b.parts != nil {
		part := b.parts[e.partition]
		part.ledger.Finish(e.offset)
		part.committed, part.finished = part.ledger.Position()
	}
	b.w.progress = b.w.now()
	if b.empty() {
		b.w.restLocked()
	}
	b.shout()
}

// empty reports whether the broker would never give anything again.
func (b *broker) empty() bool {
	for _, part := range b.parts {
		if part.committed < int64(len(part.entries)) {
			return false
		}
	}
	return b.parts != nil || !slices.ContainsFunc(b.entries, func(e *entry) bool { return e.state != gone })
}

// excused reports whether the service keeps e as it was told to: it, or one before it in its lane, fails whenever it is tried.
func (b *broker) excused(e *entry) bool {
	return slices.ContainsFunc(b.entries, func(first *entry) bool {
		return first.index <= e.index && first.state != gone && first.failing && first.failures >= stubborn &&
			(first == e || len(e.message.Key) > 0 && bytes.Equal(first.message.Key, e.message.Key))
	})
}

// stubborn is how often a message has failed for us to believe that it always will.
const stubborn = 20

// stuck reports whether all that is left is kept because it fails.
func (b *broker) stuck() bool {
	return !slices.ContainsFunc(b.entries, func(e *entry) bool { return e.state != gone && !b.excused(e) })
}
