package kafka_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/beatlabs/patron/reliability"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refusing makes the broker answer so many times to what is sent with an error.
func (h *fakeHarness) refusing(err *kerr.Error, times int) *kfake.FaultHandle {
	return h.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: h.topic, Err: err, Count: times})
}

func TestWhatABrokerRefusesForAWhileArrivesOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for _, refusal := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			h := shapes()["partitions"].onFake(t)
			defer h.Close()
			ctx := limited(t)
			p := h.Producer()
			defer closed(t, ctx, p)
			fault := h.refusing(refusal, 2)
			var mm []*async.Message
			for _, id := range numbered(1, 5) {
				mm = append(mm, &async.Message{ID: id, Key: []byte("k"), Data: []byte(id)})
			}
			if err := p.Send(ctx, mm...); err != nil {
				t.Fatalf("send: got %v, want success with the third try", err)
			}
			if n := fault.Hits(); n != 2 {
				t.Errorf("the broker refused %d times, want 2", n)
			}
			send(t, ctx, p, "6")
			c := create(t, ctx, h.Factory())
			var ids []string
			for len(ids) < 6 {
				for _, m := range receive(t, ctx, c, 6) {
					ids = append(ids, m.ID)
				}
			}
			if want := numbered(1, 6); !slices.Equal(ids, want) {
				t.Errorf("received %v, want %v", ids, want)
			}
			closed(t, ctx, c)
		})
	}
}

func TestWhatABrokerRefusesForGoodIsNamedOneByOne(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		refusal            *kerr.Error
		permanent, unknown bool
	}{
		{refusal: kerr.TopicAuthorizationFailed},
		{refusal: kerr.PolicyViolation},
		{refusal: kerr.MessageTooLarge, permanent: true},
		{refusal: kerr.InvalidRecord, permanent: true},
		{refusal: kerr.UnknownServerError, unknown: true},
	} {
		t.Run(test.refusal.Message, func(t *testing.T) {
			t.Parallel()
			h := shapes()["partitions"].onFake(t)
			defer h.Close()
			ctx := limited(t)
			p := h.Producer()
			defer closed(t, ctx, p)
			fault := h.refusing(test.refusal, -1)

			err := p.Send(ctx, &async.Message{ID: "1", Key: []byte("a")}, &async.Message{ID: "2", Key: []byte("b")})

			batch, ok := errors.AsType[*async.BatchError](err)
			if !ok || len(batch.Errors) != 2 {
				t.Fatalf("send of two: got %v, want both named", err)
			}
			for i, err := range batch.Errors {
				permanent := reliability.Classify(err) == reliability.ClassPermanent
				if !errors.Is(err, test.refusal) || errors.Is(err, async.ErrUnknown) != test.unknown || permanent != test.permanent {
					t.Errorf("message %d: got %v, want %v, permanent: %t, unknown: %t", i, err, test.refusal, test.permanent, test.unknown)
				}
			}
			fault.Remove()
			send(t, ctx, p, "3") // the producer is as good as before
		})
	}
}

func TestWhatIsRefusedUntilTheDeadlineMayHaveArrived(t *testing.T) {
	t.Parallel()
	h := shapes()["partitions"].onFake(t)
	defer h.Close()
	ctx := limited(t)
	p, err := kafka.NewProducer(h.brokers, h.topic)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, ctx, p)
	fault := h.refusing(kerr.RequestTimedOut, -1)
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if err := p.Send(short, &async.Message{ID: "1"}); !errors.Is(err, async.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send: got %v, want ErrUnknown and that its time is over", err)
	}
	fault.Remove()
}
