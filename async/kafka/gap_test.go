package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// numbered returns the IDs from first to last.
func numbered(first, last int) []string {
	var ids []string
	for i := first; i <= last; i++ {
		ids = append(ids, strconv.Itoa(i))
	}
	return ids
}

func acked(t *testing.T, ctx context.Context, c async.Consumer, mm ...*async.Message) {
	t.Helper()
	ss := make([]async.Settlement, len(mm))
	for i, m := range mm {
		ss[i].Message = m
	}
	if err := c.Settle(ctx, ss); err != nil {
		t.Fatal(err)
	}
	for i := range ss {
		if ss[i].Err != nil {
			t.Errorf("ack of %q: %v", mm[i].ID, ss[i].Err)
		}
	}
}

// deleted deletes what is before an offset.
func deleted(t *testing.T, ctx context.Context, h *harness, s *async.Source, before int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(s.Name, s.Partition, before, -1)
	if _, err := h.admin.DeleteRecords(ctx, offsets); err != nil {
		t.Fatal(err)
	}
}

func goneWhileConsumed(t *testing.T, h *harness) {
	t.Helper()
	defer h.Close()
	var log bytes.Buffer
	ctx, cancel := context.WithTimeout(observed(&log, slog.LevelWarn), time.Minute)
	defer cancel()
	p := h.Producer()
	defer closed(t, ctx, p)
	send(t, ctx, p, numbered(0, 7)...)
	factory := h.factory(append(h.quick(), kafka.WithFetchBytes(1, 1))...) // so that not all is fetched at once
	c := create(t, ctx, factory)
	held := slices.Clone(receive(t, ctx, c, 1))

	deleted(t, ctx, h, held[0].Source, 6)
	for held[len(held)-1].ID != "6" {
		held = append(held, receive(t, ctx, c, 1)...)
	}
	acked(t, ctx, c, held...) // what was received before it was deleted may be finished
	closed(t, ctx, c)

	missing := 7 - len(held)
	if want := fmt.Sprintf("missing=%d", missing); missing < 1 || strings.Count(log.String(), "missing=") != 1 || !strings.Contains(log.String(), want) {
		t.Errorf("%d of the first seven messages were received, so %s is to be said once:\n%s", len(held), want, log.String())
	}
	c = create(t, ctx, factory)
	if m := receive(t, ctx, c, 1)[0]; m.ID != "7" {
		t.Errorf("the next consumer received %q, want 7", m.ID)
	}
	closed(t, ctx, c)
}

func TestWhatIsDeletedWhileItIsConsumedIsCountedAndWhatIsHeldIsFinished(t *testing.T) {
	t.Parallel()
	goneWhileConsumed(t, shapes()["partitions"].onFake(t).harness)
}

func TestWhatIsDeletedWhileItIsConsumedIsCountedAndWhatIsHeldIsFinishedOnRealKafka(t *testing.T) {
	t.Parallel()
	goneWhileConsumed(t, shapes()["partitions"].onReal(t).harness)
}

func TestABrokerThatCallsAGoodOffsetOutOfRangeIsAskedAgain(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	var log bytes.Buffer
	ctx, cancel := context.WithTimeout(observed(&log, slog.LevelWarn), time.Minute)
	defer cancel()
	p := h.Producer()
	defer closed(t, ctx, p)
	send(t, ctx, p, "1", "2", "3")
	c := create(t, ctx, h.Factory())
	var held []*async.Message
	for len(held) < 3 {
		held = append(held, receive(t, ctx, c, 3)...)
	}
	acked(t, ctx, c, held[:2]...)

	fault := h.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: h.topic, Err: kerr.OffsetOutOfRange, Count: 2})
	send(t, ctx, p, "4")
	m := receive(t, ctx, c, 1)[0]
	if fault.Hits() == 0 {
		t.Error("no fetch failed")
	}
	if m.ID != "4" {
		t.Errorf("received %q, want 4: what was received before must not come again", m.ID)
	}
	acked(t, ctx, c, held[2], m)
	closed(t, ctx, c)
	if log.Len() > 0 {
		t.Errorf("something was said although nothing is missing:\n%s", log.String())
	}
}

func TestALogThatLosesItsEndIsConsumedFromTheOldestMessageThatIsNotSettled(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	ctx := limited(t)
	p := h.Producer()
	defer closed(t, ctx, p)
	send(t, ctx, p, numbered(0, 5)...)
	c := create(t, ctx, h.Factory())
	var held []*async.Message
	for len(held) < 6 {
		held = append(held, receive(t, ctx, c, 6)...)
	}
	acked(t, ctx, c, held[0])

	if err := h.living()[0].Truncated(ctx, held[0].Source, 4); err != nil {
		t.Fatal(err)
	}
	if !held[1].Claim.Lost() {
		t.Error("what was received of the lost log is still ours")
	}
	var ids []string
	for len(ids) < 3 {
		for _, m := range receive(t, ctx, c, 3) {
			ids = append(ids, m.ID)
		}
	}
	if want := numbered(1, 3); !slices.Equal(ids, want) {
		t.Errorf("received %v, want what was not settled, %v", ids, want)
	}
	closed(t, ctx, c)
}
