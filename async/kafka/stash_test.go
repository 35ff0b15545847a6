package kafka

import (
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/twmb/franz-go/pkg/kgo"
)

// After a crash the ledger lets few messages out at a time, and what is fetched meanwhile pauses the partition. All of it may be given before the time is over
// for which the head was to wait.
func TestAPartitionThatWasPausedForWhatWaitedGoesOnWhenNothingWaits(t *testing.T) {
	t.Parallel()
	client, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := &consumer{factory: &factory{group: "g"}, client: client, parts: make(map[place]*partition), upcoming: newFlight(), commits: make(chan struct{}, 1)}
	at := place{"t", 0}
	p := newPartition(at, &async.Source{Name: "t"}, ledger.New(ledger.Start{Topic: "t", Metadata: openClaim(t)}))
	defer p.clear()
	c.parts[at] = p
	c.books.Add(p.book)
	records := make([]*kgo.Record, 3)
	for i := range records {
		records[i] = &kgo.Record{Topic: "t", Offset: int64(i)}
	}
	committed := func() { // and what waits is looked at
		c.out = c.out[:0]
		c.books.Next()
		c.books.Done()
		c.unstashLocked(10)
	}

	c.takeLocked(p, records[:2], 10)
	committed()
	if len(c.out) != 1 || p.due == nil {
		t.Fatalf("got %d messages, and a timer: %v; want the first alone, and the second to wait for it", len(c.out), p.due != nil)
	}
	c.takeLocked(p, records[2:], 10)
	if p.paused == 0 {
		t.Fatal("got a partition that is fetched while its head waits, want it paused")
	}
	p.settle(0)
	committed()
	if len(c.out) != 2 {
		t.Fatalf("got %d messages, want the two that waited", len(c.out))
	}
	if p.paused != 0 || len(client.PauseFetchPartitions(nil)) > 0 {
		t.Error("got a partition that stays paused though nothing waits, want it to be fetched")
	}
}

// openClaim is what a claim commits that then ends with its process.
func openClaim(t *testing.T) string {
	t.Helper()
	var set ledger.Set
	book := ledger.New(ledger.Start{Topic: "t"})
	set.Add(book)
	if _, answer := book.Take(0, 0); answer != ledger.Later {
		t.Fatalf("got %v, want the first message to wait for a commit", answer)
	}
	commits := set.Next()
	if len(commits) != 1 {
		t.Fatalf("got %d commits, want 1", len(commits))
	}
	return commits[0].Metadata
}
