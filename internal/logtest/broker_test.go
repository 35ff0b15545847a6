package logtest_test

import (
	"slices"
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/internal/logtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// That a faultless log is right is for the conformance suite to say: see the tests of the package asynctest.

func TestTheNextConsumerGoesOnWhereTheGroupIs(t *testing.T) {
	t.Parallel()
	b := logtest.New("orders", 1, 0)
	for _, id := range []string{"a", "b", "c"} {
		if err := b.Send(&async.Message{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(c async.Consumer) (mm []*async.Message, ids []string) {
		t.Helper()
		mm, err := c.Receive(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mm {
			ids = append(ids, m.ID)
		}
		return mm, ids
	}
	first, err := b.Factory().Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mm, _ := receive(first)
	if err := first.Settle(t.Context(), []async.Settlement{{Message: mm[0]}, {Message: mm[2]}}); err != nil {
		t.Fatal(err)
	}
	next, err := b.Factory().Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	if _, ids := receive(next); !slices.Equal(ids, []string{"b", "c"}) {
		t.Errorf("the next consumer got %v, want what follows the last message before which all is done", ids)
	}
	if got := b.Lag(); got != 2 {
		t.Errorf("lag: got %d, want 2", got)
	}
}
