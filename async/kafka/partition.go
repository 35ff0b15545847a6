package kafka

import (
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/twmb/franz-go/pkg/kgo"
)

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

func (p place) String() string { return fmt.Sprintf("%s/%d", p.topic, p.partition) }

// reasons are why a partition is paused at the client.
type reasons uint8

const (
	byLedger  reasons = 1 << iota // too much is not covered by a commit
	byBacklog                     // much was fetched that cannot be given yet
)

// partition is one that the consumer owns, in one claim. All of it is guarded by the mutex of the consumer.
type partition struct {
	place

	source *async.Source // of its messages: for a retry topic the origin
	lane   async.Lane    // of its messages, unless lanes are keys
	retry  bool          // it is of a retry topic
	claim  *async.Claim
	book   *ledger.Ledger

	leaving bool               // it is being revoked or sought: nothing more is given
	halted  bool               // by Pauser.Pause: what comes is kept in the stash
	stash   []*kgo.Record      // fetched and not given yet, in order
	weight  int                // bytes of the stash
	due     *time.Timer        // ends the wait of the stash
	paused  reasons            // at the client
	written map[int64]struct{} // offsets whose dead letter or retry is confirmed, and which are not settled yet
	unsure  map[int64]struct{} // offsets that are settled in the book, and whose commit failed
}

// mostStash and heaviestStash are how many messages that cannot be given, and how many bytes of them, are taken from the client before it is told to stop
// fetching, which goes on at half of that. The client throws away what it has fetched of a partition that is paused, and fetches it anew when that is resumed,
// so it is paused late: the engine pauses and resumes a source often, and one fetch brings up to heaviestStash by default.
const (
	mostStash     = 10_000
	heaviestStash = 1 << 20
)

func newPartition(at place, source *async.Source, book *ledger.Ledger) *partition {
	return &partition{
		place: at, source: source, lane: async.Lane{Source: source}, claim: async.NewClaim(), book: book,
		written: make(map[int64]struct{}), unsure: make(map[int64]struct{}),
	}
}

// settle marks offset as settled in the book, and reports false if it is none of ours. What is settled and not committed may be settled again.
func (p *partition) settle(offset int64) bool {
	if p.book.Settle(offset) {
		delete(p.written, offset)
		return true
	}
	_, again := p.unsure[offset]
	delete(p.unsure, offset)
	return again
}

// next returns the offset behind the last message that was fetched.
func (p *partition) next() int64 {
	if n := len(p.stash); n > 0 {
		return p.stash[n-1].Offset + 1
	}
	return p.book.Next()
}

// keep puts records that cannot be given yet behind those in the stash.
func (p *partition) keep(records []*kgo.Record) {
	p.stash = append(p.stash, records...)
	p.weight += weightOf(records)
}

// taken removes the first n records of the stash.
func (p *partition) taken(n int) {
	p.weight -= weightOf(p.stash[:n])
	clear(p.stash[:n])
	p.stash = p.stash[n:]
}

// full reports whether the stash has reached a part of what it takes at most: the whole of it is part 1, the half part 2.
func (p *partition) full(part int) bool {
	return len(p.stash) >= mostStash/part || p.weight >= heaviestStash/part
}

func weightOf(records []*kgo.Record) int {
	n := 0
	for _, r := range records {
		n += len(r.Key) + len(r.Value)
	}
	return n
}

// clear forgets what was fetched.
func (p *partition) clear() {
	p.stash, p.weight = nil, 0
	if p.due != nil {
		p.due.Stop()
		p.due = nil
	}
}

// pause adds a reason to pause at the client, or removes it, and reports whether the client must be told.
func (p *partition) pause(why reasons, on bool) bool {
	was := p.paused
	if on {
		p.paused |= why
	} else {
		p.paused &^= why
	}
	return (was == 0) != (p.paused == 0)
}

// partition returns the partition in the form that the client wants.
func (p place) list() map[string][]int32 { return map[string][]int32{p.topic: {p.partition}} }
