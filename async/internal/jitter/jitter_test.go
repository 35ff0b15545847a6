package jitter_test

import (
	"context"
	"testing"
	"time"

	"github.com/beatlabs/patron/async/internal/jitter"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDrawsStayBelowTheirBound(t *testing.T) {
	t.Parallel()
	seen := make(map[time.Duration]bool)
	for range 1000 {
		d := jitter.Draw(t.Context(), "m1", 5)
		if d < 0 || d >= 5 {
			t.Fatalf("got %d, want 0 to 4", d)
		}
		seen[d] = true
	}
	if len(seen) != 5 {
		t.Errorf("got %d different draws of 1000, want all 5", len(seen))
	}
}

func TestTheSourceOfTheContextIsAsked(t *testing.T) {
	t.Parallel()
	ctx := jitter.With(t.Context(), func(key string, n time.Duration) time.Duration { return n - time.Duration(len(key)) })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if got := jitter.Draw(ctx, "m1", time.Second); got != time.Second-2 {
		t.Errorf("got %v, want what the source says: %v", got, time.Second-2)
	}
}
