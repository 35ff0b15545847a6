package inbox_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async/inbox"
	"github.com/beatlabs/patron/async/inbox/inboxtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newMemory(t *testing.T, capacity int) *inbox.Memory {
	t.Helper()
	s, err := inbox.NewMemory(capacity)
	if err != nil {
		t.Fatalf("NewMemory: %v", err)
	}
	return s
}

func TestMemoryIsAStore(t *testing.T) {
	t.Parallel()
	inboxtest.Run(t, func(t *testing.T) inboxtest.Harness {
		t.Helper()
		return inboxtest.Harness{Store: newMemory(t, 1000)}
	}, inboxtest.Bubble())
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	if _, err := inbox.NewMemory(0); err == nil {
		t.Error("NewMemory(0): got no error")
	}
	synctest.Test(t, func(t *testing.T) {
		s := newMemory(t, 3)
		begin := func(id string) (inbox.State, error) {
			state, _, err := s.Begin(t.Context(), inbox.Key{Consumer: "c", ID: id}, "owner of "+id, time.Minute)
			return state, err
		}
		done := func(id string) {
			if _, err := begin(id); err != nil {
				t.Fatal(err)
			}
			if err := s.Done(t.Context(), inbox.Key{Consumer: "c", ID: id}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		want := func(id string, want inbox.State) {
			if got, err := begin(id); got != want || err != nil {
				t.Errorf("Begin of %s: got %v and error %v, want %v", id, got, err, want)
			}
		}

		for _, id := range []string{"1", "2", "3", "4"} {
			done(id)
		}
		want("2", inbox.Done)
		want("4", inbox.Done)
		want("1", inbox.Begun) // it was done first, and takes the place of 2

		want("5", inbox.Begun)
		want("6", inbox.Begun)
		if state, err := begin("7"); err == nil {
			t.Errorf("Begin with all in flight: got %v, want an error", state)
		}
		if err := s.Done(t.Context(), inbox.Key{Consumer: "c", ID: "8"}, time.Hour); err == nil {
			t.Error("Done with all in flight: got nil, want an error")
		}
		if s.Len() != 3 {
			t.Errorf("Len: got %d, want 3", s.Len())
		}
		time.Sleep(time.Minute) // the leases end
		want("7", inbox.Begun)
		if s.Len() > 3 {
			t.Errorf("Len: got %d, want 3 at most", s.Len())
		}
	})
}

func TestMemoryForgetsWhatIsTooOldAsItGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newMemory(t, 1000)
		for i := range 100 {
			key := inbox.Key{Consumer: "c", ID: string(rune('a' + i))}
			if _, _, err := s.Begin(t.Context(), key, "o", time.Minute); err != nil {
				t.Fatal(err)
			}
			if err := s.Done(t.Context(), key, time.Minute); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		if s.Len() > 10 {
			t.Errorf("Len: got %d, want those of the last minute", s.Len())
		}
	})
}

func TestStatesAreNamed(t *testing.T) {
	t.Parallel()
	for state, want := range map[inbox.State]string{
		inbox.Begun: "begun", inbox.InFlight: "in flight", inbox.Done: "done", 0: "unknown state", 9: "unknown state",
	} {
		if got := state.String(); got != want {
			t.Errorf("State %d: got %q, want %q", state, got, want)
		}
	}
}

// broken is a store that fails when it is told to.
type broken struct {
	inbox.Store

	begin, extend, done, abandon func() error
}

var errDown = errors.New("the store is down")

func told(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (b *broken) Begin(ctx context.Context, key inbox.Key, owner string, lease time.Duration) (inbox.State, time.Duration, error) {
	if err := told(b.begin); err != nil {
		return 0, 0, err
	}
	return b.Store.Begin(ctx, key, owner, lease)
}

func (b *broken) Extend(ctx context.Context, key inbox.Key, owner string, lease time.Duration) error {
	if err := told(b.extend); err != nil {
		return err
	}
	return b.Store.Extend(ctx, key, owner, lease)
}

func (b *broken) Done(ctx context.Context, key inbox.Key, ttl time.Duration) error {
	if err := told(b.done); err != nil {
		return err
	}
	return b.Store.Done(ctx, key, ttl)
}

func (b *broken) Abandon(ctx context.Context, key inbox.Key, owner string) error {
	if err := told(b.abandon); err != nil {
		return err
	}
	return b.Store.Abandon(ctx, key, owner)
}
